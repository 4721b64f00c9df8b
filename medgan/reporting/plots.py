"""Files behind `dvc plots`, which draws from plain columns, and `dvc metrics`, which shows a file a line."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medgan.evaluation.report import SynthesisReport
from medgan.files import replacing
from medgan.reporting.facts import Facts
from medgan.reporting.measures import headlines, rounded

_EVERY = 400  # points of a curve at most: more nobody sees


def write_plots(folder: Path, facts: Facts) -> None:
    """losses.csv, validation.csv, by_class.csv, usefulness.csv; a header alone where there is nothing to draw."""
    with replacing(folder) as aside:
        aside.mkdir()
        _write(aside / "losses.csv", ("step", "series", "loss"), _losses(facts))
        _write(aside / "validation.csv", ("step", "series", "score"), _validation(facts))
        _write(aside / "by_class.csv", ("class", "series", "fid", "low", "high"), _by_class(facts))
        _write(aside / "usefulness.csv", ("regime", "series", "balanced_accuracy", "low", "high"), _useful(facts))


def _losses(facts: Facts) -> Iterable[Sequence[Any]]:
    names = sorted({key for row in facts.rows for key in row if key.startswith("loss/")})
    for name in names:
        points = [row for row in facts.rows if name in row]
        for row in points[:: max(1, len(points) // _EVERY)]:
            yield row["step"], name.removeprefix("loss/"), f"{row[name]:.6g}"


def _validation(facts: Facts) -> Iterable[Sequence[Any]]:
    for name in ("raw", "ema"):
        for row in facts.rows:
            if (value := row.get(f"validation/{name}")) is not None:
                yield row["step"], name, f"{value:.6g}"


def _by_class(facts: Facts) -> Iterable[Sequence[Any]]:
    report = facts.main.report
    if isinstance(report, SynthesisReport):
        sides: Mapping[str, Any] = {"drawn": report.quality.groups, "real": report.floor.groups}
        for side, groups in sides.items():
            for name, group in groups.items():
                yield name, side, *(f"{group.fid:.6g}",) * 3  # of a class alone no interval is known


def _useful(facts: Facts) -> Iterable[Sequence[Any]]:
    for size in facts.usefulness.sizes if facts.usefulness else ():
        for regime, found in size.regimes.items():
            reached = found.figures["balanced_accuracy"]
            numbers = (f"{number:.4f}" for number in (reached.value, reached.low, reached.high))
            yield regime, f"{min(size.counts.values()):,} real images a class", *numbers


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def write_figures(folder: Path, facts: Facts) -> None:
    """A file each of the figures that matter most, for `dvc metrics`: drawn, and real in its place."""
    with replacing(folder) as aside:
        aside.mkdir()
        for key, measure in headlines({way.name: way.report for way in facts.ways}).items():
            real = {} if measure.real is None else {"real": rounded(measure.real)}
            (aside / key).write_text(json.dumps({"drawn": rounded(measure.drawn.value), **real}) + "\n")
        if reached := facts.verdict.get("balanced_accuracy"):
            shares = {"drawn": rounded(reached["drawn"]), "real": rounded(reached["augmented"])}
            (aside / "use").write_text(json.dumps(shares) + "\n")
