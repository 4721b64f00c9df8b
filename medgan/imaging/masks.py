"""Lesion masks from files that people draw; numpy and Pillow only."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from medgan.errors import MedganError
from medgan.imaging.opening import opened
from medgan.imaging.reading import check_mode, mode_of
from medgan.imaging.refusal import PictureError
from medgan.private import private

_NOWHERE = "it is nowhere 0 and has several values or colours; make black, or 0, what is no lesion"


def read_mask(path: Path) -> NDArray[np.uint8]:
    """(H, W) of 0 and 1: where a picture or a .npy array is not 0, or a picture on a transparent ground is drawn on.

    Raises MedganError for another file, for JPEG, whose blacks are not quite black, and where nothing is 0 though
    values differ: then another value means that there is no lesion.
    """
    if not os.path.lexists(path):
        raise MedganError(f"{path} does not exist; name a picture or a .npy file")
    try:
        if path.suffix.lower() == ".npy":
            plane = _array(path)
        else:
            with opened(path) as (image, _):
                blurred = image.format in ("JPEG", "MPO")
                check_mode(image, mode_of(image))
                ImageOps.exif_transpose(image, in_place=True)
                plane = _drawn(image)
            if blurred:
                raise MedganError(f"{path} is a JPEG, which blurs the edge of a mask; save it as PNG or .npy")
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise MedganError(f"{path} cannot be read as a picture or .npy file: {error}") from None
    if plane.ndim != 2:
        raise MedganError(f"{path} has shape {plane.shape}; a plane (height, width) is needed")
    if plane.dtype.kind == "f" and not np.isfinite(plane).all():
        raise MedganError(f"{path} holds values that are not finite; a mask is 0 where there is no lesion")
    if plane.size and plane.all() and (plane != plane[0, 0]).any():
        raise MedganError(f"{path}: {_NOWHERE}")
    return np.asarray(plane != 0, dtype=np.uint8)


def _array(path: Path) -> NDArray[Any]:
    """Raises ValueError for another file, and for what is no array of numbers."""
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # numpy has no common class for what is damaged; its text may quote the file
        raise ValueError(f"it is damaged, or no array: {private(' '.join(str(error).split()))}") from None
    if array.dtype.kind not in "biuf":
        raise ValueError("its values are no numbers")
    return array


def _drawn(image: Image.Image) -> NDArray[Any]:
    """(H, W), not 0 where something is drawn."""
    if image.has_transparency_data:
        opaque = np.asarray(image.convert("RGBA"))[..., 3]
        if not opaque.all():
            return opaque
    if len(image.getbands()) == 1 and image.mode != "P":  # floats and 16 bits as they are
        return np.asarray(image)
    colours = np.asarray(image.convert("RGB"))
    if not colours.any() and np.ptp(np.asarray(image)):
        raise PictureError("all the colours of its palette are black; save it as grey")
    brightest: NDArray[Any] = colours.max(axis=2)
    if brightest.all() and (colours != colours[0, 0]).any():
        raise PictureError(_NOWHERE)
    return brightest
