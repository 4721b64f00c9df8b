"""All stages of dvc.yaml, run in one process in a folder of their own."""

import importlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from medgan.config.schema import Config

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
ASKED = {"utility.seeds": 2, "utility.steps": 10, "utility.n": 100}
UNGATED = {"register.recall": 0.0, "register.coverage": 0.0, "register.passing": 0.0, "register.copies": 1.0}


@contextmanager
def after_stages(
    folder: Path, config: Config, names: Iterable[str] = STAGES, *, raw: Path = Path("data/phantom.yaml")
) -> Iterator[Path]:
    shutil.copytree(ROOT / "data", folder / "data", ignore=shutil.ignore_patterns("prepared", "raw"))
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    tree = config.model_dump(mode="json", by_alias=True)
    tree["data"]["raw"] = str(raw)
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))
    with pytest.MonkeyPatch.context() as patch:
        # MLflow sets this one for its children; set here first, so that it is gone afterwards.
        patch.setenv("MLFLOW_TRACKING_URI", "")
        patch.chdir(folder)
        for name in names:
            stage(name)
        yield folder


def stage(name: str) -> None:
    importlib.import_module(f"pipelines.{name}").main()
