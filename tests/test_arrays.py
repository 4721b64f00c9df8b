"""Values of images at the levels that stored data have."""

import numpy as np
import pytest
from pixels import seen

from medgan.imaging.arrays import quantised, to_uint8


def test_images_of_eight_bits_are_those_that_eight_bits_store() -> None:
    images = np.random.default_rng(0).uniform(-1.2, 1.2, (20, 3, 8, 8)).astype(np.float32)
    assert np.array_equal(quantised(images, 256), seen(to_uint8(images)))


@pytest.mark.parametrize("levels", [256, 4096, 65536])
def test_every_level_stays_and_what_lies_between_goes_to_the_nearest(levels: int) -> None:
    grid = (np.arange(levels) / ((levels - 1) / 2) - 1).astype(np.float32)
    moved = quantised(grid, levels)
    assert moved.dtype == np.float32 and np.abs(moved - grid).max() < 1e-6
    assert len(np.unique(moved)) == levels and moved[0] == -1 and moved[-1] == 1
    step = 2 / (levels - 1)
    assert np.array_equal(quantised(grid + np.float32(0.3 * step), levels), moved)
    assert np.array_equal(quantised(moved, levels), moved)


def test_values_beyond_are_clipped() -> None:
    assert quantised(np.array([-3, 1.0000002, 7], np.float32), 256).tolist() == [-1, 1, 1]
