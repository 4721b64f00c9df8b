"""The extractor: what it accepts, that it repeats itself, and that it survives a file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pixels import seen

from medgan.errors import MedganError
from medgan.scores.extractor import BLOCKS, DIMENSIONS, RECIPE, Extractor
from medgan.scores.frechet import distance, statistics
from medgan.scores.learning import train_extractor
from medgan.seeds import numpy_generator


def pixels_of(count: int, size: int = 16, channels: int = 1, seed: int = 0) -> NDArray[np.uint8]:
    return numpy_generator(seed, "images").integers(0, 256, size=(count, size, size, channels), dtype=np.uint8)


def images_of(count: int, size: int = 16, channels: int = 1) -> NDArray[np.float32]:
    return seen(pixels_of(count, size, channels))


def bright_and_dark(count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    labels = np.arange(count) % 2
    return seen(pixels_of(count) // 2 + (100 * labels[:, None, None, None]).astype(np.uint8)), labels


def trained(*, labelled: bool = True, seed: int = 0, steps: int = 8) -> Extractor:
    images, labels = bright_and_dark(64)
    return train_extractor(images, labels if labelled else None, classes=2, steps=steps, batch=16, seed=seed)


@pytest.mark.parametrize("labelled", [True, False])
def test_one_seed_gives_one_extractor(labelled: bool) -> None:
    torch.manual_seed(5)
    once = trained(labelled=labelled)
    torch.manual_seed(6)
    before = torch.get_rng_state()
    again = trained(labelled=labelled)
    assert once.digest == again.digest
    assert once.digest != trained(labelled=labelled, seed=1).digest
    assert torch.equal(before, torch.get_rng_state()), "training reads or moves the global generator"


def test_it_learns_the_classes() -> None:
    images, labels = bright_and_dark(200)
    assert (trained(steps=40).observe(images).classes == labels).mean() > 0.95


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_every_shape_gives_features_of_one_length(size: int, channels: int) -> None:
    images = images_of(5, size, channels)
    extractor = train_extractor(images, None, classes=0, steps=1, batch=4, seed=0)
    features = extractor.observe(images).features
    assert features.shape == (5, DIMENSIONS)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


@pytest.mark.parametrize("size", [64, 128, 256])
def test_a_checkerboard_shows_at_every_size(size: int) -> None:
    smooth = np.full((20, size, size, 1), 100, dtype=np.uint8) + pixels_of(20, size) // 64
    extractor = train_extractor(seen(smooth), None, classes=0, steps=2, batch=4, seed=0)
    board = (np.indices((size, size)).sum(axis=0) % 2 * 8)[..., None].astype(np.uint8)
    real, marred = (extractor.observe(seen(pixels)).features for pixels in (smooth, smooth - 4 + board))
    spread = real.std(axis=0) + 1e-6
    assert (np.abs(marred.mean(axis=0) - real.mean(axis=0)) / spread).max() > 5


def test_training_images_have_standardised_features() -> None:
    images, _ = bright_and_dark(64)
    images, labels = bright_and_dark(64)
    extractor = trained()
    features = extractor.observe(images).features
    assert np.abs(features.mean(axis=0)).max() < 1e-4
    within = np.concatenate([features[labels == label] - features[labels == label].mean(axis=0) for label in (0, 1)])
    pooled, placed = np.split(within.var(axis=0), 2)
    # What is kept of 10 for each depth, and of as much for the places: the largest first, of each kind.
    assert 0 < pooled.sum() <= 42 and 0 < placed.sum() <= 42
    assert (np.diff(pooled) < 1e-4).all() and (np.diff(placed) < 1e-4).all()
    assert extractor.kernel_width == pytest.approx(0.5 * np.sqrt(within.var(axis=0).sum()), rel=0.02)


def test_the_places_tell_where_things_are() -> None:
    """Quadrants that have changed places are the same to the pooled depths, but for the seams."""
    images, _ = bright_and_dark(32)
    moved = np.roll(images, 8, axis=3)
    extractor = trained()
    sums = np.cumsum(BLOCKS)[:-1]
    assert len(extractor.centre) == sums[-1] + BLOCKS[-1]
    with torch.no_grad():
        before, after = (extractor.blocks(torch.from_numpy(pixels)) for pixels in (images, moved))
    shifts = [float((b - a).abs().mean() / a.std()) for a, b in zip(before, after, strict=True)]
    assert shifts[-1] > 3 * max(shifts[:2])


def test_features_do_not_depend_on_the_company() -> None:
    extractor, images = trained(), images_of(300)
    assert np.allclose(extractor.observe(images).features[260:], extractor.observe(images[260:]).features, atol=1e-4)


def test_progress_counts_the_steps() -> None:
    images, labels = bright_and_dark(8)
    told: list[int] = []
    train_extractor(images, labels, classes=2, steps=3, batch=16, seed=0, progress=told.append)
    assert told == [1, 2, 3]


def test_a_saved_extractor_comes_back_whole(tmp_path: Path) -> None:
    extractor, images = trained(), images_of(4)
    for name in ("once", "again"):
        extractor.save(tmp_path / name)
    loaded = Extractor.load(tmp_path / "once")
    assert (tmp_path / "once").read_bytes() == (tmp_path / "again").read_bytes()
    assert loaded.digest == extractor.digest
    assert np.array_equal(loaded.observe(images).features, extractor.observe(images).features)
    assert np.array_equal(loaded.observe(images).classes, extractor.observe(images).classes)


def test_a_file_that_is_no_extractor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "extractor.safetensors"
    with pytest.raises(MedganError, match="does not exist"):
        Extractor.load(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(MedganError, match="damaged"):
        Extractor.load(path)
    trained().save(path)
    path.write_bytes(path.read_bytes().replace(b"domain-v2", b"domain-v1"))
    with pytest.raises(MedganError, match="'domain-v1', this code of 'domain-v2'"):
        Extractor.load(path)


def test_images_of_another_shape_or_type_are_refused() -> None:
    extractor = trained()
    for images in (images_of(2, size=32), images_of(2, channels=3), pixels_of(2).transpose(0, 3, 1, 2), images_of(0)):
        with pytest.raises(MedganError, match=r"expected images \(N, 1, 16, 16\) float32"):
            extractor.observe(images)


def test_labels_that_do_not_fit_are_refused() -> None:
    images, labels = bright_and_dark(8)
    for wrong in (labels[:-1], labels + 1, labels - 1):
        with pytest.raises(MedganError, match=r"8 images need as many labels in \[0, 2\)"):
            train_extractor(images, wrong, classes=2, steps=1, batch=4, seed=0)


def test_one_class_is_nothing_to_classify() -> None:
    images, labels = bright_and_dark(8)
    with pytest.raises(MedganError, match="1 class is nothing to learn; train the extractor without labels"):
        train_extractor(images, 0 * labels, classes=1, steps=1, batch=4, seed=0)


def test_without_labels_there_is_nothing_to_classify() -> None:
    with pytest.raises(MedganError, match="trained without labels"):
        _ = trained(labelled=False).observe(images_of(2)).classes


def of_formula(channels: int, size: int, classes: int) -> Extractor:
    """An extractor whose weights come from no training and no generator of torch."""
    extractor = Extractor(channels, size, classes)
    for name, tensor in extractor.state_dict().items():
        values = numpy_generator(0, name).normal(size=tuple(tensor.shape))
        scale = 1.0 if tensor.ndim < 2 else float(np.prod(tensor.shape[1:])) ** -0.5
        spread = np.abs(values) + 0.5 if name.endswith("running_var") else scale * values
        tensor.copy_(torch.from_numpy(np.asarray(spread)).to(tensor.dtype))
    return extractor.eval()


# Of a recipe: sums of what the features of fixed weights are, by channels and size, and what a short training comes to:
# a distance, which no turn of the features changes, and the width of the kernel.
FROZEN: dict[str, tuple[dict[tuple[int, int], tuple[float, float]], dict[bool, tuple[float, float]]]] = {
    "domain-v2": (
        {
            (1, 16): (3.8516, 15.1860),
            (1, 64): (3.8763, 16.3946),
            (3, 32): (3.8767, 16.1466),
            (3, 128): (3.8751, 16.1395),
        },
        {True: (2868.8, 2.1356), False: (100.30, 2.6767)},
    )
}


@pytest.mark.parametrize(("channels", "size"), [(1, 16), (1, 64), (3, 32), (3, 128)])
def test_features_are_those_of_the_recipe(channels: int, size: int) -> None:
    """Whoever changes them renames the recipe, and stores its values here: old scores are then of another recipe."""
    features = of_formula(channels, size, 3).observe(images_of(4, size, channels)).features
    expected = FROZEN[RECIPE][0][channels, size]
    assert (np.abs(features).mean(), features[2, :8].sum()) == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("labelled", [True, False])
def test_training_is_that_of_the_recipe(labelled: bool) -> None:
    extractor = trained(labelled=labelled)
    images, labels = bright_and_dark(400)
    sides = (statistics(extractor.observe(images[labels == side]).features) for side in (0, 1))
    expected = FROZEN[RECIPE][1][labelled]
    assert (distance(*sides), extractor.kernel_width) == pytest.approx(expected, rel=2e-3)
