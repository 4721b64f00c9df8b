"""Images between the numbers of networks and the pixels of files; numpy alone."""

import numpy as np
from numpy.typing import NDArray


def to_uint8(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(N, C, H, W) in [-1, 1] to (N, H, W, C) in 0..255, rounded."""
    scaled = np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)
    return np.ascontiguousarray(scaled.transpose(0, 2, 3, 1))
