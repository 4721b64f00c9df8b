"""Source `nifti`: slices of volumes, with mask volumes and pairs by name."""

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass as plain
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from medgan.config.checking import STRICT
from medgan.data.spec import Direction, ImageSpec, Item, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import SIXTEEN_BITS, Intensity
from medgan.imaging.nifti import SUFFIXES, Plane, Volume, read_volume
from medgan.sources.files import group_of, pattern_of, readable
from medgan.sources.roles import ROLES, Found, by_role, pattern_of_role
from medgan.sources.slices import check_side, chosen, ends_of, foreground, largest, planes_of, squared
from medgan.sources.table import Row, Rows, Table, read_table
from medgan.walking import walk

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, config=STRICT)
class Nifti:
    """plane: that slices lie in, shown as radiologists see them. slices: of each volume, "middle", "all", "every N" or
    "largest mask". least: share of a slice's voxels that must lie above the lowest tenth of the window; slices with
    less are left out, and those of one value always. least_mask: share of them that must lie in the mask. isotropic:
    pixels become squares.

    window: values from and to, in `unit`, that are told apart. Without one, `percentiles` of each volume are its ends,
    and values have no unit. volume: which one is read of files with several.
    image, source, mask: a folder, or a regular expression found in a file's path without its suffix, whose first group
    says which belong together; empty `image`: all volumes. source: what `image` is to be drawn from; kinds: names of
    the two, such as T1 and T2. mask_labels: values of the mask, each a plane of its own; empty: all but 0 is one.
    label, patient: regular expressions whose first group is that, in a file's path; without `patient` each image is
    one. table: a CSV file that says more; what it has a column for, it decides.
    """

    plane: Plane = "axial"
    slices: Annotated[str, Field(pattern=r"^(middle|all|largest mask|every [1-9][0-9]*)$")] = "middle"
    least: Annotated[float, Field(ge=0, lt=1)] = 0.05
    least_mask: Annotated[float, Field(ge=0, lt=1)] = 0.0
    isotropic: bool = True
    window: tuple[float, float] | None = None
    unit: str = ""
    percentiles: tuple[float, float] = (0.5, 99.5)
    volume: Annotated[int, Field(ge=0)] | None = None
    image: str = ""
    source: str = ""
    mask: str = ""
    mask_labels: tuple[int, ...] = ()
    kinds: tuple[str, str] = ("source", "image")
    label: str = ""
    patient: str = ""
    table: Table | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            raise ValueError(f"percentiles are {self.percentiles}; give two from 0 to 100, the lower first")
        if self.window and not self.window[0] < self.window[1]:
            raise ValueError(f"window is {self.window}; give two values, the lower first")
        if self.unit and not self.window:
            raise ValueError(f"unit is {self.unit!r} and there is no window, without which values have no unit")
        if (self.source or self.mask) and not self.image:
            raise ValueError("source and mask need `image`, which says with which image they belong together")
        if not self.mask and (self.slices == "largest mask" or self.mask_labels or self.least_mask):
            raise ValueError("slices by mask, mask_labels and least_mask need `mask`")

    @property
    def intensity(self) -> Intensity:
        if self.window is None:
            return SIXTEEN_BITS
        low, high = self.window
        # Whole numbers, such as HU, are stored as they are; a window of few of them is not worth less than 16 bits.
        step = 1.0 if high - low >= 255 else (high - low) / SIXTEEN_BITS.high
        return Intensity.windowed(low, high, self.unit, step=step)

    @property
    def direction(self) -> Direction | None:
        return Direction(*self.kinds) if self.source else None

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Item]:
        patterns = pattern_of("patient", self.patient), pattern_of("label", self.label)
        if not raw.is_dir():
            raise MedganError(f"{raw} is not a folder; put {', '.join(SUFFIXES)} files there")
        files, roles = list[Path](), {role: pattern_of_role(raw, role, getattr(self, role)) for role in ROLES}
        for item in readable(walk(raw), raw):
            if isinstance(item, Rejected):
                yield item
            elif not (self.table and item == raw / self.table.path):
                files.append(item.relative_to(raw))
        found = by_role(files, roles)
        images = [path for _, paths in sorted(found.of["image"].items()) for path in paths]
        if not images:
            named = f" that data.options.image = {self.image!r} fits" if self.image else ""
            raise MedganError(f"{raw} holds no volume{named}; put {', '.join(SUFFIXES)} files there")
        if found.left:
            _LOG.info("%s files are no image, source or mask, such as %s", f"{len(found.left):,}", found.left[0])
        rows = read_table(self.table, raw, images) if self.table else None
        yield from (*found.rejected, *(rows.rejected if rows else ()))
        for key, paths in sorted(found.of["image"].items()):
            for path in paths:
                try:
                    subject = self._subject(path, key, found, rows, patterns)
                except ValueError as error:
                    yield Rejected(path.as_posix(), str(error), self._label_of(path, rows, patterns[1]))
                else:
                    yield partial(_read, raw, subject, self)

    def _label_of(self, path: Path, rows: Rows | None, pattern: re.Pattern[str] | None) -> str | None:
        """Of a volume that cannot be used; None where nothing says it."""
        if rows and self.table and self.table.label:
            return rows.labels.get(path)
        with suppress(ValueError):
            return group_of(path.as_posix(), pattern, "label")
        return None

    def _subject(
        self,
        path: Path,
        key: str,
        found: Found,
        rows: Rows | None,
        patterns: tuple[re.Pattern[str] | None, re.Pattern[str] | None],
    ) -> "_Subject":
        """Raises ValueError with a reason where something is missing or there twice."""
        partners: dict[str, Path | None] = dict.fromkeys(ROLES[1:])
        for role in (role for role in partners if getattr(self, role)):
            images, others = found.of["image"][key], found.of[role].get(key, [])
            if not others:
                raise ValueError(f"there is no {role} of it")
            if len(images) > 1 or len(others) > 1:
                raise ValueError(
                    f"{len(images)} image(s) and {len(others)} {role}(s) are called alike; pairs are of one and one"
                )
            partners[role] = others[0]
        row = rows[path] if rows else Row()
        patient, label = patterns
        return _Subject(
            image=path,
            source=partners["source"],
            mask=partners["mask"],
            patient=row.patient or group_of(path.as_posix(), patient, "patient") or key,
            label=row.label or group_of(path.as_posix(), label, "label"),
            test=row.test,
        )


@plain(frozen=True)
class _Subject:
    """Files that belong together, named within the raw folder."""

    image: Path
    source: Path | None
    mask: Path | None
    patient: str
    label: str | None
    test: bool | None


def _read(raw: Path, subject: _Subject, options: Nifti) -> Iterator[Sample | Rejected]:
    try:
        yield from _slices(raw, subject, options)
    except ValueError as error:
        yield Rejected(subject.image.as_posix(), str(error), subject.label)


def _slices(raw: Path, subject: _Subject, options: Nifti) -> Iterator[Sample]:
    """Raises ValueError with a reason."""
    image = read_volume(raw / subject.image, number=options.volume)
    source = _partner(raw, subject.source, "source", image, options.volume)
    mask = _partner(raw, subject.mask, "mask", image, None)
    percentiles = None if options.window else options.percentiles
    ends = [ends_of(volume, options.intensity, percentiles) for volume in (image, source) if volume]
    plane, labels = options.plane, options.mask_labels
    by_mask = mask is not None and options.slices == "largest mask"
    indices = largest(mask, plane, labels) if mask and by_mask else chosen(options.slices, image.count(plane))
    pixel, given = image.pixel(plane) if options.isotropic else (1.0, 1.0), False
    for index in indices:
        stored = [
            end.stored(volume.slice(plane, index))[..., None]
            for end, volume in zip(ends, filter(None, (image, source)), strict=True)
        ]
        masked = planes_of(mask, plane, index, labels) if mask else None
        if foreground(stored[0], options.intensity) <= options.least or stored[-1].min() == stored[-1].max():
            continue
        if masked is not None and masked.any(axis=2).mean() < options.least_mask:
            continue
        shown, given = [squared(array, pixel, exact=False) for array in stored], True
        check_side(shown[0], plane)
        yield Sample(
            image=shown[0],
            source=shown[1] if source else None,
            mask=None if masked is None else squared(masked, pixel, exact=True),
            patient=subject.patient,
            origin=f"{subject.image.as_posix()}, {plane} {index}",
            digest=hashlib.sha256(b"".join(array.tobytes() for array in stored)).hexdigest(),
            label=subject.label,
            test=subject.test,
        )
    if not given:
        raise ValueError(
            f"of its {len(indices)} {plane} slices that data.options.slices takes, none has as much above the "
            "background, or in the mask, as data.options.least and least_mask say"
        )


def _partner(raw: Path, path: Path | None, role: str, image: Volume, number: int | None) -> Volume | None:
    """Raises ValueError where its voxels are not those of the image."""
    if path is None:
        return None
    try:
        volume = read_volume(raw / path, number=number)
    except ValueError as error:
        raise ValueError(f"its {role}: {error}") from None
    if not image.agrees(volume):
        shapes = " and ".join("x".join(map(str, v.voxels.shape)) for v in (image, volume))
        raise ValueError(f"image and {role} have {shapes} voxels or lie elsewhere (affine); resample one to the other")
    return volume
