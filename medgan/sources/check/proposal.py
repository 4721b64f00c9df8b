"""What was found in a folder, and how it can be read."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """Files under `raw`, named within it, that have a name for people. beside: those of other kinds than `files`."""

    raw: Path
    files: list[Path]
    beside: list[Path]


@dataclass(frozen=True)
class Proposal:
    """A source and its options. kind: what the files are, for people. files: how many are to be read. expected: images
    that they may give, where they are several a file. aside: files that options are to reject.

    notes: sentences on what was decided, and what else is possible. shape: size and channels, where the source takes
    no others.
    """

    kind: str
    source: str
    raw: Path
    files: int
    labels: bool
    options: Mapping[str, Any] = field(default_factory=dict)
    modality: str = "unknown"
    notes: tuple[str, ...] = ()
    shape: tuple[int, int] | None = None
    expected: int | None = None
    aside: int = 0


def some(values: Sequence[T], count: int) -> list[T]:
    """At most so many, evenly spread."""
    step = max(1.0, len(values) / count)
    return [values[int(index * step)] for index in range(min(count, len(values)))]


def numbered(values: Iterable[object]) -> str:
    """Each of them and how often it is there, the most frequent first."""
    return ", ".join(f"{value} {number:,}" for value, number in Counter(map(str, values)).most_common())
