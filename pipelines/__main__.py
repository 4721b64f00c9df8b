"""What `make repro` runs: check everything that can be checked first, `dvc repro`, then a short table."""

import csv
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from medgan.console import run
from medgan.errors import MedganError
from medgan.evaluation.report import Report, SynthesisReport, read_reports
from medgan.evaluation.summary import summary
from medgan.workspace.places import EXPORT, METRICS, REGISTRY, SEARCH

_DVC = (sys.executable, "-m", "dvc")


def main() -> None:
    if _dvc("status", "-q", "dvc.yaml"):
        # Imported only now: torch takes seconds, which a repeated `make repro` must not.
        from medgan.workspace.preflight import preflight  # noqa: PLC0415

        preflight()
        if _repro():
            # DVC removes a stage's outputs before it runs; those of the last good run come back from its cache.
            _dvc("checkout", "-q", "--allow-missing", "dvc.yaml")
            raise MedganError("the pipeline stopped, see above; the same command goes on from where it was")
    else:
        print("nothing to do: data, code and parameters are as in the last run")
    _table()


def _repro() -> int:
    """Exit status of `dvc repro`. Ctrl-C and SIGTERM both reach it as Ctrl-C: the stage saves and stops, DVC waits."""
    process = subprocess.Popen([*_DVC, "repro"], env=_environment(), start_new_session=True)

    def stop(*_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _dvc(*arguments: str) -> int:
    """Exit status of a DVC command, of which nothing is shown."""
    return subprocess.run([*_DVC, *arguments], check=False, env=_environment(), capture_output=True).returncode


def _environment() -> dict[str, str]:
    """Stages run with this Python."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _table() -> None:
    reports, registry = read_reports(METRICS), json.loads(REGISTRY.read_text())
    with (SEARCH / "trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, report in reports.items():
        for title, figures in summary(report, name):
            table.add_row(title, figures)
    table.add_row("trials", str(len(trials)))
    for name in reports:
        version, onnx = registry[name] if name else registry, EXPORT / name / "generator.onnx"
        parity = json.loads(onnx.with_name("parity.json").read_text())
        champion = version["champion"] or "none"
        table.add_row("registered", f"{version['name']} version {version['version']}; champion: {champion}")
        table.add_row("", "; ".join(version["reasons"]))
        table.add_row("ONNX", f"{onnx}, {parity['bytes'] / 1e6:.2f} MB, parity error {parity['worst']:.1e}")
    table.add_row("samples", "reports/samples.png (real ones: reports/real.png)")
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print("\nnext:  make ui")
    console.print(f"       .venv/bin/medgan {_example(reports[''])}")
    console.print("       .venv/bin/medgan recipes")


def _example(report: Report) -> str:
    """The command that uses what was exported."""
    onnx = EXPORT / "generator.onnx"
    if not isinstance(report, SynthesisReport):
        return f"translate {onnx} IMAGE... --out drawn"
    mask = " --mask MASK.png" if report.lesion else ""
    return f"generate {onnx} --count 16 --seed 1{mask} --out drawn"


if __name__ == "__main__":
    run(main)
