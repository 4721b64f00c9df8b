"""Source `pairs`: two sub-folders of PNG, JPEG or TIFF files whose names say which belong together."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from medgan.config.checking import STRICT, nearest
from medgan.data.spec import Direction, ImageSpec, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, Intensity
from medgan.sources.files import SUFFIXES, files_under, patient_of, patient_pattern, read_picture


@dataclass(frozen=True, config=STRICT)
class Pairs:
    """source, image: sub-folders; each file of `image` is to be drawn from the one of the same name in `source`.

    Suffixes may differ. patient: as in source `folder`, looked for in the name of the file to be drawn.
    """

    intensity: ClassVar[Intensity] = EIGHT_BITS

    source: str
    image: str
    patient: str = ""

    @property
    def direction(self) -> Direction:
        return Direction(self.source, self.image)

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Sample | Rejected]:
        pattern = patient_pattern(self.patient)
        for key, name in (("source", self.source), ("image", self.image)):
            if not (raw / name).is_dir():
                known = [path.name for path in raw.iterdir() if path.is_dir()] if raw.is_dir() else []
                raise MedganError(f"data.options.{key}: {raw / name} is not a folder{nearest(name, known)}")
        if (raw / self.source).samefile(raw / self.image):
            raise MedganError(f"data.options: source and image are both {raw / self.image}; name two folders")
        sources, images = (_by_name(raw / name) for name in (self.source, self.image))
        if not sources.keys() & images.keys():
            raise MedganError(
                f"no file of {raw / self.image} has the name of one in {raw / self.source}; put the two of a pair "
                f"there under one name ({', '.join(sorted(SUFFIXES))})"
            )
        for name in sorted(sources.keys() | images.keys()):
            files = [*images.get(name, ()), *sources.get(name, ())]
            origin = files[0].relative_to(raw).as_posix()
            try:
                if len(files) != 2 or name not in sources or name not in images:
                    listed = ", ".join(path.relative_to(raw).as_posix() for path in files)
                    raise ValueError(f"no pair: {name} is there as {listed}")
                (image, digest), (source, other) = map(read_picture, files)
                _check_shapes(image, source, spec.size)
                patient = patient_of(files[0].name, pattern)
            except ValueError as error:
                yield Rejected(origin, str(error))
                continue
            yield Sample(
                image=image,
                source=source,
                patient=patient or name,
                origin=origin,
                digest=hashlib.sha256(f"{digest} {other}".encode()).hexdigest(),
            )


def _check_shapes(image: NDArray[Any], source: NDArray[Any], size: int) -> None:
    """Raise ValueError where what is cropped away of the two, once fitted, would differ by more than a pixel."""
    (height, width), (its_height, its_width) = image.shape[:2], source.shape[:2]
    if size * abs(width / height - its_width / its_height) > 1:
        sizes = f"{width}x{height} and {its_width}x{its_height}"
        raise ValueError(f"no pair: image and source are {sizes} pixels, of different shapes; crop them alike")


def _by_name(folder: Path) -> dict[str, list[Path]]:
    """Files by their path in the folder without the suffix."""
    found: dict[str, list[Path]] = {}
    for path in files_under(folder):
        found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    return found
