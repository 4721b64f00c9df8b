"""The short table at the end of `make repro`."""

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from medgan.databases import redacted
from medgan.evaluation.report import Report, SynthesisReport, read_reports
from medgan.evaluation.summary import summary
from medgan.tracking import tracking_uri
from medgan.tracking.links import runs_link
from medgan.usefulness.report import read_verdict
from medgan.workspace.pages import MLFLOW_PORT
from medgan.workspace.places import EXPORT, METRICS, REGISTRY, REPORT, UTILITY, store_root
from medgan.workspace.serving import HOST


def print_summary() -> None:
    """Print what the files that the stages have left say."""
    reports, registry = read_reports(METRICS), json.loads(REGISTRY.read_text())
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, report in reports.items():
        for title, figures in summary(report, name):
            table.add_row(title, figures)
    table.add_row("of use", _use(read_verdict(UTILITY)))
    for name in reports:
        version, onnx = registry[name] if name else registry, EXPORT / name / "generator.onnx"
        parity = json.loads(onnx.with_name("parity.json").read_text())
        reigning = f", as version {version['champion']} is" if version["champion"] else ""
        crowned = "champion" if version["crowned"] else f"not champion{reigning}"
        table.add_row("registered", f"{version['name']} version {version['version']}, {crowned}:")
        for reason in version["reasons"]:
            table.add_row("", reason)
        table.add_row("ONNX", f"{onnx} ({parity['bytes'] / 1e6:.2f} MB, to {parity['worst']:.0e})")
    table.add_row("report", f"{REPORT}: all of it in words and pictures")
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print("next:  make ui                    # MLflow, and this data set's generators, best first, at")
    console.print(f"       {_link(registry.get('experiment'))}", markup=False)
    console.print(f"       .venv/bin/medgan {_example(reports[''])}")
    console.print("       .venv/bin/medgan recipes")


def _use(verdict: Mapping[str, Any]) -> str:
    """The verdict and the gain that it rests on; why nobody asked."""
    if not (gain := verdict.get("gain")):
        return str(verdict["sentence"])
    value, low, high = (100 * gain[key] for key in ("value", "low", "high"))
    return f"{verdict['verdict']}: {value:+.1f} [{low:+.1f}, {high:+.1f}] points of accuracy"


def _link(experiment: str | None) -> str:
    uri = tracking_uri(store_root())
    return runs_link(redacted(uri) if uri.startswith("http") else f"http://{HOST}:{MLFLOW_PORT}", experiment)


def _example(report: Report) -> str:
    """The command that uses what was exported."""
    onnx = EXPORT / "generator.onnx"
    if not isinstance(report, SynthesisReport):
        return f"translate {onnx} IMAGE... --out drawn"
    mask = " --mask MASK.png" if report.lesion else ""
    return f"generate {onnx} --count 16 --seed 1{mask} --out drawn"
