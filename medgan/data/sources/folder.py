"""Source `folder`: PNG, JPEG or TIFF, one sub-folder a class, or no sub-folders where there are no labels."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pydantic.dataclasses import dataclass

from medgan.checking import STRICT, nearest
from medgan.data.sources.fitting import fitted
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.errors import MedganError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})


@dataclass(frozen=True, config=STRICT)
class Folder:
    """patient: a regular expression whose first group is the patient in a file's name; empty: each file is one.

    With an empty expression byte-identical files still stay in one split.
    classes: the sub-folders to read; empty: all.
    """

    patient: str = ""
    classes: tuple[str, ...] = ()

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Sample | Rejected]:
        pattern = self._pattern()
        if not raw.is_dir():
            raise MedganError(f"{raw} is not a folder; put one sub-folder of images a class there")
        for name in self.classes:
            if not (raw / name).is_dir():
                known = [path.name for path in raw.iterdir() if path.is_dir()]
                raise MedganError(f"data.options.classes: {raw / name} is not a folder{nearest(name, known)}")
        folders = [raw / name for name in self.classes] or [raw]
        found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
        files = sorted(path for path in found if not _hidden(path.relative_to(raw)))
        images = [path for path in files if path.suffix.lower() in SUFFIXES]
        if not images:
            raise MedganError(
                f"{raw} holds no image; put {', '.join(sorted(SUFFIXES))} files there, one folder a class"
            )
        for path in files:
            origin = path.relative_to(raw).as_posix()
            if path.suffix.lower() not in SUFFIXES:
                yield Rejected(origin, f"suffix {path.suffix or '(none)'} is not an image's")
                continue
            try:
                content = path.read_bytes()
                image = _read(path, spec)
            except UnidentifiedImageError:
                yield Rejected(origin, f"its content is not an image's, whatever {path.suffix} says")
                continue
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                yield Rejected(origin, " ".join(str(error).split()))
                continue
            match = pattern.search(path.name) if pattern else None
            if pattern and not (match and match.group(1)):
                yield Rejected(origin, f"data.options.patient = {self.patient!r} does not match the name")
                continue
            yield Sample(
                image=image,
                patient=match.group(1) if match else origin,
                origin=origin,
                digest=hashlib.sha256(content).hexdigest(),
                label=path.relative_to(raw).parts[0] if len(path.relative_to(raw).parts) > 1 else None,
            )

    def _pattern(self) -> re.Pattern[str] | None:
        if not self.patient:
            return None
        try:
            pattern = re.compile(self.patient)
        except re.error as error:
            raise MedganError(f"data.options.patient = {self.patient!r} is not a regular expression: {error}") from None
        if pattern.groups < 1:
            raise MedganError(f"data.options.patient = {self.patient!r} needs a group, such as '^(\\w+)_'")
        return pattern


def _hidden(path: Path) -> bool:
    """A file, or a file of a folder, that other programs keep for themselves, such as .ipynb_checkpoints."""
    return any(part.startswith(".") for part in path.parts)


def _read(path: Path, spec: ImageSpec) -> NDArray[np.uint8]:
    """(size, size, channels)."""
    with Image.open(path) as file:
        if file.mode.startswith(("I", "F")):
            raise ValueError(f"{file.mode} pixels: more than 8 bits are not supported by this source")
        return fitted(file, spec)
