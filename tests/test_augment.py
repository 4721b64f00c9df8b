"""Each augmentation: what it changes, what it leaves, and that the generator learns through it."""

from itertools import product

import pytest
import torch
from torch import Tensor

from medgan.config.schema import Config
from medgan.data.batch import Batch
from medgan.gans.augment import AUGMENTATIONS, augmented, jitter
from medgan.randomness import StepRandomness

KINDS = sorted(AUGMENTATIONS)
each_kind = pytest.mark.parametrize("kind", KINDS)


def pictures(n: int = 8, channels: int = 3, size: int = 16) -> Tensor:
    return 2 * torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(n)) - 1


def after(images: Tensor, *kinds: str, seed: int = 0) -> Tensor:
    return augmented(images, kinds, StepRandomness(seed, 0), "augment")


@pytest.mark.parametrize("reach", [1, 3])
def test_what_belongs_together_moves_together(reach: int) -> None:
    """Within reach, each image on its own, and what comes in is black or no lesion."""
    images = pictures(64, 1)
    mask = (images > 0).float()
    batch = Batch(images, label=torch.arange(64), source=images.expand(-1, 2, -1, -1), mask=mask)
    after = jitter(batch, reach, StepRandomness(0, 0))
    assert after.source is not None and after.mask is not None and after.label is batch.label
    assert torch.equal(after.source, after.image.expand(-1, 2, -1, -1))
    padded, seen = torch.nn.functional.pad(images, (reach,) * 4, value=-1.0), set()
    for row, image in enumerate(after.image):
        (place,) = (
            (down, across)
            for down, across in product(range(2 * reach + 1), repeat=2)
            if torch.equal(padded[row, :, down : down + 16, across : across + 16], image)
        )
        seen.add(place)
    assert len(seen) > 4 * reach and {part for place in seen for part in place} == set(range(2 * reach + 1))
    assert torch.equal(after.mask, (after.image > 0).float())
    assert jitter(batch, 0, StepRandomness(0, 0)) is batch


def test_the_configuration_offers_each_of_them(config: Config) -> None:
    assert config.override({"gan.augment": KINDS}).gan.augment == tuple(KINDS)


@each_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shape_and_dtype_are_kept(kind: str, dtype: torch.dtype) -> None:
    for channels, size in product((1, 3), (16, 64)):
        images = pictures(2, channels, size).to(dtype)
        assert (after(images, kind).shape, after(images, kind).dtype) == (images.shape, dtype)


@each_kind
def test_the_change_depends_on_the_seed_alone(kind: str) -> None:
    images, global_state = pictures(), torch.get_rng_state()
    first = after(images, kind, seed=1)
    assert torch.equal(torch.get_rng_state(), global_state)
    torch.randn(3)
    assert torch.equal(after(images, kind, seed=1), first)
    assert not torch.equal(after(images, kind, seed=2), first)


@each_kind
def test_it_changes_the_images_and_not_its_input(kind: str) -> None:
    images = pictures()
    assert not torch.equal(after(images, kind), images)
    assert torch.equal(images, pictures())


@each_kind
def test_a_finite_gradient_reaches_every_image(kind: str) -> None:
    images = pictures().requires_grad_()
    (gradient,) = torch.autograd.grad(after(images, kind).square().sum(), images)
    assert gradient.isfinite().all()
    assert gradient.flatten(1).any(dim=1).all()


@each_kind
def test_each_image_of_a_batch_gets_its_own_change(kind: str) -> None:
    changed = after(pictures(1).expand(16, -1, -1, -1), kind)
    different = len(torch.unique(changed, dim=0))
    assert different == 2 if kind == "mirror" else different >= 8


@each_kind
def test_an_image_is_changed_alike_in_any_company(kind: str) -> None:
    images = pictures()
    alone = images.clone()
    alone[1:] = 0.25
    assert torch.equal(after(images, kind)[0], after(alone, kind)[0])


def test_without_any_the_input_comes_back() -> None:
    images = pictures()
    assert after(images) is images


def test_they_are_applied_in_turn_on_one_stream_of_random_numbers() -> None:
    images = one_by_one = pictures()
    draws = [AUGMENTATIONS[kind].draw(images.shape[-1]) for kind in KINDS]
    for kind, numbers in zip(KINDS, StepRandomness(0, 0).drawn("augment", draws, len(images)), strict=True):
        one_by_one = AUGMENTATIONS[kind].change(one_by_one, numbers)
    assert torch.equal(after(images, *KINDS), one_by_one)


def test_their_order_matters() -> None:
    images = pictures()
    assert (after(images, "brightness", "cutout") == 0).any()
    assert not (after(images, "cutout", "brightness") == 0).any()


def test_brightness_shifts_each_image_by_at_most_half() -> None:
    images = pictures(200, 1)
    shift = (after(images, "brightness") - images).flatten(1)
    assert torch.allclose(shift, shift[:, :1], atol=1e-6)
    assert -0.5 <= shift.min() < -0.4 and 0.4 < shift.max() < 0.5


def test_contrast_keeps_the_mean_and_scales_the_rest_by_half_to_one_and_a_half() -> None:
    images = pictures(200)
    changed = after(images, "contrast")
    assert torch.allclose(changed.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)), atol=1e-6)
    factor = changed.flatten(1).std(dim=1) / images.flatten(1).std(dim=1)
    assert 0.5 <= factor.min() < 0.6 and 1.4 < factor.max() < 1.5


def test_saturation_keeps_the_mean_of_each_pixel_and_changes_colours_from_none_to_double() -> None:
    images = pictures(200)
    changed, grey = after(images, "saturation"), images.mean(dim=1)
    assert torch.allclose(changed.mean(dim=1), grey, atol=1e-6)
    factor = (changed - grey[:, None]).flatten(1).norm(dim=1) / (images - grey[:, None]).flatten(1).norm(dim=1)
    assert factor.min() < 0.1 and 1.9 < factor.max() < 2


def test_saturation_leaves_grey_images_as_they_are() -> None:
    single = pictures(8, 1)
    assert torch.equal(after(single, "saturation"), single)
    grey = single.expand(-1, 3, -1, -1)
    assert torch.allclose(after(grey, "saturation"), grey, atol=1e-6)


def shifted(image: Tensor, rows: int, columns: int) -> Tensor:
    """np.roll, and -1 where the other border came in."""
    rolled = image.roll((rows, columns), dims=(1, 2))
    size = image.shape[-1]
    from_row, from_column = torch.arange(size) - rows, torch.arange(size) - columns
    inside = ((from_row >= 0) & (from_row < size))[:, None] & ((from_column >= 0) & (from_column < size))
    return torch.where(inside, rolled, -1.0)


@pytest.mark.parametrize("size", [16, 32])
def test_translation_moves_the_whole_content_by_up_to_an_eighth(size: int) -> None:
    images, reach = pictures(64, 3, size), size // 8
    within = list(product(range(-reach, reach + 1), repeat=2))
    shifts = []
    for before, now in zip(images, after(images, "translation"), strict=True):
        found = [shift for shift in within if torch.equal(shifted(before, *shift), now)]
        assert len(found) == 1
        shifts += found
    for direction in zip(*shifts, strict=True):
        assert set(direction) == set(range(-reach, reach + 1))


@pytest.mark.parametrize("size", [16, 32])
def test_cutout_sets_a_square_of_up_to_half_the_side_to_the_middle_grey(size: int) -> None:
    images = pictures(100, 3, size)
    changed = after(images, "cutout")
    differs = changed != images
    assert (changed[differs] == 0).all()
    assert torch.equal(differs.all(dim=1), differs.any(dim=1))  # in all channels
    cut = differs[:, 0]
    rows, columns = cut.any(dim=2), cut.any(dim=1)
    assert torch.equal(cut, rows[:, :, None] & columns[:, None, :])
    for line in (rows, columns):
        sides = line.sum(dim=1)
        assert (line.int().diff(dim=1) == 1).sum(dim=1).max() <= 1  # in one piece
        # The border cuts some off, but leaves at least half of each.
        assert sides.min() >= size // 4 and size // 2 - 1 <= sides.max() <= size // 2
        assert line.any(dim=0).all()  # the whole image can be reached


def test_mirror_flips_about_half_of_the_images_and_only_left_to_right() -> None:
    images = pictures(200)
    changed = after(images, "mirror")
    flipped = (changed == images.flip(3)).flatten(1).all(dim=1)
    kept = (changed == images).flatten(1).all(dim=1)
    assert (flipped ^ kept).all()
    assert 80 <= flipped.sum() <= 120
