"""What `medgan doctor` looks at."""

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medgan.config.schema import load_config
from medgan.errors import MedganError
from medgan.workspace.recipes import clone_root

_PACKAGES = ("torch", "torchvision", "torch-fidelity", "mlflow", "dvc", "optuna", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Finding:
    what: str
    value: str
    good: bool = True


def findings(here: Path) -> Iterator[Finding]:
    """One finding a line, cheap ones first. Raises MedganError outside a clone."""
    root = clone_root(here)
    yield Finding("python", f"{platform.python_version()} on {platform.machine()}")
    for name in _PACKAGES:
        try:
            yield Finding(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "missing; run `make repro` once, it installs the lock", good=False)
            return
    yield from _params(root)
    yield from _stores(root)
    yield _pipeline(root)


def _params(root: Path) -> Iterator[Finding]:
    from medgan.device import resolve_device, resolve_precision, resolve_threads, why_eager

    try:
        config = load_config(root / "params.yaml")
    except MedganError as error:
        yield Finding("params.yaml", str(error), good=False)
        return
    eager, threads = why_eager(config.train.capture, config.gan.optimizer, 1), resolve_threads(config.train.threads)
    precision = resolve_precision(config.train.precision, captured=not eager)
    yield Finding(
        "device", f"{resolve_device()}, {precision} (train.precision: {config.train.precision}), {threads} thread(s)"
    )
    if resolve_device().type == "cuda":
        yield Finding("steps", f"one by one: {eager}" if eager else "captured into graphs")
    yield Finding("data", f"{config.data.name}: source {config.data.source} from {config.data.raw}")


def _stores(root: Path) -> Iterator[Finding]:
    from medgan.databases import redacted
    from medgan.tracking import tracking_uri
    from medgan.tracking.opening import experiment_count

    uri = tracking_uri(root)
    try:
        number = experiment_count(uri)
        state = f"{number} experiment(s)" if number else "made by the first run"
        yield Finding("mlflow", f"{redacted(uri)}, {state}")
    except MedganError as error:
        yield Finding("mlflow", str(error), good=False)
    study = root / "optuna.db"
    yield Finding("optuna", str(study) if study.exists() else f"{study}, made by the first search")


def _pipeline(root: Path) -> Finding:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "-q", "dvc.yaml"], cwd=root, capture_output=True, text=True, check=False
    )
    return Finding(
        "pipeline", "up to date" if done.returncode == 0 else "stages to run: `dvc status dvc.yaml` lists them"
    )
