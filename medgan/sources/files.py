"""Pictures as people have them, read as they are."""

import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from medgan.data.spec import Sample
from medgan.errors import MedganError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
_GREY = ("1", "L", "LA")


def numbered(part: str, images: Iterable[NDArray[np.uint8]], labels: Iterable[str]) -> Iterator[Sample]:
    """Images (H, W) or (H, W, 3) that have no names and no patients: each counts as one."""
    for index, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        origin = f"{part}/{index:05d}"
        yield Sample(
            image=np.atleast_3d(pixels),
            patient=origin,
            origin=origin,
            digest=hashlib.sha256(pixels.tobytes()).hexdigest(),
            label=label,
        )


def files_under(folder: Path) -> list[Path]:
    """Sorted, without those that other programs keep for themselves, such as .ipynb_checkpoints."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def check_raw(raw: Path, results: Path) -> None:
    """Raise MedganError for raw files that cannot be told from results, or have a name that DVC does not take."""
    if results.resolve().is_relative_to(raw.resolve()):
        raise MedganError(f"data.raw: {raw} holds this clone's {results}; put the images into a folder of their own")
    for path in (raw, *raw.rglob("*")):
        try:
            str(path).encode()
        except UnicodeEncodeError:
            shown = os.fsencode(path).decode(errors="backslashreplace")
            raise MedganError(
                f"data.raw: the name of {shown} is not UTF-8, and DVC takes no other; rename it (convmv renames many)"
            ) from None


def read_picture(path: Path) -> tuple[NDArray[np.uint8], str]:
    """A file as viewers show it, (H, W, 1) or, in colour, (H, W, 3), and the sha256 of its content.

    Raises ValueError with the reason if it is none.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"suffix {path.suffix or '(none)'} is not an image's")
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as file:
            if file.mode.startswith(("I", "F")):
                raise ValueError(f"{file.mode} pixels: more than 8 bits are not supported by this source")
            upright = ImageOps.exif_transpose(file)
            pixels = np.asarray(upright.convert("L" if upright.mode in _GREY else "RGB"))
    except UnidentifiedImageError:
        raise ValueError(f"its content is not an image's, whatever {path.suffix} says") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    return np.atleast_3d(pixels), hashlib.sha256(content).hexdigest()


def patient_pattern(expression: str) -> re.Pattern[str] | None:
    """Compile `data.options.patient`; None where it is empty. Raises MedganError where it is none or has no group."""
    if not expression:
        return None
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise MedganError(f"data.options.patient = {expression!r} is not a regular expression: {error}") from None
    if pattern.groups < 1:
        raise MedganError(f"data.options.patient = {expression!r} needs a group, such as '^(\\w+)_'")
    return pattern


def patient_of(name: str, pattern: re.Pattern[str] | None) -> str | None:
    """The patient in a file's name, None without a pattern. Raises ValueError where the pattern does not match."""
    if pattern is None:
        return None
    match = pattern.search(name)
    if not match or not match.group(1):
        raise ValueError(f"data.options.patient = {pattern.pattern!r} does not match the name")
    return match.group(1)
