"""The one reader of pictures: every mode that Pillow knows is read as it is meant, or refused with a reason."""

from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from medgan.imaging.opening import opened, raw_mode
from medgan.imaging.refusal import PictureError

LEAST_SIDE = 8  # pixels: below it there is nothing to learn from, and it is likely to be an icon
_GREY_16 = ("I;16", "I;16B", "I;16L", "I;16N")
_NUMBERS = ("I", "F")  # of 32 bits
_CONVERTED = ("RGBX", "CMYK", "YCbCr", "HSV")  # to RGB
_PHOTOMETRIC, _WHITE_IS_ZERO, _BITS = 262, 0, 258  # tags of TIFF
_STEPS = {"L;2": 85, "L;4": 17}  # between two greys of a PNG, by which Pillow fills the range, but not in tRNS


def read_picture(
    path: Path, *, modes: Container[str] | None = None, wish: str = ""
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], str]:
    """A picture as viewers show it, upright, (H, W, 1) or in colour (H, W, 3), and the sha256 of the file.

    Grey of 16 bits is uint16 as it is stored, all else uint8. ICC profiles are ignored; opaque alpha is dropped. A
    palette of greys is grey. modes: Pillow's names of the pixels that are taken, "I;16" for each order of bytes; None
    for all. wish: what a caller that limits them takes, for the reason. Raises ValueError with a reason for people.
    """
    with opened(path) as (file, digest):
        mode = mode_of(file)
        if modes is not None and mode not in modes:
            raise PictureError(f"its pixels are {mode} and {wish}")
        check_mode(file, mode)
        if min(file.size) < LEAST_SIDE:
            width, height = file.size
            raise PictureError(f"it has {width}x{height} pixels, and {LEAST_SIDE} a side are the least")
        return _pixels(file, mode), digest


def mode_of(file: ImageFile) -> str:
    """Pillow's name of the pixels in a file that is not yet decoded; with ;16 where Pillow would cut them to 8 bits."""
    mode, raw = file.mode, raw_mode(file)
    if mode in _GREY_16 or (mode == "I" and file.format == "PNG"):  # which older versions of Pillow widen
        return "I;16"
    bits = file.tag_v2.get(_BITS, (1,)) if isinstance(file, TiffImageFile) else (1,)
    if mode not in _NUMBERS and (";16" in raw.replace("BGR;16", "") or max(bits) > 8):
        return f"{raw.split(';', maxsplit=1)[0] if ';' in raw else mode};16"
    return mode


def check_mode(file: ImageFile, mode: str) -> None:
    """Raise PictureError for pixels of `mode_of` that Pillow would turn round or cut."""
    white = isinstance(file, TiffImageFile) and file.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    if white and mode not in ("L", "1"):
        raise PictureError("its 0 is white, which Pillow turns round for 8 bits alone")
    if mode != "I;16" and mode.endswith(";16"):
        raise PictureError(
            f"its pixels are {mode}: colours or alpha of 16 bits, which Pillow cuts to 8; save it as RGB of 8"
        )


def _pixels(file: ImageFile, mode: str) -> NDArray[Any]:
    """(H, W, 1) or (H, W, 3) of a file whose size is no danger."""
    if mode == "LAB":
        raise PictureError("its colours are Lab, which Pillow converts with errors of some levels; save it as RGB")
    step = _STEPS.get(raw_mode(file), 1)
    colours = len(file.palette.palette) // len(file.palette.mode) if file.palette else 256
    ImageOps.exif_transpose(file, in_place=True)
    if mode == "I;16":
        return _without(np.asarray(file)[..., None].astype(np.uint16), file.info.get("transparency"))
    if mode in _NUMBERS:
        return _whole(np.asarray(file), mode)[..., None]
    if mode in ("P", "PA"):
        return _coloured(file, colours)
    if mode in _CONVERTED:
        return np.asarray(file.convert("RGB"))
    pixels = np.atleast_3d(np.asarray(file.convert("L") if mode == "1" else file))
    if mode in ("LA", "La", "RGBA", "RGBa"):
        return _opaque(pixels)
    if mode not in ("L", "1", "RGB"):
        raise PictureError(f"its pixels are {mode}, a mode that is not read; save it as grey or RGB")
    key = file.info.get("transparency")
    return _without(pixels, key if key is None else np.multiply(key, step))


def _opaque(pixels: NDArray[Any]) -> NDArray[Any]:
    """Without the last channel, which is alpha; what lies behind a transparent place nothing says."""
    if (hidden := float((pixels[..., -1] < 255).mean())) > 0:
        share = f"{100 * hidden:.3g} %"
        raise PictureError(
            f"{share} of it is transparent, and nothing says what lies behind; save it without transparency"
        )
    return np.ascontiguousarray(pixels[..., :-1])


def _without(pixels: NDArray[Any], key: Any) -> NDArray[Any]:
    """Pixels none of which has the value, or the colour, that a PNG declares transparent."""
    if key is None:
        return pixels
    visible = (pixels != np.asarray(key)).any(axis=2, keepdims=True)
    return _opaque(np.concatenate([pixels, np.where(visible, 255, 0).astype(pixels.dtype)], axis=2))


def _coloured(file: ImageFile, colours: int) -> NDArray[Any]:
    """(H, W, 1) or (H, W, 3) of a palette."""
    if (most := int(np.asarray(file.getchannel(0)).max())) >= colours:
        raise PictureError(f"it names colour {most} of a palette that has {colours}; save it as RGB")
    transparent = file.mode == "PA" or "transparency" in file.info
    pixels = np.asarray(file.convert("RGBA" if transparent else "RGB"))
    if transparent:
        pixels = _opaque(pixels)
    grey = (pixels == pixels[..., :1]).all()
    return np.ascontiguousarray(pixels[..., :1]) if grey else pixels


def _whole(values: NDArray[Any], mode: str) -> NDArray[np.uint16]:
    """Numbers of 32 bits in 16, where they fit without loss."""
    if not np.isfinite(values).all():
        raise PictureError("it holds values that are NaN or infinite")
    low, high = values.min(), values.max()
    if low < 0 or high > np.iinfo(np.uint16).max or (values != np.rint(values)).any():
        kind = "integers" if mode == "I" else "floats"
        raise PictureError(
            f"it holds {kind} of 32 bits from {low:g} to {high:g}, not all whole and from 0 to 65535; save it "
            "as integers of 16 bits"
        )
    return values.astype(np.uint16)
