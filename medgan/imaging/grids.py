"""Grids of images for people to look at; numpy and Pillow only."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgan.errors import MedganError

_GAP = 2
_LARGEST_SIDE = 1600


def to_uint8(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(N, C, H, W) in [-1, 1] to (N, H, W, C) in 0..255, rounded."""
    scaled = np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)
    return np.ascontiguousarray(scaled.transpose(0, 2, 3, 1))


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
    """(H, W, 1 or 3) to a file whose suffix says the format; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}")
    try:
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


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


def read_mask(path: Path) -> NDArray[np.uint8]:
    """(H, W) of 0 and 1: where a picture or a .npy array is not 0, or a picture on a transparent ground is drawn on.

    Raises MedganError for another file, and for JPEG, whose blacks are not quite black.
    """
    try:
        if path.suffix == ".npy":
            plane: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
        else:
            with Image.open(path) as image:
                if image.format == "JPEG":
                    raise MedganError(f"{path} is a JPEG, which blurs the edge of a mask; save it as PNG or .npy")
                plane = _drawn(image)
    except FileNotFoundError:
        raise MedganError(f"{path} does not exist; name a picture or a .npy file") from None
    except (OSError, ValueError, EOFError) as error:
        raise MedganError(f"{path} cannot be read as a picture or .npy file: {error}") from None
    if plane.ndim != 2:
        raise MedganError(f"{path} has shape {plane.shape}; a plane (height, width) is needed")
    if plane.dtype.kind == "f" and not np.isfinite(plane).all():
        raise MedganError(f"{path} holds values that are not finite; a mask is 0 where there is no lesion")
    return np.asarray(plane != 0, dtype=np.uint8)


def _drawn(image: Image.Image) -> NDArray[Any]:
    """(H, W), not 0 where something is drawn."""
    if image.has_transparency_data:
        opaque = np.asarray(image.convert("RGBA"))[..., 3]
        if not opaque.all():
            return opaque
    if len(image.getbands()) == 1 and image.mode != "P":  # floats and 16 bits as they are
        return np.asarray(image)
    brightest: NDArray[Any] = np.asarray(image.convert("RGB")).max(axis=2)
    return brightest


def check_suffix(path: Path) -> None:
    """Raise MedganError where no picture can be written under this name."""
    known = Image.registered_extensions()
    if path.is_dir() or known.get(path.suffix.lower()) not in Image.SAVE:
        raise MedganError(f"{path} is no name for a picture; give one that ends in .png")
