"""Which columns of a CSV file beside the images say their label, patient, split and mask."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medgan.sources.table import NUMBERS, SEPARATORS, SPLITS, files_by_name

_MOST_BYTES = 2**26
_COVERED = 0.5  # share of the images that a table must name
_LABEL = re.compile(r"label|class|diagnos|\bdx\b|category|finding|target|type|grade|stage", re.IGNORECASE)
_NAME = re.compile(r"name|text", re.IGNORECASE)
_PATIENT = re.compile(r"patient|subject|person|lesion_id|case", re.IGNORECASE)
_SPLIT = re.compile(r"split|set|partition|fold|usage", re.IGNORECASE)
_MASK = re.compile(r"mask|segm", re.IGNORECASE)
_MOST_CLASSES, _FEW_CLASSES = 50, 5
_SHEETS = (".xlsx", ".xls", ".ods")
_TABLES, _TOLD = (".csv", ".tsv", *_SHEETS), 3

_Columns = Mapping[str, Sequence[str]]


def guess_table(raw: Path, images: Sequence[Path], masks: Sequence[Path]) -> dict[str, Any]:
    """Find `data.options.table`, of the file in `raw` that says the most; empty where none names the images.

    images, masks: named within `raw`.
    """
    guesses = [guess for path in sorted(raw.glob("*.[ct]sv")) if (guess := _guess(path, images, masks))]
    return max(guesses, key=lambda guess: ("label" in guess, len(guess)), default={})


def unread(raw: Path, beside: Sequence[Path]) -> list[str]:
    """Sentences on tables that say nothing of the images. beside: files that are no images, named within `raw`."""
    lines = list[str]()
    for path in [path for path in beside if path.suffix.lower() in _TABLES][:_TOLD]:
        if path.suffix.lower() in _SHEETS or not _is_text(raw / path):
            problem = "is no CSV file in UTF-8"
        elif len(path.parts) > 1:
            problem = f"is not in {raw}"
        else:
            problem = "has no column that names most images and says more of them"
        lines.append(
            f"{path.as_posix()} {problem}: nothing in it is used; where it has labels, mend that and check again"
        )
    return lines


def _is_text(path: Path) -> bool:
    try:
        path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False
    return True


def _guess(path: Path, images: Sequence[Path], masks: Sequence[Path]) -> dict[str, Any]:
    columns, named = _columns(path), files_by_name(images)
    if not columns:
        return {}
    file = max(columns, key=lambda name: len({*columns[name]} & named.keys()))
    if len({*columns[file]} & named.keys()) < _COVERED * len(images):
        return {}
    others = {name: values for name, values in columns.items() if name != file}
    label, called = _label(others), files_by_name(masks)
    others = {
        name: values for name, values in others.items() if name not in (label.get("label"), *label.get("label", ()))
    }
    beside = {
        "patient": [n for n, values in others.items() if _PATIENT.search(n) and len({*values}) < len(values)],
        "split": [
            n for n, values in others.items() if _SPLIT.search(n) and {v.lower() for v in values} <= SPLITS.keys()
        ],
        "mask": [n for n, values in others.items() if _MASK.search(n) and any(v in called for v in values)],
    }
    table: dict[str, Any] = {"path": path.name, "file": file, **label}
    table |= {key: names[0] for key, names in beside.items() if names}
    return table if len(table) > len(("path", "file")) else {}


def _label(columns: _Columns) -> dict[str, Any]:
    """A column of classes, one whose values are words rather than numbers; else columns of 0 and 1, a class each."""
    classes = [n for n, v in columns.items() if _LABEL.search(n) and 2 <= len({*v} - {""}) <= _most_classes(n)]
    if classes:
        return {"label": max(classes, key=lambda n: _likeness(n, columns[n]))}
    flags = [n for n, v in columns.items() if {x.lower() for x in v} <= NUMBERS.keys() and len({*v}) > 1]
    if not flags:
        return {}
    given = [sum(NUMBERS[value.lower()] for value in row) for row in zip(*(columns[n] for n in flags), strict=True)]
    if sum(number > 1 for number in given) > 0.05 * len(given):  # findings that go together are no classes
        return {}
    return {"label": flags} | ({"label_else": "other"} if 0 in given else {})


def _most_classes(name: str) -> int:
    """How many values a column may have: of one called after patients, so few that they are none."""
    return _FEW_CLASSES if _PATIENT.search(name) else _MOST_CLASSES


def _likeness(name: str, values: Sequence[str]) -> tuple[bool, bool, bool]:
    """What speaks for a column of classes, the strongest first: no people, words rather than numbers, their name."""
    return not _PATIENT.search(name), not any(value.isdecimal() for value in values), bool(_NAME.search(name))


def _columns(path: Path) -> dict[str, list[str]]:
    """Values by column; none where it is no table of UTF-8 that can be read."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return {}
        text = path.read_bytes().decode("utf-8-sig")
        header = (text.splitlines() or [""])[0]
        rows = [
            row
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=max(SEPARATORS, key=header.count))
            if any(row)
        ]
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    if len(rows) < 2 or len({*rows[0]}) < len(rows[0]):
        return {}
    width = len(rows[0])
    body = [[*(value.strip() for value in row[:width]), *[""] * (width - len(row))] for row in rows[1:]]
    return {name.strip(): list(values) for name, values in zip(rows[0], zip(*body, strict=True), strict=True)}
