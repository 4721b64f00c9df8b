"""A benchmark's command line, and the table that it writes."""

import argparse
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.judging import ROOT, Judged, Subject
from medgan.evaluation.two_sample import TwoSample
from medgan.scores.figures import Fidelity, check_comparable

RESULTS = Path(__file__).parent / "results"
_Number = TypeVar("_Number", int, float)


def cpu_seconds(description: str | None, *, default: float) -> float:
    """Of each row, from a benchmark's command line."""
    return _argument(description, "cpu_seconds", float, default)


def rounds(description: str | None, *, default: int) -> int:
    """How often each way takes its turn, from a benchmark's command line."""
    return _argument(description, "rounds", int, default)


def _argument(description: str | None, name: str, kind: type[_Number], default: _Number) -> _Number:
    """The only one of a command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(name, type=kind, nargs="?", default=default, help=f"{default} unless told")
    value: _Number = getattr(parser.parse_args(), name)
    if value <= 0:
        parser.error(f"{name} must be above 0, not {value}")
    return value


def save(name: str, figures: Any, lines: Sequence[str]) -> None:
    """Every figure to results/NAME.json, what people read to the .md beside it and to the screen."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def write_table(
    name: str,
    title: str,
    rows: Sequence[Judged],
    subject: Subject,
    *,
    pictures: bool = False,
    notes: Sequence[str] = (),
) -> None:
    """Systems judged on one subject, below real training images in the place of drawn ones.

    pictures: with the sample grid of each row, copied to docs/. notes: lines below the table.
    """
    floor = subject.floor
    for row in rows:
        check_comparable(floor, row.quality)
    two_sample = rows[0].two_sample
    lines = [
        f"# {title}",
        "",
        f"`python -m benchmarks.{name.replace('-', '_')}`: {floor.extractor} {floor.digest}, n = {floor.n:,} "
        f"{floor.split} images a side, all classes together, one thread of a CPU, one seed. The first line is of real "
        f"training images in the place of drawn ones.",
        "",
        "| system | parameters | steps | CPU seconds | images/s | FID | KID | precision | recall | density | coverage "
        "| nearest neighbour | copied | agreement |"
        + (" told apart | log-loss | passing |" if subject.told_apart_steps else ""),
        "| --- " * (17 if subject.told_apart_steps else 14) + "|",
        f"| real |  |  |  |  | {_likeness(floor)} | {_neighbours(two_sample.real)} |  |  |{_told(two_sample.real)}",
    ]
    for row in rows:
        agreed = "" if row.agreement is None else f"{row.agreement:.3f}"
        lines.append(
            f"| {row.name} | {row.parameters:,} | {row.steps:,} | {row.cpu_seconds:.0f} | {row.images_per_second:.0f} "
            f"| {_likeness(row.quality)} | {_neighbours(row.two_sample.generated)} | {row.copied:.3f} | {agreed} "
            f"|{_told(row.two_sample.generated)}"
        )
    lines += ["", *notes] if notes else []
    for row in rows if pictures else ():
        picture = f"{name}-{re.sub('[^A-Za-z0-9]+', '-', row.name)}.png"
        shutil.copy(row.picture, ROOT / "docs" / picture)
        lines += ["", f"## {row.name}", "", f"![Sample grid of {row.name}](../../docs/{picture})"]
    save(name, {"title": title, "floor": asdict(floor), "rows": [asdict(row) for row in rows]}, lines)


def _likeness(quality: Fidelity) -> str:
    return (
        f"{quality.fid:.3f} ± {quality.fid_high - quality.fid:.3f} | {quality.kid:.4f} | {quality.precision:.3f} "
        f"| {quality.recall:.3f} | {quality.density:.3f} | {quality.coverage:.3f}"
    )


def _neighbours(samples: TwoSample) -> str:
    return f"{samples.nearest.features.accuracy.value:.3f}"


def _told(samples: TwoSample) -> str:
    answers = samples.told_apart and samples.told_apart.overall
    if not (answers and answers.accuracy and answers.log_loss):
        return ""
    passing = answers.passing.value if answers.passing else float("nan")
    return f" {answers.accuracy.value:.3f} | {answers.log_loss.value:.4f} | {passing:.3f} |"
