"""A CSV file beside the images: label, patient, split and mask of each, as text."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass as plain
from dataclasses import field
from pathlib import Path

from pydantic.dataclasses import dataclass

from medgan.config.checking import STRICT, nearest
from medgan.data.spec import Rejected
from medgan.errors import MedganError
from medgan.private import private

SEPARATORS = ",;\t"
SPLITS = {"train": False, "training": False, "val": False, "valid": False, "validation": False}
SPLITS |= {"test": True, "testing": True}
NUMBERS = {"0": False, "0.0": False, "false": False, "no": False, "1": True, "1.0": True, "true": True, "yes": True}


@dataclass(frozen=True, config=STRICT)
class Table:
    """path: of the CSV file, within the folder of raw files. All others are names of columns.

    file: which names a file by its path within the folder or by its name, with or without the suffix. label: one
    column, or several of 0 and 1 whose names are the labels; label_else: the label where all of them are 0. split:
    train, validation or test: what is to be tested on is the tests', the rest is split as ever. mask: file of the mask.
    """

    path: str
    file: str
    label: str | tuple[str, ...] = ""
    label_else: str = ""
    patient: str = ""
    split: str = ""
    mask: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        labels = (self.label,) if isinstance(self.label, str) else self.label
        return tuple(name for name in (self.file, *labels, self.patient, self.split, self.mask) if name)


@plain(frozen=True)
class Row:
    """What a table says of a file; None of what it has no column for."""

    label: str | None = None
    patient: str | None = None
    test: bool | None = None
    mask: str | None = None


@plain(frozen=True)
class Rows:
    """of_file: what the table says of each, or why that cannot be used. labels: those it gives, of these files too.
    rejected: rows of which no file is there.
    """

    of_file: dict[Path, Row | str] = field(default_factory=dict)
    labels: dict[Path, str] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)

    def __getitem__(self, path: Path) -> Row:
        """Raises ValueError with a reason where the table does not say, or not clearly."""
        row = self.of_file.get(path, "the table has no row for it")
        if isinstance(row, str):
            raise ValueError(row)
        return row


def read_table(table: Table, raw: Path, files: Iterable[Path]) -> Rows:
    """Find the rows of files, which are named within `raw`.

    Raises MedganError where the table is missing, no UTF-8, or lacks a column.
    """
    named = files_by_name(files)
    rows = Rows()
    for line, values in _lines(table, raw):
        name = values[table.file]
        found = _meant(name.replace("\\", "/"), raw, named) if name else []
        if not found:
            reason = "the table names it, and it is not there" if name else f"the table's {table.file} is empty"
            rows.rejected.append(Rejected(name or f"{table.path}, line {line}", reason))
            continue
        try:
            row: Row | str = _row(table, values)
        except ValueError as error:
            row = str(error)
        with suppress(ValueError):
            rows.labels.update(dict.fromkeys(found, _label(table, values)) if table.label else {})
        if len(found) > 1:
            row = f"the table means {len(found)} files by one name; it may name them by their path"
        for path in found:
            if rows.of_file.setdefault(path, row) != row:
                rows.of_file[path] = "the table has several rows for it, which do not say the same"
    return rows


def _meant(name: str, raw: Path, named: Mapping[str, list[Path]]) -> list[Path]:
    """The files that a name means: as it is, as a path that leads into `raw`, or with its suffix in another case."""
    root, path = (Path(os.path.normpath(Path.cwd() / raw / part)) for part in ("", name))
    within = path.relative_to(root) if path.is_relative_to(root) else path
    if found := named.get(name) or named.get(within.as_posix()):
        return found
    stem = named.get(within.with_suffix("").as_posix(), []) if within.name else []
    return [file for file in stem if file.suffix.lower() == within.suffix.lower()]


def files_by_name(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Files by all that may be meant by them: path or name, with or without suffix."""
    named: dict[str, list[Path]] = {}
    for path in files:
        suffix = ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix
        names = (path.as_posix(), path.name)
        for name in {*names, *(name[: len(name) - len(suffix)] for name in names)}:
            named.setdefault(name, []).append(path)
    return named


def _row(table: Table, values: Mapping[str, str]) -> Row:
    split = values[table.split].lower() if table.split else ""
    if table.split and split not in SPLITS:
        raise ValueError(f"the table's {table.split} is {private(split)}, and none of {', '.join(SPLITS)}")
    if table.patient and not values[table.patient]:
        raise ValueError(f"the table's {table.patient} is empty")
    return Row(
        label=_label(table, values) if table.label else None,
        patient=values[table.patient] if table.patient else None,
        test=SPLITS[split] if table.split else None,
        mask=values[table.mask] or None if table.mask else None,
    )


def _label(table: Table, values: Mapping[str, str]) -> str:
    if isinstance(table.label, str):
        if not values[table.label]:
            raise ValueError(f"the table's {table.label} is empty")
        return values[table.label]
    for name in table.label:
        if values[name].lower() not in NUMBERS:
            raise ValueError(f"the table's {name} is {private(values[name])}, and neither 0 nor 1")
    given = [name for name in table.label if NUMBERS[values[name].lower()]]
    if len(given) > 1:
        raise ValueError(f"the table gives it several labels: {', '.join(given)}")
    if not given and not table.label_else:
        raise ValueError("the table gives it no label; data.options.table.label_else names such images")
    return given[0] if given else table.label_else


def _lines(table: Table, raw: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and values of each row, without blanks around them."""
    path = raw / table.path
    if not path.is_file():
        known = sorted(found.name for found in raw.glob("*.[ct]sv"))
        raise MedganError(f"data.options.table.path: {path} is not a file{nearest(table.path, known)}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MedganError(
            f"{path} is not UTF-8 (byte {error.start}); save it as 'CSV UTF-8', lest names be read wrongly"
        ) from None
    separator = _separator((text.splitlines() or [""])[0], table.columns, path)
    # Strict, since a quote that nobody closes would make one row of many.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines = []
    try:
        header = [name.strip() for name in next(reader)]
        for fields in reader:
            if any(fields[len(header) :]):
                raise MedganError(
                    f"{path}, line {reader.line_num} has {len(fields)} values, and the header {len(header)} columns; "
                    f"put values that hold {separator!r} into quotes"
                )
            if any(fields):
                # A short row has nothing in its last columns.
                padded = [*(value.strip() for value in fields), *[""] * (len(header) - len(fields))]
                lines.append((reader.line_num, dict(zip(header, padded, strict=False))))
    except csv.Error as error:
        raise MedganError(f"{path}, line {reader.line_num}: {error}; save it as a CSV file again") from None
    if not lines:
        raise MedganError(f"{path} has no row; give it one an image")
    return lines


def _separator(header: str, columns: Sequence[str], path: Path) -> str:
    """What lies between columns: that by which all are found. Raises MedganError where none is."""
    named = {s: [n.strip() for n in next(csv.reader([header], delimiter=s), [])] for s in SEPARATORS}
    best = max(SEPARATORS, key=lambda separator: (len({*columns} & {*named[separator]}), len(named[separator])))
    for column in columns:
        if (count := named[best].count(column)) != 1:
            what = "has no column" if count == 0 else f"has {count} columns"
            raise MedganError(f"data.options.table: {path} {what} {column!r}{nearest(column, named[best])}")
    return best
