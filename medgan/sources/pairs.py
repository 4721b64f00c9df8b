"""Source `pairs`: two sub-folders of PNG, JPEG, TIFF or BMP files whose names say which belong together."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from medgan.config.checking import STRICT
from medgan.data.spec import Direction, ImageSpec, Item, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, SIXTEEN_BITS, Intensity
from medgan.imaging.opening import SUFFIXES
from medgan.private import private
from medgan.sources.files import folder_within, patient_of, patient_pattern, read_image, readable
from medgan.walking import walk


@dataclass(frozen=True, config=STRICT)
class Pairs:
    """source, image: sub-folders; each file of `image` is to be drawn from the one of the same name in `source`.

    Suffixes and sizes may differ. Shapes may not, whatever data.fit is: each pixel of an image is to lie upon that of
    its source. patient: as in source `folder`, looked for in the name of the file to be drawn. bits: of a pixel; pairs
    with a file of the other depth are rejected.
    """

    source: str
    image: str
    patient: str = ""
    bits: Literal[8, 16] = 8

    @property
    def intensity(self) -> Intensity:
        return SIXTEEN_BITS if self.bits == 16 else EIGHT_BITS

    @property
    def direction(self) -> Direction:
        return Direction(self.source, self.image)

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Item]:
        pattern = patient_pattern(self.patient)
        folders = [folder_within(raw, name, key) for key, name in (("source", self.source), ("image", self.image))]
        if folders[0].samefile(folders[1]):
            raise MedganError(f"data.options: source and image are both {raw / self.image}; name two folders")
        found = walk(*folders)
        paths = list(readable(found, raw))
        sources, images = (_by_name(paths, raw / name) for name in (self.source, self.image))
        if not sources.keys() & images.keys():
            raise MedganError(
                f"no file of {raw / self.image} has the name of one in {raw / self.source}; put the two of a pair "
                f"there under one name ({', '.join(SUFFIXES)})"
            )
        yield from (item for item in paths if isinstance(item, Rejected))
        for name in sorted(sources.keys() | images.keys()):
            files = [*images.get(name, ()), *sources.get(name, ())]
            named = [path.relative_to(raw) for path in files]
            try:
                if len(files) != 2 or name not in sources or name not in images:
                    raise ValueError(f"no pair: it is there as {private(', '.join(map(Path.as_posix, named)))}")
                patient = patient_of(files[0].name, pattern) or name
            except ValueError as error:
                yield Rejected(named[0].as_posix(), str(error))
            else:
                yield partial(_read, raw, (named[0], named[1]), patient, bits=self.bits, size=spec.size)


def _read(raw: Path, pair: tuple[Path, Path], patient: str, *, bits: int, size: int) -> Iterator[Sample | Rejected]:
    """pair: image and source, named within `raw`."""
    origin = pair[0].as_posix()
    try:
        (image, digest), (source, other) = (read_image(raw / path, bits) for path in pair)
        _check_shapes(image, source, size)
    except ValueError as error:
        yield Rejected(origin, str(error))
        return
    yield Sample(
        image=image,
        source=source,
        patient=patient,
        origin=origin,
        digest=hashlib.sha256(f"{digest} {other}".encode()).hexdigest(),
    )


def _check_shapes(image: NDArray[Any], source: NDArray[Any], size: int) -> None:
    """Raise ValueError where a place that both show would lie at two, once they are fitted: more than a pixel's half.

    However they are fitted, each is moved and scaled as a whole: only pictures of one shape lie upon one another.
    """
    (height, width), (its_height, its_width) = image.shape[:2], source.shape[:2]
    ratio = (width * its_height) / (height * its_width)
    if size * (1 - min(ratio, 1 / ratio)) > 1:
        sizes = f"{width}x{height} and {its_width}x{its_height}"
        raise ValueError(f"no pair: image and source are {sizes} pixels, of different shapes; crop them alike")


def _by_name(paths: Iterable[Path | Rejected], folder: Path) -> dict[str, list[Path]]:
    """Those of the folder, by their path in it without the suffix."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        if isinstance(path, Path) and path.is_relative_to(folder):
            found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    return found
