"""Who may import whom. The rules are those of the design; a planted violation proves that they bite."""

import subprocess
import sys
from pathlib import Path

import pytest
from import_graph import ROOT, Import, closure, imports, modules

# A layer imports itself, what its line says, and nothing else of this repository. The longest name that fits counts.
MAY_IMPORT: dict[str, set[str]] = {
    "medgan.errors": set(),
    "medgan.losses": {"medgan.errors"},
    "medgan.augment": {"medgan.data.spec", "medgan.errors", "medgan.randomness"},
    "medgan.randomness": {"medgan.errors"},
    "medgan.checking": {"medgan.errors"},
    "medgan.config": {"medgan.checking", "medgan.errors"},
    "medgan.pictures": {"medgan.errors"},
    "medgan.console": {"medgan.errors"},
    "medgan.registry": {"medgan.errors"},
    "medgan.runtime": {"medgan.errors"},
    "medgan.imagefiles": {"medgan.errors"},
    "medgan.translate": {"medgan.imagefiles", "medgan.runtime", "medgan.errors"},
    "medgan.data.spec": {"medgan.errors"},
    "medgan.data": {"medgan.checking", "medgan.config", "medgan.errors", "medgan.randomness"},
    "medgan.models": {"medgan.data.spec"},
    "medgan.gans": {
        *("medgan.models", "medgan.losses", "medgan.augment", "medgan.data.spec", "medgan.randomness"),
        *("medgan.checking", "medgan.config", "medgan.errors"),
    },
    "medgan.evaluation": {"medgan.data", "medgan.config", "medgan.errors", "medgan.randomness"},
}
MAY_NOT_IMPORT: dict[str, set[str]] = {
    "medgan": {"pipelines", "tests"},
    "medgan.training": {"medgan.evaluation", "medgan.search", "medgan.tracking", "optuna", "mlflow"},
    "medgan.search": {"medgan.tracking", "medgan.evaluation", "medgan.training"},
    "medgan.tracking": {"medgan.search", "medgan.evaluation", "medgan.training"},
    "medgan.export": {"medgan.search", "medgan.tracking", "medgan.evaluation"},
    "medgan.runtime": {"torch"},
    "medgan.cli": {"torch"},
    "medgan.pictures": {"torch"},
    "medgan.imagefiles": {"torch"},
    "medgan.translate": {"torch"},
    "medgan.registry": {"torch"},
}
ONLY_IN: dict[str, set[str]] = {
    "mlflow": {"medgan.tracking"},
    "optuna": {"medgan.search"},
    "onnx": {"medgan.export", "medgan.tracking"},
    "onnxscript": {"medgan.export"},
    "onnxruntime": {"medgan.runtime"},
    "torch_fidelity": {"medgan.evaluation"},
    "piq": {"medgan.evaluation"},
    "pydicom": {"medgan.data.sources"},
    "nibabel": {"medgan.data.sources", "medgan.imagefiles"},
    "typer": {"medgan.cli"},
}


def within(module: str, layer: str) -> bool:
    return module == layer or module.startswith(f"{layer}.")


def violations(root: Path) -> set[Import]:
    found = set()
    for edge in imports(root):
        layer = max((name for name in MAY_IMPORT if within(edge.importer, name)), key=len, default=None)
        if layer and edge.imported.split(".")[0] in ("medgan", "pipelines"):
            allowed = {layer, *MAY_IMPORT[layer]}
            if not any(within(edge.imported, name) for name in allowed):
                found.add(edge)
        for name, forbidden in MAY_NOT_IMPORT.items():
            if within(edge.importer, name) and any(within(edge.imported, other) for other in forbidden):
                found.add(edge)
        for package, owners in ONLY_IN.items():
            if within(edge.imported, package) and not any(within(edge.importer, owner) for owner in owners):
                found.add(edge)
    return found


def test_no_import_goes_against_the_layers() -> None:
    assert violations(ROOT) == set()


def test_the_rules_speak_of_modules_that_exist() -> None:
    known = modules(ROOT)
    named = {*MAY_IMPORT, *MAY_NOT_IMPORT, *(owner for owners in ONLY_IN.values() for owner in owners)}
    assert named <= known.keys()


@pytest.mark.parametrize(
    ("importer", "line", "imported"),
    [
        ("medgan/training/loop.py", "from medgan.evaluation.fidelity import score", "medgan.evaluation.fidelity"),
        ("medgan/training/loop.py", "def late():\n    import mlflow.onnx", "mlflow.onnx"),
        ("medgan/training/loop.py", "from ..evaluation import fidelity", "medgan.evaluation.fidelity"),
        ("medgan/losses.py", "from medgan import config", "medgan.config"),
        ("medgan/config.py", "import pipelines", "pipelines"),
        ("medgan/fingerprint.py", "from pipelines import PARAMS", "pipelines"),
        ("medgan/models/dcgan.py", "from medgan.data.store import Prepared", "medgan.data.store"),
        ("medgan/gans/base.py", "from medgan.training import loop", "medgan.training.loop"),
        ("medgan/data/spec.py", "from medgan.checking import STRICT", "medgan.checking"),
        ("medgan/evaluation/fidelity.py", "from medgan.gans import build_gan", "medgan.gans"),
        ("medgan/runtime.py", "def late():\n    from torch import Tensor", "torch"),
        ("medgan/doctor.py", "import mlflow", "mlflow"),
        ("medgan/fingerprint.py", "import optuna as o", "optuna"),
        ("pipelines/export.py", "import onnx", "onnx"),
        ("medgan/cli.py", "import onnxruntime", "onnxruntime"),
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


@pytest.mark.parametrize("module", ["medgan.runtime", "medgan.pictures", "medgan.registry", "medgan.translate"])
def test_what_an_app_installs_reaches_no_torch_through_others(module: str) -> None:
    reached = closure(ROOT, module)
    foreign = {edge.imported.split(".")[0] for edge in imports(ROOT) if edge.importer in reached}
    assert not foreign & {"torch", "torchvision", "mlflow", "optuna", "onnx", "pydantic", "yaml"}


@pytest.mark.parametrize(
    "module", ["medgan.cli", "medgan.runtime", "medgan.pictures", "medgan.registry", "medgan.translate"]
)
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    heavy = "{'torch', 'torchvision', 'mlflow', 'optuna', 'onnx'}"
    code = f"import sys, {module}; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
