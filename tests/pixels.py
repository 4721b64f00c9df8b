"""Pixels of 8 bits as judges see them."""

import numpy as np
from numpy.typing import NDArray


def seen(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, H, W, C) in 0..255 -> (N, C, H, W) in [-1, 1]."""
    return (pixels.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)
