"""Which images stand for a class, and what a translated one is shown beside."""

from pathlib import Path

import numpy as np
import pytest
import torch

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans import build_gan
from medgan.gans.drawing import GRID_COLUMNS, generate, sample_grid
from medgan.imaging.arrays import to_uint8
from medgan.imaging.grids import below, by_class, check_suffix, grid


@pytest.mark.parametrize("name", ["grid", "grid.xyz", "folder.png"])
def test_a_name_that_is_no_picture_s_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(MedganError, match=rf"{name} is no name for a picture; give one that ends in \.png"):
        check_suffix(tmp_path / name)
    check_suffix(tmp_path / "GRID.PNG")


def test_a_class_of_too_few_images_repeats_them() -> None:
    labels = np.array([0, 1, 0, 1, 0, 0])
    everything = np.ones(6, bool)
    assert by_class(labels, everything, classes=2, columns=4) == [0, 2, 4, 5, 1, 1, 3, 3]
    assert by_class(labels, everything, classes=2, columns=5) == [0, 0, 2, 4, 5, 1, 1, 1, 3, 3]
    assert by_class(labels, labels == 1, classes=0, columns=1) == [1, 1, 3, 3]
    assert by_class(None, np.array([False, True, False]), classes=0, columns=2) == [1] * 8


def test_a_class_without_images_in_a_split_has_no_row() -> None:
    """Splits are stratified by the patient's most common class: a split may lack a rare one."""
    labels, allowed = np.array([0, 1, 0]), np.array([True, False, True])
    assert by_class(labels, allowed, classes=2, columns=2) == [0, 2]


def test_pictures_below_each_other_share_their_channels() -> None:
    grey, colour = np.full((2, 4, 1), 7, np.uint8), np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    both = below([grey, colour])
    assert both.shape == (5, 4, 3) and (both[:2] == 7).all() and np.array_equal(both[2:], colour)
    assert np.array_equal(below([grey]), grey)


@pytest.mark.parametrize(("channels", "given"), [(1, 1), (1, 2), (1, 3), (3, 1), (3, 2), (3, 3)])
def test_a_translated_row_stands_between_its_sources_and_its_targets_and_errors(
    config: Config, channels: int, given: int
) -> None:
    """Sources in colour where images are, else grey; the error is black at none and white at a quarter of the range."""
    model = {"name": "unet", "width": 4, "max_width": 8, "levels": 1, "discriminator_width": 4}
    changed = config.override({"gan.name": "translation", "gan.model": model})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        gan = build_gan(changed.gan, ImageSpec(16, channels, source_channels=given))
        source = torch.rand(2 * GRID_COLUMNS, given, 16, 16) * 2 - 1
        noise = torch.rand(2 * GRID_COLUMNS, channels, 16, 16)
    drawn = generate(gan, gan.generators, len(source), {"source": source}, seed=0)
    # Near enough that most errors are neither black nor white.
    target = (torch.from_numpy(drawn) + noise - 0.5).clamp(-1, 1)
    seen = {1: source, 2: source[:, :1], 3: source if channels == 3 else source.mean(dim=1, keepdim=True)}[given]
    sources = to_uint8(seen.expand(-1, channels, -1, -1).numpy())
    errors = np.abs(drawn - target.numpy()).clip(0, 0.5).transpose(0, 2, 3, 1) / 0.5 * 255
    sides = (sources, to_uint8(drawn), to_uint8(target.numpy()), np.rint(errors).astype(np.uint8))
    rows = [side[start : start + GRID_COLUMNS] for start in (0, GRID_COLUMNS) for side in sides]
    expected = grid(np.concatenate(rows), columns=GRID_COLUMNS)
    picture = sample_grid(gan, gan.generators, {"source": source, "target": target})
    assert picture.shape == expected.shape
    # The errors were rounded in another order.
    assert np.abs(picture.astype(int) - expected).max() <= 1
    # Without targets there is no error to show.
    alone = sample_grid(gan, gan.generators, {"source": source})
    assert np.array_equal(alone, grid(np.concatenate([rows[i] for i in (0, 1, 4, 5)]), columns=GRID_COLUMNS))
