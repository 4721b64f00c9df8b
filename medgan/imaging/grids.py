"""Grids of images for people, and the pictures that they are written to; numpy and Pillow only."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgan.errors import MedganError
from medgan.files import replacing

_GAP = 2
_LARGEST_SIDE = 1600


def grid(images: NDArray[np.uint8], *, columns: int) -> NDArray[np.uint8]:
    """(N, H, W, C) in rows of `columns`, enlarged by whole pixels so that small images can be seen: (H', W', C)."""
    n, height, width, channels = images.shape
    rows = math.ceil(n / columns)
    canvas = np.zeros((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, channels), np.uint8)
    for index, image in enumerate(images):
        top, left = (_GAP + (index // columns) * (height + _GAP), _GAP + (index % columns) * (width + _GAP))
        canvas[top : top + height, left : left + width] = image
    factor = max(1, min(4, _LARGEST_SIDE // max(canvas.shape[:2])))
    return canvas.repeat(factor, axis=0).repeat(factor, axis=1)


def below(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures (H, W, 1 or 3) of one width, each below the one before; grey ones as RGB where another has colour."""
    channels = max(picture.shape[2] for picture in pictures)
    return np.concatenate([np.broadcast_to(picture, (*picture.shape[:2], channels)) for picture in pictures])


def save_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write (H, W, 1 or 3) to a file whose suffix says the format; a reader never sees half of it."""
    with replacing(path) as aside:
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(aside)


def by_class(labels: NDArray[np.int64] | None, splits: NDArray[np.bool_], *, classes: int, columns: int) -> list[int]:
    """Indices of a grid with one row a class (or four rows where there are no classes) out of the allowed images.

    Spread over the data set, since neighbours in it are often slices of one patient; repeated where there are too few.
    """
    if labels is None or classes == 0:
        return _spread(np.flatnonzero(splits), 4 * columns)
    return [i for code in range(classes) for i in _spread(np.flatnonzero(splits & (labels == code)), columns)]


def _spread(indices: NDArray[np.int64], count: int) -> list[int]:
    if not len(indices):
        return []
    return [int(i) for i in indices[np.linspace(0, len(indices), count, endpoint=False).astype(int)]]


def check_suffix(path: Path) -> None:
    """Raise MedganError where no picture can be written under this name."""
    known = Image.registered_extensions()
    if path.is_dir() or known.get(path.suffix.lower()) not in Image.SAVE:
        raise MedganError(f"{path} is no name for a picture; give one that ends in .png")
