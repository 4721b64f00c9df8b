"""What people are told of prepared data: images by class and split, checks for leaks, and what was rejected."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from medgan.data.spec import SPARE, SPLITS, Rejected
from medgan.sources.names import read_rejected_names
from medgan.sources.rejections import described, read_rejected
from medgan.sources.split import check_leaks

Row = Mapping[str, str]


def account(directory: Path, names: Path) -> list[str]:
    """Lines for people on the prepared data in there, all that is counted read from its tables.

    names: the list beside the raw files; where it is not, rejected files have numbers alone.
    Raises MedganError where a patient, an identical image or a near-copy is in two splits.
    """
    with (directory / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [*_table(rows), "", *_alike(rows), _leaks(rows), *described(rejections(directory, names), len(rows))]


def rejections(directory: Path, names: Path) -> list[Rejected]:
    """What could not be used, by the list beside the raw files; in numbers where it is not as it was written."""
    with suppress(FileNotFoundError, ValueError):
        return read_rejected_names(names)
    return read_rejected(directory / "rejected.csv")


def _table(rows: Sequence[Row]) -> list[str]:
    """Images, and patients in brackets, by class and split."""
    splits = [split for split in (*SPLITS, SPARE) if split != SPARE or any(row["split"] == SPARE for row in rows)]
    labels = sorted({row["label"] for row in rows} - {""})
    lines = [["images (patients)", *splits, "all"]]
    for name, chosen in (*((label, {label}) for label in labels), ("all", {*labels, ""})):
        of_class = [row for row in rows if row["label"] in chosen]
        parts = [*([row for row in of_class if row["split"] == split] for split in splits), of_class]
        lines.append([name, *(f"{len(part):,} ({len({row['patient'] for row in part}):,})" for part in parts)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join([name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))])
        for name, *cells in lines
    ]


def _alike(rows: Sequence[Row]) -> Iterator[str]:
    """Say which classes differ by no more than capitals, blanks, or how a number is written, as in joined tables."""
    names: dict[str, list[str]] = defaultdict(list)
    for label in sorted({row["label"] for row in rows} - {""}):
        word = "".join(label.casefold().split())
        with suppress(ValueError):
            word = f"{float(word):g}"
        names[word].append(label)
    for alike in names.values():
        if len(alike) > 1:
            yield f"note: {', '.join(map(repr, alike))} are classes of their own; write them alike if they are one"


def _leaks(rows: Sequence[Row]) -> str:
    """Say what was looked for. Raises MedganError where it is found: spare images are training images."""
    splits = ["train" if row["split"] == SPARE else row["split"] for row in rows]
    columns = {"patient": "patient", "image": "digest", "near-copy": "near_copy_of"}
    keys = {what: [row[column] or None for row in rows] for what, column in columns.items()}
    # An empty patient is one, too.
    keys["patient"] = [row["patient"] for row in rows]
    check_leaks(keys, splits)
    identical = [number for number in Counter(keys["image"]).values() if number > 1]
    alike = list(Counter(key for key in keys["near-copy"] if key is not None).values())
    return (
        f"none is in two splits, of {len(set(keys['patient'])):,} patients, {_grouped(identical)} identical images, "
        f"{_grouped(alike)} near-copies (near_copy_of in index.csv)"
    )


def _grouped(sizes: Sequence[int]) -> str:
    return f"{sum(sizes):,} (in {len(sizes):,} groups, the largest of {max(sizes):,})" if sizes else "0"
