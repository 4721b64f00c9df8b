"""Pictures as people have them, read as they are."""

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medgan.config.checking import nearest
from medgan.data.spec import Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.opening import SUFFIXES
from medgan.imaging.reading import read_picture
from medgan.private import private
from medgan.walking import Walk, walk

_LOG = logging.getLogger(__name__)


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


def shown(path: Path) -> str:
    """A path for people, whatever bytes its name has."""
    return os.fsencode(path).decode(errors="backslashreplace")


def check_apart(folder: Path, results: Path) -> None:
    """Raise MedganError where `results` are in the folder: before all that is in it is looked through."""
    if results.resolve().is_relative_to(folder.resolve()):
        raise MedganError(f"data.raw: {folder} holds this clone's {results}; put the images into a folder of their own")


def check_raw(raw: Path, results: Path) -> None:
    """Raise MedganError for raw files that cannot be told from results, or at which DVC fails or hangs."""
    check_apart(raw, results)
    found = walk(raw, hidden=True) if raw.is_dir() else Walk([raw] if raw.exists() else [])
    for folder in found.links:
        check_apart(folder, results)
    for path in (raw, *found.files, *found.links, *(folder for folder, _ in found.refused)):
        if (problem := _unfit(path)) is not None:
            raise MedganError(f"data.raw: {problem}")
    if found.links:
        _LOG.warning(
            "%s is a link to a folder, into which DVC does not look: after a change there run `dvc repro -f prepare`",
            shown(found.links[0]),
        )


def _unfit(path: Path) -> str | None:
    """Why DVC does not take a path, and the remedy."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return f"the name of {shown(path)} is not UTF-8, and DVC takes no other; rename it (convmv renames many)"
    if path.is_symlink() and not path.exists():
        return f"{path} is a link to nothing, at which DVC stops; remove it"
    if path.exists() and not (path.is_dir() or path.is_file()):
        return f"{path} is no file, and DVC would wait for it; remove it"
    if path.exists() and not os.access(path, os.R_OK):
        return f"{path} cannot be read; make it readable (chmod) or remove it"
    return None


def readable(walked: Walk, raw: Path) -> Iterator[Path | Rejected]:
    """The files of a walk, and a Rejected for each that has no name for people and for each folder not entered."""
    for path in walked.files:
        try:
            str(path.relative_to(raw)).encode()
        except UnicodeEncodeError:
            yield Rejected(shown(path.relative_to(raw)), "its name is not UTF-8; rename it (convmv renames many)")
        else:
            yield path
    yield from (Rejected(shown(path.relative_to(raw)), reason) for path, reason in walked.refused)


def folder_within(raw: Path, name: str, option: str) -> Path:
    """The folder that `data.options.OPTION` names. Raises MedganError where there is none within `raw`."""
    folder = raw / name
    if not folder.is_dir():
        known = [path.name for path in raw.iterdir() if path.is_dir()] if raw.is_dir() else []
        raise MedganError(f"data.options.{option}: {folder} is not a folder{nearest(name, known)}")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise MedganError(f"data.options.{option}: {name} leads out of {raw} (data.raw); name a folder within it")
    return folder


def read_image(path: Path, bits: int) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], str]:
    """What `read_picture` gives of a file with a picture's suffix. Raises ValueError for others, and other depths."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"its suffix {private(path.suffix or '(none)')} is none of {', '.join(SUFFIXES)}")
    pixels, digest = read_picture(path)
    if (own := 8 * pixels.itemsize) != bits:
        raise ValueError(f"its pixels have {own} bits and data.options.bits is {bits}; a data set has one depth")
    return pixels, digest


def pattern_of(option: str, expression: str, *, groups: int = 1) -> re.Pattern[str] | None:
    """Compile `data.options.OPTION`; None where it is empty. Raises MedganError where it is none or lacks a group."""
    if not expression:
        return None
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise MedganError(f"data.options.{option} = {expression!r} is not a regular expression: {error}") from None
    if pattern.groups < groups:
        raise MedganError(f"data.options.{option} = {expression!r} needs a group, such as '^(\\w+)_'")
    return pattern


def patient_pattern(expression: str) -> re.Pattern[str] | None:
    """Compile `data.options.patient`, as `pattern_of` does."""
    return pattern_of("patient", expression)


def group_of(name: str, pattern: re.Pattern[str] | None, option: str) -> str | None:
    """What the first group matches, None without a pattern. Raises ValueError where the pattern does not match."""
    if pattern is None:
        return None
    match = pattern.search(name)
    if not match or not match.group(1):
        raise ValueError(f"data.options.{option} = {pattern.pattern!r} does not match the name")
    return match.group(1)


def patient_of(name: str, pattern: re.Pattern[str] | None) -> str | None:
    """The patient in a file's name, as `group_of` finds it."""
    return group_of(name, pattern, "patient")


def ranged(patient: str, width: int) -> str:
    """Which range of `width` consecutive numbers from 0 on a number is in. Raises ValueError where it is none."""
    if not patient.isdecimal():
        raise ValueError("data.options.patient_ranges needs a number, and data.options.patient finds another thing")
    first = int(patient) // width * width
    return f"{first} to {first + width - 1}"
