"""Raw files that cannot be used: told by kind of reason, too many of them, and classes that have no others."""

import csv
import io
import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from medgan.data.spec import Rejected
from medgan.errors import MedganError
from medgan.private import public

_NAMED = 3  # kinds of reasons in a sentence: the most frequent ones
# What differs between two files of one trouble: what is quoted, paths, addresses and numbers.
_DETAILS = re.compile(r"""'[^']*'|"[^"]*"|\S*/\S+|0x[0-9a-f]+|\d+(?:[.,]\d+)*""")


class RejectedError(MedganError):
    """A source of which too much cannot be used. rejected: all of it."""

    def __init__(self, message: str, rejected: Sequence[Rejected]) -> None:
        super().__init__(message)
        self.rejected = tuple(rejected)


def nothing_usable(rejected: Sequence[Rejected]) -> RejectedError:
    """The error of a source of which every file was rejected, or that has none."""
    reasons = f"; first reason: {rejected[0].origin}: {rejected[0].reason}" if rejected else ""
    return RejectedError(f"the source gave no usable image ({len(rejected)} rejected{reasons})", rejected)


def check_rejected(rejected: Sequence[Rejected], used: int, classes: Collection[str], *, most: float) -> None:
    """Raise RejectedError where their share of all files is above `most`, or where a class is lost to them.

    Files of a lost class do not count for the share: no share would help.
    used: how many images are. classes: of these images; empty where the data have none, and none can be lost.
    """
    lost = sorted({item.label for item in rejected if item.label} - set(classes)) if classes else []
    told = [_lost(label, [item for item in rejected if item.label == label]) for label in lost]
    others = [item for item in rejected if item.label not in lost]
    if len(others) > most * (used + len(others)):
        told.append(
            f"{_share(others, used)} cannot be used, above data.max_rejected = {most:g}: {_kinds(others)}; mend them, "
            f"or set data.max_rejected: {enough(len(others), used):g}"
        )
    if told:
        raise RejectedError("; ".join(told), rejected)


def enough(rejected: int, used: int) -> float:
    """The least `data.max_rejected` under which so many files may be rejected."""
    return math.ceil(1000 * rejected / (used + rejected)) / 1000


def described(rejected: Sequence[Rejected], used: int) -> list[str]:
    """Lines for people: how many were rejected, and of each kind of reason an example."""
    if not rejected:
        return ["every file is used"]
    return [f"{_share(rejected, used)} cannot be used, for reasons such as:", *reasons(rejected)]


def reasons(rejected: Iterable[Rejected]) -> list[str]:
    """A line of each kind of reason, with an example and how many there are."""
    return [f"{number:>7,}  {item.origin}: {item.reason}" for item, number in kinds(rejected)]


def kinds(rejected: Iterable[Rejected]) -> list[tuple[Rejected, int]]:
    """An example and the number of each kind of reason, the most frequent first.

    Reasons that differ in numbers, in what is quoted or in the name of the file alone are of one kind.
    """
    found: dict[str, list[Rejected]] = defaultdict(list)
    for item in rejected:
        found[_kind(item)].append(item)
    return sorted(((items[0], len(items)) for items in found.values()), key=lambda kind: (-kind[1], kind[0].origin))


def write_rejected(path: Path, rejected: Iterable[Rejected]) -> None:
    """Number them, each with the kind of its reason: no name of a file is in there."""
    write_csv(path, ("number", "reason"), ((str(i), public(_nameless(item))) for i, item in enumerate(rejected)))


def read_rejected(path: Path) -> list[Rejected]:
    """What `write_rejected` left: as files that have a number alone."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Rejected(f"file {row['number']}", row["reason"]) for row in csv.DictReader(file)]


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        for row in (header, *rows):
            # Quoted as for Windows: else a carriage return in a name would be the end of a row to whoever reads it.
            line = io.StringIO(newline="")
            csv.writer(line).writerow(row)
            file.write(line.getvalue().removesuffix("\r\n") + "\n")


def _kind(item: Rejected) -> str:
    return _DETAILS.sub("…", public(_nameless(item)))


def _nameless(item: Rejected) -> str:
    """The reason without names of the file itself."""
    path = PurePosixPath(item.origin)
    names = sorted({item.origin, path.with_suffix("").as_posix(), path.name, path.stem} - {""}, key=len, reverse=True)
    return re.sub("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names), "…", item.reason)


def _share(rejected: Sequence[Rejected], used: int) -> str:
    found = used + len(rejected)
    return f"{len(rejected):,} of {found:,} files ({100 * len(rejected) / found:.2g} %)"


def _kinds(rejected: Sequence[Rejected]) -> str:
    found = kinds(rejected)
    told = [f"{number:,} such as {item.origin} ({item.reason})" for item, number in found[:_NAMED]]
    others = sum(number for _, number in found[_NAMED:])
    return ", ".join([*told, *([f"and {others:,} for other reasons"] if others else [])])


def _lost(label: str, files: Sequence[Rejected]) -> str:
    return (
        f"no file of class '{label}' can be used: {_kinds(files)}; mend them, or leave the class out "
        "(data.options.classes, or another place for the folder)"
    )
