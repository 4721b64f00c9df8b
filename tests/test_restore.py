"""Under the real DVC: a stage that fails leaves the last good outputs; a file that a parameter names is watched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from medgan.config.schema import Config
from medgan.training.transfer import FRESH

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


@pytest.fixture
def place(tmp_path: Path, config: Config) -> Path:
    """A copy of the repository's files, set to a folder of two classes of eighty images, few as they are."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], check=True, capture_output=True, text=True
    ).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock":
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    subprocess.run(["git", "-C", tmp_path, "init", "-q"], check=True)
    noise = np.random.default_rng(0)
    for name in ("ill", "well"):
        (tmp_path / "raw" / name).mkdir(parents=True)
        for number in range(80):
            pixels = noise.integers(0, 255, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "raw" / name / f"{number:02}.png")
    tree = config.model_dump(mode="json", by_alias=True)
    tree["data"] |= {"source": "folder", "raw": "raw", "options": {}}
    tree["train"] |= {"init_from": "data/from-scratch", "n": 30}
    tree["search"]["n"] = tree["evaluate"]["n"] = 30
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    return tmp_path


def environment(place: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(place), "DVC_NO_ANALYTICS": "1"}


def call(place: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_failed_stage_leaves_a_sentence_and_the_last_good_outputs(place: Path) -> None:
    first = call(place, "dvc", "repro", "prepare")
    assert first.returncode == 0, first.stderr
    before = {path.name: path.read_bytes() for path in (place / "data" / "prepared").iterdir()}
    assert "images.npy" in before
    for path in sorted((place / "raw" / "ill").iterdir())[1:]:
        path.unlink()

    broken = call(place, "pipelines")
    assert broken.returncode == 2
    said = broken.stdout + broken.stderr
    assert "Traceback" not in said
    assert said.count("'ill'") == 1, said
    assert {path.name: path.read_bytes() for path in (place / "data" / "prepared").iterdir()} == before


def stale(place: Path) -> dict[str, list[object]]:
    """What `dvc status` says of each stage whose results are not those of its inputs."""
    status = call(place, "dvc", "status", "--json", "dvc.yaml")
    assert status.returncode == 0, status.stderr
    found: dict[str, list[object]] = json.loads(status.stdout)
    return found


def test_other_networks_to_start_from_make_search_and_train_stale(place: Path) -> None:
    stages = yaml.safe_load((place / "dvc.yaml").read_text())["stages"]
    for described in stages.values():
        for out in [*described.get("outs", []), *described.get("metrics", [])]:
            path = place / (out if isinstance(out, str) else next(iter(out)))
            path = path if path.suffix else path / "file"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("as if the stage had run")
    committed = call(place, "dvc", "commit", "-f", "dvc.yaml")
    assert committed.returncode == 0, committed.stderr
    assert stale(place) == {}

    (place / "data" / "from-scratch").write_bytes(b"weights")
    changed = {"changed deps": {"data/from-scratch": "modified"}}
    assert stale(place) == {"search": [changed], "train": [changed]}
    (place / "data" / "from-scratch").write_bytes(FRESH)
    assert stale(place) == {}

    tree = yaml.safe_load((place / "params.yaml").read_text())
    tree["train"]["init_from"] = "other"
    (place / "params.yaml").write_text(yaml.safe_dump(tree))
    (place / "other").write_bytes(FRESH)
    assert stale(place).keys() == {"search", "train"}
