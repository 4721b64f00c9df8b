"""A benchmark's command line, and the table that it writes."""

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.judging import ROOT, Judged, Subject
from medgan.evaluation.fidelity import check_comparable

RESULTS = Path(__file__).parent / "results"


def cpu_seconds(description: str | None, *, default: float) -> float:
    """The one argument of a benchmark's command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "cpu_seconds", type=float, nargs="?", default=default, help=f"of each row, {default:.0f} unless told"
    )
    seconds: float = parser.parse_args().cpu_seconds
    if seconds <= 0:
        parser.error(f"cpu_seconds must be above 0, not {seconds}")
    return seconds


def write_table(title: str, rows: Sequence[Judged], subject: Subject, path: Path, *, pictures: bool = False) -> None:
    """Every figure to results/*.json, and the table that people read to the .md beside it.

    pictures: with the sample grid of each row, copied to docs/.
    """
    floor = subject.floor
    for row in rows:
        check_comparable(asdict(floor), asdict(row.quality))
    path.parent.mkdir(exist_ok=True)
    whole = {"title": title, "floor": asdict(floor), "rows": [asdict(row) for row in rows]}
    path.with_suffix(".json").write_text(json.dumps(whole, indent=2) + "\n")
    lines = [
        f"# {title}",
        "",
        f"`python -m benchmarks.{path.stem.replace('-', '_')}`: {floor.extractor} {floor.digest}, n = {floor.n:,} "
        f"{floor.split} images a side, one thread of a CPU, one seed. Real training images against these test images: "
        f"FID {floor.fid:.4f} (the floor), recall {floor.recall:.3f}.",
        "",
        "| system | parameters | steps | CPU seconds | images/s | FID | FID - floor | precision | recall | agreement |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        quality = row.quality
        agreed = "" if row.agreement is None else f"{row.agreement:.3f}"
        lines.append(
            f"| {row.name} | {row.parameters:,} | {row.steps:,} | {row.cpu_seconds:.0f} | {row.images_per_second:.0f} "
            f"| {quality.fid:.4f} ± {quality.fid_high - quality.fid:.4f} | {row.excess:.4f} "
            f"| {quality.precision:.3f} | {quality.recall:.3f} | {agreed} |"
        )
    for row in rows if pictures else ():
        picture = f"{path.stem}-{row.name.replace(' ', '-')}.png"
        shutil.copy(row.picture, ROOT / "docs" / picture)
        lines += ["", f"## {row.name}", "", f"![Sample grid of {row.name}](../../docs/{picture})"]
    path.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
