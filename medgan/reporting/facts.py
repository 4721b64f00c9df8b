"""All that a report is made of, as the stages before it have left it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medgan.config.schema import Config
from medgan.data.spec import SPARE, SPLITS
from medgan.data.store import Prepared
from medgan.evaluation.report import Report
from medgan.training.result import Description
from medgan.training.state import Row
from medgan.usefulness.report import Usefulness

ALL_IMAGES = "all images"


@dataclass(frozen=True)
class WayFacts:
    """One way of drawing: what was measured, what ships, what the registry said.

    inputs: what it draws from. data: as this way sees them. registered: of artifacts/registry.json. pictures: by name,
    where they were made.
    """

    name: str
    inputs: tuple[str, ...]
    report: Report
    data: Prepared
    onnx: Path
    parity: float
    registered: Mapping[str, Any]
    pictures: Mapping[str, Path]

    @property
    def translates(self) -> bool:
        """Whether it makes images of images."""
        return "source" in self.inputs


@dataclass(frozen=True)
class Facts:
    """rows: of the training's history. trials: rows of trials.csv. present: that of params.yaml as it is in fresh.csv.

    samples: grids of the training, by their step. verdict: of reports/utility.json; usefulness: all
    figures behind it, None where nobody asked. seen: what a person saw in the pictures, "" where nobody has written it
    down.
    """

    config: Config
    data: Prepared
    description: Description
    rows: Sequence[Row]
    samples: Mapping[int, Path]
    trials: Sequence[Mapping[str, str]]
    present: Mapping[str, str] | None
    ways: tuple[WayFacts, ...]
    verdict: Mapping[str, Any]
    usefulness: Usefulness | None
    seen: str

    @property
    def main(self) -> WayFacts:
        """The way of drawing that was asked for."""
        return self.ways[0]


@dataclass(frozen=True)
class Count:
    """Images and patients of one class in one split."""

    images: int
    patients: int


def counts(data: Prepared) -> dict[str, dict[str, Count]]:
    """By class, "all images" last or alone, then by split; splits without an image are left out."""
    named = {} if data.labels is None else {name: data.labels == k for k, name in enumerate(data.label_names)}
    named[ALL_IMAGES] = np.ones(len(data.splits), bool)
    present = [split for split in (*SPLITS[:1], SPARE, *SPLITS[1:]) if (data.splits == split).any()]
    return {
        name: {
            split: Count(int(rows.sum()), len(np.unique(data.patients[rows])))
            for split in present
            for rows in [members & (data.splits == split)]
        }
        for name, members in named.items()
    }
