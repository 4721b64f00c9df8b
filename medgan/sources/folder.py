"""Source `folder`: PNG, JPEG, TIFF or BMP, with labels by sub-folder, by name or by a CSV file, and masks beside."""

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass as plain
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic.dataclasses import dataclass

from medgan.config.checking import STRICT, nearest
from medgan.data.spec import ImageSpec, Item, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, SIXTEEN_BITS, Intensity
from medgan.imaging.opening import SUFFIXES
from medgan.sources.files import group_of, patient_of, patient_pattern, pattern_of, ranged, read_image, readable
from medgan.sources.masks import Fit, MaskFiles, fitted_mask
from medgan.sources.table import Row, Rows, Table, read_table
from medgan.walking import walk

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, config=STRICT)
class Folder:
    """patient: a regular expression whose first group is the patient in a file's name, or, where it has a slash, in the
    file's path; empty: each file is one. With an empty expression byte-identical files still stay in one split.
    patient_ranges: what is in the group are numbers, of which so many in a row count as one patient, from 0 on.
    classes: the sub-folders to read; empty: all. A mapping gives them other names. files: a regular expression; files
    whose path within the folder it is not found in are left out. bits: of a pixel; files of the other depth are
    rejected.
    label: a regular expression whose first group is the label in a file's path; empty: the first sub-folder.
    table: a CSV file that says more; what it has a column for, it decides.
    masks: a folder within, with a mask of each image under its name and mask_suffix. mask_fit: of a mask whose height
    and width have another ratio than those of its image: refuse, or stretch it. A wrong guess puts lesions where there
    are none, so only people can say it.
    """

    patient: str = ""
    patient_ranges: int | None = None
    classes: tuple[str, ...] | dict[str, str] = ()
    files: str = ""
    label: str = ""
    bits: Literal[8, 16] = 8
    table: Table | None = None
    masks: str = ""
    mask_suffix: str = ""
    mask_fit: Fit = "refuse"

    def __post_init__(self) -> None:
        if self.patient_ranges is not None and (self.patient_ranges < 1 or not self.patient):
            raise ValueError(
                f"patient_ranges = {self.patient_ranges} needs a number above 0, and `patient` with a group of digits"
            )

    @property
    def intensity(self) -> Intensity:
        return SIXTEEN_BITS if self.bits == 16 else EIGHT_BITS

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Item]:
        patterns = _Patterns(patient_pattern(self.patient), pattern_of("label", self.label))
        wanted = pattern_of("files", self.files, groups=0)
        self._check_folders(raw)
        files = list[Path]()
        for item in self._files(raw):
            if isinstance(item, Rejected):
                yield item
            else:
                files.append(item)
        images = [path for path in files if path.suffix.lower() in SUFFIXES]
        if not images:
            raise MedganError(f"{raw} holds no image; put {', '.join(SUFFIXES)} files there, one folder a class")
        beside = _Beside(
            read_table(self.table, raw, images) if self.table else None,
            MaskFiles(walk(raw / self.masks).files, raw / self.masks, self.mask_suffix) if self.masks else None,
        )
        yield from beside.rejected(raw, images, masks=not self.classes)
        left = [path for path in files if wanted and not wanted.search(path.as_posix())]
        if left:
            _LOG.info("data.options.files leaves out %s files, such as %s", f"{len(left):,}", left[0])
        for path in sorted({*files} - {*left}):
            try:
                described = self._described(path, patterns, beside)
            except ValueError as error:
                yield Rejected(path.as_posix(), str(error), self._label_of(path, patterns, beside))
            else:
                yield partial(_read, raw, described, self.bits, self.mask_fit)

    def _check_folders(self, raw: Path) -> None:
        if not raw.is_dir():
            raise MedganError(f"{raw} is not a folder; put one sub-folder of images a class there")
        for key, names in (("classes", self.classes), ("masks", (self.masks,) if self.masks else ())):
            for name in names:
                if not (raw / name).is_dir():
                    known = [path.name for path in raw.iterdir() if path.is_dir()]
                    raise MedganError(f"data.options.{key}: {raw / name} is not a folder{nearest(name, known)}")
        if self.table and self.table.mask and not self.masks:
            raise MedganError("data.options.table.mask needs data.options.masks, the folder that those masks are in")

    def _files(self, raw: Path) -> Iterator[Path | Rejected]:
        """Named within `raw`: all but the table and masks."""
        apart = {raw / name for name in (self.masks, self.table.path if self.table else "") if name}
        for item in readable(walk(*([raw / name for name in self.classes] or [raw])), raw):
            if isinstance(item, Rejected):
                yield item
            elif apart.isdisjoint((item, *item.parents)):
                yield item.relative_to(raw)

    def _class_of(self, path: Path) -> str | None:
        """The folder says it, where there is one."""
        if len(path.parts) < 2:
            return None
        return self.classes.get(path.parts[0]) if isinstance(self.classes, dict) else path.parts[0]

    def _label_of(self, path: Path, patterns: "_Patterns", beside: "_Beside") -> str | None:
        """Of a file that cannot be used; None where what says labels says none of it."""
        row = beside.rows.of_file.get(path) if beside.rows else None
        if self.table and self.table.label:
            return row.label if isinstance(row, Row) else None
        with suppress(ValueError):
            return patterns.label_of(path) or self._class_of(path)
        return None

    def _described(self, path: Path, patterns: "_Patterns", beside: "_Beside") -> "_Described":
        """Raises ValueError with a reason where something is missing. Files that are no pictures have nothing."""
        if path.suffix.lower() not in SUFFIXES:
            return _Described(path, path.as_posix(), self._label_of(path, patterns, beside))
        row = beside.rows[path] if beside.rows else Row()
        label = row.label or patterns.label_of(path) or self._class_of(path)
        patient = row.patient or patterns.patient_of(path)
        if patient and self.patient_ranges:
            patient = ranged(patient, self.patient_ranges)
        return _Described(
            path,
            patient=patient or path.as_posix(),
            label=label,
            test=row.test,
            mask=beside.masks.of(path, row.mask) if beside.masks else None,
        )


@plain(frozen=True)
class _Patterns:
    patient: re.Pattern[str] | None
    label: re.Pattern[str] | None

    def patient_of(self, path: Path) -> str | None:
        """None without a pattern. Raises ValueError where it does not match."""
        in_path = self.patient is not None and "/" in self.patient.pattern
        return patient_of(path.as_posix() if in_path else path.name, self.patient)

    def label_of(self, path: Path) -> str | None:
        """None without a pattern. Raises ValueError where it does not match."""
        return group_of(path.as_posix(), self.label, "label")


@plain(frozen=True)
class _Beside:
    """What lies beside the images, if it does."""

    rows: Rows | None
    masks: MaskFiles | None

    def rejected(self, raw: Path, images: list[Path], *, masks: bool) -> Iterator[Rejected]:
        """Yield rows, and masks if asked for, of which there is no image."""
        yield from self.rows.rejected if self.rows else ()
        if self.masks and masks:
            named = [(path, (self.rows.of_file.get(path) if self.rows else None)) for path in images]
            yield from self.masks.without(
                ((path, row.mask if isinstance(row, Row) else None) for path, row in named), raw
            )


@plain(frozen=True)
class _Described:
    """An image but for its pixels. path, mask: the first is within the raw folder."""

    path: Path
    patient: str
    label: str | None = None
    test: bool | None = None
    mask: Path | None = None


def _read(raw: Path, described: _Described, bits: int, mask_fit: Fit) -> Iterator[Sample | Rejected]:
    origin = described.path.as_posix()
    try:
        image, digest = read_image(raw / described.path, bits)
        mask = fitted_mask(described.mask, image.shape[:2], mask_fit) if described.mask else None
    except ValueError as error:
        yield Rejected(origin, str(error), described.label)
        return
    yield Sample(
        image=image,
        patient=described.patient,
        origin=origin,
        digest=digest,
        label=described.label,
        mask=mask,
        test=described.test,
    )
