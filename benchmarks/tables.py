"""A benchmark's command line, and the table that it writes."""

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.judging import ROOT, Judged, Subject
from medgan.scores.figures import check_comparable

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


def write_table(name: str, title: str, rows: Sequence[Judged], subject: Subject, *, pictures: bool = False) -> None:
    """Systems judged on one subject. pictures: with the sample grid of each row, copied to docs/."""
    floor = subject.floor
    for row in rows:
        check_comparable(floor, row.quality)
    lines = [
        f"# {title}",
        "",
        f"`python -m benchmarks.{name.replace('-', '_')}`: {floor.extractor} {floor.digest}, n = {floor.n:,} "
        f"{floor.split} images a side, one thread of a CPU, one seed. Real training images against these test images: "
        f"FID {floor.fid:.4f} (the floor), recall {floor.recall:.3f}.",
        "",
        "| system | parameters | steps | CPU seconds | images/s | FID | FID - floor | precision | recall | copied "
        "| agreement |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        quality = row.quality
        agreed = "" if row.agreement is None else f"{row.agreement:.3f}"
        lines.append(
            f"| {row.name} | {row.parameters:,} | {row.steps:,} | {row.cpu_seconds:.0f} | {row.images_per_second:.0f} "
            f"| {quality.fid:.4f} ± {quality.fid_high - quality.fid:.4f} | {row.excess:.4f} "
            f"| {quality.precision:.3f} | {quality.recall:.3f} | {row.copied:.3f} | {agreed} |"
        )
    for row in rows if pictures else ():
        picture = f"{name}-{row.name.replace(' ', '-')}.png"
        shutil.copy(row.picture, ROOT / "docs" / picture)
        lines += ["", f"## {row.name}", "", f"![Sample grid of {row.name}](../../docs/{picture})"]
    save(name, {"title": title, "floor": asdict(floor), "rows": [asdict(row) for row in rows]}, lines)
