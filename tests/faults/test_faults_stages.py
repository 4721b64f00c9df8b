"""Faults of stages and of `make repro`: two at once, full disks, the wrong Python, no git repository."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable

import pytest

from .conftest import PYTHON, Clone, no_traceback

ALL_BUT_TRAIN = ("prepare", "features", "search", "evaluate", "export", "register")


def wait_until(condition: Callable[[], object], process: "subprocess.Popen[bytes]", seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_second_repro_leaves_the_outputs_of_the_first_one_alone(finished: Clone) -> None:
    finished.params({"train.steps": 100_000, "train.checkpoint_every": 50})
    trained, folders = finished.root / "artifacts" / "train", set(finished.root.glob(".checkpoints/train-*"))
    first = subprocess.Popen(
        [PYTHON, "-m", "pipelines"],
        cwd=finished.root,
        env=finished.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: set(finished.root.glob(".checkpoints/train-*")) - folders, first)
        assert not trained.exists()
        second = finished.repro()
        assert second.returncode == 2
        assert not trained.exists(), "the files of an older training lie where the first one will write"
        assert "another `make repro` works in this clone" in no_traceback(second)
        # A bare `dvc repro` that stands in the way is no `make repro`, but works all the same.
        assert first.poll() is None
    finally:
        first.terminate()
        first.wait(60)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ALL_BUT_TRAIN)
def test_a_full_disk_ends_a_stage_with_a_sentence(finished: Clone, stage: str) -> None:
    """Files may not become larger: what a full disk does to whoever writes."""
    shutil.rmtree(finished.root / ".results", ignore_errors=True)
    finished.params({"search.trials": 1})
    done = finished.run("bash", "-c", f"ulimit -f 4; exec '{PYTHON}' -m pipelines.{stage}")
    assert done.returncode == 2
    assert "error: " in no_traceback(done)


def test_dvc_runs_stages_without_an_activated_environment(clone: Clone) -> None:
    (clone.root / ".venv").symlink_to(PYTHON.parents[1])
    nowhere = {"PATH": "/usr/bin:/bin", "MEDGAN_PYTHON": ""}
    done = clone.run(PYTHON, "-m", "dvc", "repro", "prepare", env=nowhere)
    assert done.returncode == 0, done.stderr
    assert (clone.root / "data/prepared/images.npy").exists()


def test_a_folder_that_is_no_git_repository_is_said_with_the_remedy(clone: Clone) -> None:
    shutil.rmtree(clone.root / ".git")
    done = clone.repro()
    assert done.returncode == 2
    said = no_traceback(done)
    assert "git init" in said and "core.no_scm true" in said
    assert clone.run(PYTHON, "-m", "dvc", "config", "--local", "core.no_scm", "true").returncode == 0
    assert clone.run(PYTHON, "-m", "dvc", "repro", "prepare", env={"MEDGAN_PYTHON": str(PYTHON)}).returncode == 0


def test_more_test_images_than_there_are_is_said_before_any_training(clone: Clone) -> None:
    clone.params({"evaluate.n": 5000})
    assert clone.stage("prepare").returncode == 0
    done = clone.stage("features")
    assert done.returncode == 2
    assert "test has 120 images and 5000 are asked for; lower evaluate.n" in no_traceback(done)


@pytest.mark.slow
def test_a_comment_in_a_source_trains_nothing_and_adds_nothing(finished: Clone) -> None:
    """DVC starts the stages whose files have changed, after it has removed their outputs; they find their results."""
    registered = (finished.root / "artifacts/registry.json").read_text()
    weights = (finished.root / "artifacts/train/generator.safetensors").read_bytes()
    source = next((finished.root / "medgan").rglob("folder.py")).parent / "phantom"
    for path in [*source.glob("*.py"), finished.root / "medgan/training/loop.py"]:
        path.write_text(f"{path.read_text()}\n# A comment.\n")
    done = finished.repro()
    printed = no_traceback(done)
    assert done.returncode == 0
    assert not re.search(r"(features|train): \d+/", printed), printed  # lines of progress
    assert (finished.root / "artifacts/registry.json").read_text() == registered
    assert (finished.root / "artifacts/train/generator.safetensors").read_bytes() == weights


@pytest.mark.slow
def test_files_of_mlflow_that_cannot_be_written_end_train_badly(finished: Clone) -> None:
    """As on a full disk; the training itself is kept."""
    shutil.rmtree(finished.root / "mlartifacts")
    (finished.root / "mlartifacts").touch()
    (finished.root / "mlflow.db").unlink()
    done = finished.stage("train")
    assert done.returncode == 2
    assert "mend it, and the same command goes on" in no_traceback(done)
    assert (finished.root / "artifacts/train/generator.safetensors").exists()
