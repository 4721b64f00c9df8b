"""Two generators on one page: which is better, what they draw of the same noise, what differs between them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgan.config.trees import flat
from medgan.errors import MedganError
from medgan.evaluation.report import Report
from medgan.files import write_atomically
from medgan.reporting.measures import Measure, measures
from medgan.reporting.pictures import NOTICE, framed
from medgan.reporting.writing import render
from medgan.scores.figures import check_comparable

_UNKNOWN = "not set"


@dataclass(frozen=True)
class Compared:
    """One of the two. name: of its run, for people. parameters: the whole tree. samples, real: grids."""

    name: str
    run_id: str
    report: Report
    parameters: Mapping[str, Any]
    samples: Path
    real: Path


@dataclass(frozen=True)
class Cell:
    value: str
    better: bool


@dataclass(frozen=True)
class Row:
    """measure: of either, for what it says and what real images have."""

    measure: Measure
    cells: tuple[Cell, Cell]


def write_comparison(path: Path, one: Compared, other: Compared) -> str:
    """Write the page, and return which of the two is better, in a sentence."""
    verdict = better(one, other)
    sides = (one, other)
    values = {
        "title": f"{one.name} and {other.name}",
        "notice": NOTICE,
        "verdict": verdict,
        "drawn": [framed(side.samples, f"Images that {side.name} drew", f"{side.name} drew") for side in sides],
        "real": framed(one.real, "Real test images", "real test images", notice="real images; not for diagnosis"),
        "names": [side.name for side in sides],
        "figures": _figures(one.report, other.report),
        "differing": differing(one.parameters, other.parameters),
        "runs": [side.run_id for side in sides],
    }
    write_atomically(path, render("compare.html.j2", values, escape=True).encode())
    return verdict


def better(one: Compared, other: Compared) -> str:
    """By the figure that decides, if their difference is beyond the intervals of both."""
    try:
        check_comparable(one.report.quality, other.report.quality)
    except MedganError as error:
        return f"Nobody can say: {error}."
    ours, theirs = one.report.headline, other.report.headline
    margin = math.hypot(ours.high - ours.value, theirs.high - theirs.value)
    first, second = ((one, ours), (other, theirs)) if ours.value <= theirs.value else ((other, theirs), (one, ours))
    figures = f"{ours.key.upper()} {first[1].value:.4g} against {second[1].value:.4g}, lower is better"
    if second[1].value - first[1].value > margin:
        return f"{first[0].name} is better: {figures}; differences above {margin:.2g} are beyond chance."
    return f"No difference beyond chance: {figures}; it would have to be above {margin:.2g}."


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Parameters that are not the same, by dotted path."""
    ours, theirs = dict(flat(one)), dict(flat(other))
    paths = [*ours, *(path for path in theirs if path not in ours)]
    pairs = {path: (str(ours.get(path, _UNKNOWN)), str(theirs.get(path, _UNKNOWN))) for path in paths}
    return {path: pair for path, pair in pairs.items() if pair[0] != pair[1]}


def _figures(one: Report, other: Report) -> list[Row]:
    ours, theirs = ({measure.key: measure for measure in measures(report)} for report in (one, other))
    rows = []
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        pair = ours.get(key), theirs.get(key)
        cells = tuple(Cell(side.value if side else "-", _wins(side, rival)) for side, rival in (pair, pair[::-1]))
        rows.append(Row(pair[0] or theirs[key], (cells[0], cells[1])))
    return rows


def _wins(measure: Measure | None, rival: Measure | None) -> bool:
    """Whether a figure is nearer to its ideal, and the intervals do not meet."""
    if measure is None or rival is None:
        return False
    apart = measure.drawn.high < rival.drawn.low or rival.drawn.high < measure.drawn.low
    return apart and abs(measure.drawn.value - measure.ideal) < abs(rival.drawn.value - rival.ideal)
