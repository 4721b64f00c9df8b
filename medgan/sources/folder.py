"""Source `folder`: PNG, JPEG, TIFF or BMP, one sub-folder a class, or no sub-folders where there are no labels."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic.dataclasses import dataclass

from medgan.config.checking import STRICT, nearest
from medgan.data.spec import ImageSpec, Item, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, SIXTEEN_BITS, Intensity
from medgan.imaging.opening import SUFFIXES
from medgan.sources.files import patient_of, patient_pattern, read_image, readable
from medgan.walking import walk


@dataclass(frozen=True, config=STRICT)
class Folder:
    """patient: a regular expression whose first group is the patient in a file's name; empty: each file is one.

    With an empty expression byte-identical files still stay in one split.
    classes: the sub-folders to read; empty: all. bits: of a pixel; files of the other depth are rejected.
    """

    patient: str = ""
    classes: tuple[str, ...] = ()
    bits: Literal[8, 16] = 8

    @property
    def intensity(self) -> Intensity:
        return SIXTEEN_BITS if self.bits == 16 else EIGHT_BITS

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Item]:
        pattern = patient_pattern(self.patient)
        if not raw.is_dir():
            raise MedganError(f"{raw} is not a folder; put one sub-folder of images a class there")
        for name in self.classes:
            if not (raw / name).is_dir():
                known = [path.name for path in raw.iterdir() if path.is_dir()]
                raise MedganError(f"data.options.classes: {raw / name} is not a folder{nearest(name, known)}")
        folders = [raw / name for name in self.classes] or [raw]
        found = walk(*folders)
        if not any(path.suffix.lower() in SUFFIXES for path in found.files):
            raise MedganError(f"{raw} holds no image; put {', '.join(SUFFIXES)} files there, one folder a class")
        for path in readable(found, raw):
            yield path if isinstance(path, Rejected) else partial(_read, raw, path.relative_to(raw), pattern, self.bits)


def _read(raw: Path, within: Path, pattern: re.Pattern[str] | None, bits: int) -> Iterator[Sample | Rejected]:
    try:
        image, digest = read_image(raw / within, bits)
        patient = patient_of(within.name, pattern)
    except ValueError as error:
        yield Rejected(within.as_posix(), str(error))
        return
    yield Sample(
        image=image,
        patient=patient or within.as_posix(),
        origin=within.as_posix(),
        digest=digest,
        label=within.parts[0] if len(within.parts) > 1 else None,
    )
