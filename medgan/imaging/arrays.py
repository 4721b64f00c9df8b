"""Arrays of images between the values that data are stored in and the [-1, 1] that networks and judges see."""

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]


def to_uint8(images: Images) -> NDArray[np.uint8]:
    """(N, C, H, W) in [-1, 1] to (N, H, W, C) in 0..255, rounded."""
    scaled = np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)
    return np.ascontiguousarray(scaled.transpose(0, 2, 3, 1))


def quantised(images: Images, levels: int) -> Images:
    """Images in [-1, 1], each value at the nearest of so many evenly spaced ones; values beyond are clipped.

    levels: those of the stored data, 256 of 8 bits. A judge must not tell drawn images from real ones by values that
    no stored image can have.
    """
    half = (levels - 1) / 2
    values: Images = np.rint((np.clip(images, -1, 1) + 1) * half)
    values /= half
    values -= 1
    return values
