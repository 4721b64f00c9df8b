"""Every recipe end to end on the phantom with a small budget -> results/recipes.md and one MLflow experiment.

    make recipes                            # what has run already is not run again

Recipes for other data are run on phantoms of the same size and channels. So few steps say what a system costs and that
it works from raw files to the registry; they say nothing about how good it is.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.tables import save
from medgan.config.schema import parse_config
from medgan.config.trees import read_yaml
from medgan.device import use_cpu
from medgan.runtime.generator import OnnxGenerator
from medgan.training.result import load_generators, read_rows
from medgan.workspace.recipes import read_recipe

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".benchmarks" / "recipes"
EXPERIMENT = "recipes"
BUDGET: dict[str, dict[str, Any]] = {
    "features": {"steps": 150},
    "search": {"trials": 0},
    "train": {"steps": 60, "evaluations": 2, "n": 500, "checkpoint_every": 30},
    "evaluate": {"n": 500, "bootstrap": 20, "segmenter_steps": 60, "told_apart_steps": 60},
    "utility": {"seeds": 2, "steps": 20, "n": 200},
}
IMAGES = 4000


@dataclass(frozen=True)
class Row:
    """parameters: of all generators. fid, floor, recall, or mae where pairs are translated: test split.

    draw_ms: of an image, one thread of onnxruntime.
    """

    recipe: str
    image: str
    parameters: int
    images_per_second: float
    fid: float | None
    floor: float | None
    recall: float | None
    mae: float | None
    onnx_mb: float
    draw_ms: float
    version: str


def main() -> None:
    use_cpu(1)
    rows = []
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        folder = WORK / path.stem
        if not _run(path.stem, folder):
            sys.exit(f"{path.stem} failed, see above; the same command goes on from there")
        rows.append(_row(path.stem, folder))
    _write(rows)


def on_phantoms(name: str) -> dict[str, Any]:
    """The recipe's tree with the budget above, and phantoms of its size and channels where its data are others."""
    tree, _ = read_recipe(ROOT, name)
    phantom, _ = read_recipe(ROOT, "default")
    size, channels = tree["data"]["size"], tree["data"]["channels"]
    options = tree["data"]["options"] if tree["data"]["source"] == "phantom" else phantom["data"]["options"]
    if channels == 3 and len(options["modalities"]) != 3:
        options = {**options, "modalities": ["T1w", "T2w", "PD"]}
    if tree["gan"]["name"] in ("translation", "cyclegan"):
        options = {**options, "source_modalities": ["T1w"]}
    # A name of its own: these must not stand against champions that were trained in earnest.
    own = {"name": f"recipes-{size}", "size": size, "channels": channels, "labels": tree["data"]["labels"]}
    tree["data"] = {**phantom["data"], **own, "options": {**options, "count": IMAGES}}
    for section, values in BUDGET.items():
        tree[section] |= values
    parse_config(tree, where=f"recipes/{name}.yaml")
    return tree


def _run(name: str, folder: Path) -> bool:
    """`python -m pipelines` in a copy of this clone, with its stores."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in ("medgan", "pipelines", "recipes", "data", "dvc.yaml", ".dvcignore"):
        source, target = ROOT / item, folder / item
        if source.is_dir():
            left = shutil.ignore_patterns("__pycache__", "raw", "prepared", "*.dvc")
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=left)
        else:
            shutil.copy(source, target)
    tree = on_phantoms(name)
    if not (folder / "params.yaml").exists() or read_yaml(folder / "params.yaml") != tree:
        (folder / "params.yaml").write_text(f"# medgan use {name}\n{yaml.safe_dump(tree, sort_keys=False)}")
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "MLFLOW_TRACKING_URI": os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlflow.db'}",
        "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
    }
    if not (folder / ".dvc").exists():
        _call(folder, environment, "dvc", "init", "-q", "--no-scm")
        # One cache for all: recipes on the same phantoms prepare them once.
        _call(folder, environment, "dvc", "cache", "dir", "-q", str(WORK / ".cache"))
    print(f"\n{name}", flush=True)
    return _call(folder, environment, "pipelines") == 0


def _call(folder: Path, environment: dict[str, str], *command: str) -> int:
    return subprocess.run([sys.executable, "-m", *command], cwd=folder, env=environment, check=False).returncode


def _row(name: str, folder: Path) -> Row:
    config = parse_config(read_yaml(folder / "params.yaml"))
    metrics = json.loads((folder / "reports" / "metrics.json").read_text())
    registry = json.loads((folder / "artifacts" / "registry.json").read_text())
    onnx = folder / "artifacts" / "export" / "generator.onnx"
    return Row(
        recipe=name,
        image=f"{config.data.channels}x{config.data.size}x{config.data.size}",
        parameters=_parameters(folder),
        images_per_second=_images_per_second(read_rows(folder / "artifacts" / "train"), config.gan.batch),
        fid=metrics["quality"].get("fid"),
        floor=metrics["floor"].get("fid"),
        recall=metrics["quality"].get("recall"),
        mae=metrics["quality"].get("mae"),
        onnx_mb=onnx.stat().st_size / 1e6,
        draw_ms=_draw_ms(onnx),
        version=f"{registry['name']} {registry['version']}",
    )


def _parameters(folder: Path) -> int:
    gan, _, _ = load_generators(folder / "artifacts" / "train")
    return sum(tensor.numel() for tensor in gan.generators.parameters())


def _images_per_second(rows: list[dict[str, float]], batch: int) -> float:
    """Of the median step; every step of so short a training is logged, evaluations stand between them."""
    times = {int(row["step"]): row["time"] for row in rows if any(key.startswith("loss/") for key in row)}
    spent = [times[step] - times[step - 1] for step in sorted(times) if step - 1 in times]
    return batch / float(np.median(spent))


def _draw_ms(onnx: Path) -> float:
    """Of one image at a time on one thread: the median of fifty."""
    generator = OnnxGenerator(onnx, threads=1)
    inputs = {
        name: np.zeros((1, *shape), np.int64 if name == "label" else np.float32)
        for name, shape in generator.inputs.items()
    }
    spent = []
    for _ in range(55):
        before = time.perf_counter()
        generator.run(**inputs)
        spent.append(time.perf_counter() - before)
    return 1000 * float(np.median(spent[5:]))


def _write(rows: list[Row]) -> None:
    columns = (
        "recipe",
        "image",
        "parameters",
        "images/s",
        "fid_domain",
        "floor",
        "recall",
        "MAE",
        "ONNX MB",
        "ms an image",
        "version",
    )
    cells = [
        (
            row.recipe,
            row.image,
            f"{row.parameters:,}",
            f"{row.images_per_second:.0f}",
            *("" if value is None else f"{value:.2f}" for value in (row.fid, row.floor)),
            *("" if value is None else f"{value:.3f}" for value in (row.recall, row.mae)),
            f"{row.onnx_mb:.1f}",
            f"{row.draw_ms:.1f}",
            row.version,
        )
        for row in rows
    ]
    steps, n = BUDGET["train"]["steps"], BUDGET["evaluate"]["n"]
    lines = [
        "# Every recipe on phantoms, end to end",
        "",
        f"`make recipes`: {steps} steps each, FID of n = {n} test images, one thread of a CPU. So few steps say what a "
        "system costs and that it runs from raw files to the registry, not how good it is. Scores compare within one "
        "image size only. Recipes that differ in their data alone are one configuration here: one run, one version.",
        "",
        f"| {' | '.join(columns)} |",
        f"|{' --- |' * len(columns)}",
        *(f"| {' | '.join(line)} |" for line in cells),
    ]
    print()
    save("recipes", [asdict(row) for row in rows], lines)
    print(f"\n`make ui` shows them side by side, experiment '{EXPERIMENT}'")


if __name__ == "__main__":
    main()
