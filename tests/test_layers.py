"""Who may import whom: rooms lie above each other, arrows point down. A planted violation proves that it bites."""

import subprocess
import sys
from pathlib import Path

import pytest

from medgan.imports import ROOT, Import, closure, imports, modules

# From the highest room to the lowest: a module imports its own room and those below it.
ROOMS = (
    "pipelines",
    "medgan.cli",
    "medgan.workspace",
    "medgan.reporting",
    "medgan.usefulness",
    "medgan.evaluation",
    "medgan.search",
    "medgan.tracking",
    "medgan.export",
    "medgan.scores",
    "medgan.training",
    "medgan.gans",
    "medgan.models",
    "medgan.sources",
    "medgan.data",
    "medgan.runtime",
    "medgan.imaging",
    "medgan.config",
)
# Single modules that every room may use; among themselves they use those on their right alone.
GROUND = {
    "medgan.console": {"medgan.errors"},
    "medgan.databases": set[str](),
    "medgan.device": {"medgan.errors"},
    "medgan.files": {"medgan.errors"},
    "medgan.fingerprint": {"medgan.imports", "medgan.walking"},
    "medgan.holm": set[str](),
    "medgan.imports": set[str](),
    "medgan.levels": set[str](),
    "medgan.locks": {"medgan.errors"},
    "medgan.randomness": {"medgan.seeds"},
    "medgan.seeds": set[str](),
    "medgan.private": set[str](),
    "medgan.walking": {"medgan.private"},
    "medgan.workers": set[str](),
    "medgan.errors": set[str](),
}
# Beyond the order: training knows nothing of what it is scored by, and apps install no torch.
APART: dict[str, set[str]] = {
    "medgan.search": {"medgan.tracking", "medgan.scores"},
    "medgan.tracking": {"medgan.export", "medgan.scores", "optuna"},
    "medgan.models": {"medgan.sources", "medgan.imaging"},
    "medgan.sources": {"medgan.models"},
    "medgan.runtime": {"medgan.config", "torch", "pydantic", "yaml"},
    "medgan.imaging": {"medgan.config", "torch", "pydantic", "yaml"},
    "medgan.evaluation.champion": {"torch"},
}
ONLY_IN: dict[str, set[str]] = {
    "mlflow": {"medgan.tracking"},
    "optuna": {"medgan.search"},
    "onnx": {"medgan.export", "medgan.tracking"},
    "onnxscript": {"medgan.export"},
    "onnxruntime": {"medgan.runtime"},
    "torch_fidelity": {"medgan.scores"},
    "piq": {"medgan.scores"},
    "joblib": {"medgan.scores", "medgan.sources", "medgan.usefulness", "medgan.workers"},
    "timm": {"medgan.scores"},
    "jinja2": {"medgan.reporting"},
    "pydicom": {"medgan.imaging"},
    "nibabel": {"medgan.imaging"},
    "typer": {"medgan.cli"},
}


def within(module: str, layer: str) -> bool:
    return module == layer or module.startswith(f"{layer}.")


def room(module: str) -> int | None:
    return next((index for index, name in enumerate(ROOMS) if within(module, name)), None)


def upward(edge: Import) -> bool:
    if edge.imported.split(".")[0] not in ("medgan", "pipelines") or edge.imported in (*GROUND, "medgan"):
        return edge.importer in GROUND and edge.imported in GROUND and edge.imported not in GROUND[edge.importer]
    above, below = room(edge.importer), room(edge.imported)
    return below is None or above is None or below < above


def violations(root: Path) -> set[Import]:
    found = set()
    for edge in imports(root):
        if upward(edge):
            found.add(edge)
        for name, forbidden in APART.items():
            if within(edge.importer, name) and any(within(edge.imported, other) for other in forbidden):
                found.add(edge)
        for package, owners in ONLY_IN.items():
            if within(edge.imported, package) and not any(within(edge.importer, owner) for owner in owners):
                found.add(edge)
    return found


def test_nothing_imports_upwards_and_each_library_has_its_room() -> None:
    assert violations(ROOT) == set()


def test_every_room_and_module_of_the_rules_exists() -> None:
    known = modules(ROOT)
    assert {*ROOMS, *GROUND, *APART, *(owner for owners in ONLY_IN.values() for owner in owners)} <= known.keys()
    assert {name for name in known if room(name) is None} == {"medgan", *GROUND}


@pytest.mark.parametrize(
    ("importer", "line", "imported"),
    [
        ("medgan/training/loop.py", "from medgan.scores.fidelity import score", "medgan.scores.fidelity"),
        ("medgan/training/loop.py", "def late():\n    import mlflow.onnx", "mlflow.onnx"),
        ("medgan/training/loop.py", "from ..scores import fidelity", "medgan.scores.fidelity"),
        ("medgan/config/schema.py", "from medgan import data", "medgan.data"),
        ("medgan/config/schema.py", "import pipelines", "pipelines"),
        ("medgan/fingerprint.py", "from pipelines import train", "pipelines.train"),
        ("medgan/fingerprint.py", "from medgan.console import run", "medgan.console"),
        ("medgan/fingerprint.py", "from medgan.config import schema", "medgan.config.schema"),
        ("medgan/models/dcgan.py", "from medgan.imaging import grids", "medgan.imaging.grids"),
        ("medgan/gans/base.py", "from medgan.training import loop", "medgan.training.loop"),
        ("medgan/scores/fidelity.py", "from medgan.tracking import runs", "medgan.tracking.runs"),
        ("medgan/runtime/generator.py", "def late():\n    from torch import Tensor", "torch"),
        ("medgan/workspace/doctor.py", "import mlflow", "mlflow"),
        ("medgan/fingerprint.py", "import optuna as o", "optuna"),
        ("pipelines/export.py", "import onnx", "onnx"),
        ("medgan/cli/main.py", "import onnxruntime", "onnxruntime"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, importer: str, line: str, imported: str) -> None:
    for path in modules(ROOT).values():
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text('"""Empty."""\n')
    assert violations(tmp_path) == set()
    (tmp_path / importer).write_text(f'"""Planted."""\n{line}\n')
    name = importer.removesuffix(".py").replace("/", ".")
    assert violations(tmp_path) == {Import(name, imported)}


APP = ("medgan.runtime", "medgan.imaging.grids", "medgan.evaluation.champion", "medgan.runtime.translate")


@pytest.mark.parametrize("module", APP)
def test_what_an_app_installs_reaches_no_torch_through_others(module: str) -> None:
    reached = closure([module])
    foreign = {edge.imported.split(".")[0] for edge in imports(ROOT) if edge.importer in reached}
    assert not foreign & {"torch", "torchvision", "mlflow", "optuna", "onnx", "pydantic", "yaml"}


@pytest.mark.parametrize("module", ["medgan.cli.main", *APP])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    heavy = "{'torch', 'torchvision', 'mlflow', 'optuna', 'onnx'}"
    code = f"import sys, {module}; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
