"""Faults that only a finished pipeline shows: its stages again, its stores, its files. One file, so one worker."""

import json
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from .conftest import PYTHON, STAGES, Clone, no_traceback

pytestmark = pytest.mark.slow


def test_sources_of_another_run_among_the_prepared_files_are_not_looked_at(finished: Clone) -> None:
    """As `dvc checkout` put them back beside the files of a `make repro` that was at work."""
    np.save(finished.root / "data/prepared/sources.npy", np.zeros((3, 16, 16, 1), np.uint8))
    finished.params({"train.steps": 6})
    done = finished.stage("train")
    assert done.returncode == 0, no_traceback(done)


@pytest.mark.parametrize("label", [-1, 99])
def test_bare_onnxruntime_refuses_a_label_that_there_is_not(finished_once: Clone, label: int) -> None:
    session = onnxruntime.InferenceSession(finished_once.root / "artifacts" / "export" / "generator.onnx")
    (z,) = (tuple(node.shape[1:]) for node in session.get_inputs() if node.name == "z")
    inputs = {"z": np.zeros((2, *z), np.float32), "label": np.array([0, 1])}
    assert len(session.run(["image"], inputs)[0]) == 2
    with pytest.raises(Exception, match=r"idx=|out of (data )?bounds"):
        session.run(["image"], {**inputs, "label": np.array([0, label])})


def table(database: Path, query: str, **values: Any) -> list[Any]:
    with closing(sqlite3.connect(database)) as store, store:
        return store.execute(query, values).fetchall()


def dump(database: Path) -> str:
    with closing(sqlite3.connect(database)) as store:
        return "\n".join(store.iterdump())


def test_a_relative_file_is_one_of_the_clone_that_a_temporary_folder_is_in(
    finished_once: Clone, tmp_path: Path
) -> None:
    """As `dvc exp run --temp` has it, which removes its folder at the end."""
    folder = finished_once.copied(tmp_path / "clone" / ".dvc" / "tmp" / "exps" / "one")
    done = folder.stage("evaluate", env={"MLFLOW_TRACKING_URI": "sqlite:///own.db"})
    assert done.returncode == 0, no_traceback(done)
    assert (tmp_path / "clone" / "own.db").exists() and not (folder.root / "own.db").exists()


def test_an_experiment_that_was_deleted_is_restored(finished: Clone) -> None:
    database = finished.root / "mlflow.db"
    table(database, "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'phantom'")
    table(database, "UPDATE runs SET lifecycle_stage = 'deleted'")
    done = finished.stage("register")
    assert done.returncode == 0, no_traceback(done)
    assert table(database, "SELECT lifecycle_stage FROM experiments WHERE name = 'phantom'") == [("active",)]


def test_a_copied_clone_has_its_artifacts_beside_itself(finished: Clone, finished_once: Clone) -> None:
    database = finished.root / "mlflow.db"
    assert f"{finished_once.root}/ml" in dump(database)
    done = finished.stage("register")
    assert done.returncode == 0, no_traceback(done)
    assert f"{finished_once.root}/ml" not in dump(database)


@pytest.fixture
def without_artifacts(finished: Clone, finished_once: Clone) -> Clone:
    """With the locations of its own artifacts in its store, and no artifacts."""
    database, artifacts = finished.root / "mlflow.db", finished.root / "mlartifacts"
    lines = dump(database).replace(str(finished_once.root), str(finished.root))
    database.unlink()
    with closing(sqlite3.connect(database)) as store:
        store.executescript(lines)
    shutil.rmtree(artifacts)
    return finished


def test_files_that_were_lost_are_put_back(without_artifacts: Clone) -> None:
    done = without_artifacts.stage("register")
    assert done.returncode == 0, no_traceback(done)
    assert "is the champion already" in done.stdout
    assert len(list((without_artifacts.root / "mlartifacts").rglob("*.onnx"))) == 1


def test_a_champion_whose_file_is_lost_is_said_and_gives_way(without_artifacts: Clone) -> None:
    database = without_artifacts.root / "mlflow.db"
    # Of another training, so that nothing can put it back.
    table(database, "UPDATE model_version_tags SET value = 'another' WHERE key = 'medgan.fingerprint'")
    table(database, "UPDATE logged_model_tags SET tag_value = 'another' WHERE tag_key = 'medgan.fingerprint'")
    done = without_artifacts.stage("register")
    assert done.returncode == 0, no_traceback(done)
    assert "the file of the champion, version 1, is lost" in done.stdout
    assert table(database, "SELECT version FROM registered_model_aliases WHERE alias = 'champion'") == [(2,)]


def test_every_store_is_found_under_a_path_of_any_characters(finished_once: Clone, tmp_path: Path) -> None:
    clone = finished_once.copied(tmp_path / "a b%41#c?ü")
    clone.params({"search.trials": 1})
    done = clone.stages("search", "register")
    assert done.returncode == 0, no_traceback(done)
    assert "could not be reached" not in done.stdout
    assert (clone.root / "optuna.db").exists() and table(
        clone.root / "mlflow.db", "SELECT 1 FROM runs WHERE name LIKE 'trial 0: %'"
    )
    done = clone.medgan("doctor")
    assert done.returncode == 0, no_traceback(done)
    assert [path.name for path in tmp_path.iterdir()] == [clone.root.name]


def wait_until(condition: Callable[[], object], process: "subprocess.Popen[bytes]", seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)


def pipelines(clone: Clone, *, stdout: int) -> "subprocess.Popen[bytes]":
    """A `make repro` that goes on beside the test."""
    return subprocess.Popen(
        [PYTHON, "-m", "pipelines"],
        cwd=clone.root,
        env=clone.environment(),
        stdout=stdout,
        stderr=subprocess.STDOUT,
    )


def test_a_second_repro_leaves_the_outputs_of_the_first_one_alone(finished: Clone) -> None:
    finished.params({"train.steps": 100_000, "train.checkpoint_every": 50})
    trained, folders = finished.root / "artifacts" / "train", set(finished.root.glob(".checkpoints/train-*"))
    first = pipelines(finished, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: set(finished.root.glob(".checkpoints/train-*")) - folders, first)
        assert not trained.exists()
        second = finished.repro()
        assert second.returncode == 2
        assert not trained.exists(), "the files of an older training lie where the first one will write"
        assert "another `make repro` works in this clone" in no_traceback(second)
        assert first.poll() is None
    finally:
        first.terminate()
        first.wait(60)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.exhaustive)])
def test_a_pipeline_that_is_told_to_stop_saves_and_says_how_to_go_on(finished: Clone, number: signal.Signals) -> None:
    """As a scheduler does with SIGTERM to the first process alone, and Ctrl-C."""
    finished.params({"train.steps": 100_000, "train.checkpoint_every": 100_000})
    folders = set(finished.root.glob(".checkpoints/train-*"))
    pipeline = pipelines(finished, stdout=subprocess.PIPE)

    def begun() -> bool:
        (folder,) = set(finished.root.glob(".checkpoints/train-*")) - folders or {finished.root}
        return (folder / "samples" / "step-000000.png").exists()

    wait_until(begun, pipeline)
    pipeline.send_signal(number)
    said = pipeline.communicate(timeout=60)[0].decode()
    assert pipeline.returncode == 2, said
    assert "stopped and saved at step" in said and "the same command goes on from where it was" in said
    (folder,) = set(finished.root.glob(".checkpoints/train-*")) - folders
    assert len(list(folder.glob("step-*.checkpoint"))) == 1


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "train"])
def test_a_full_disk_ends_a_stage_with_a_sentence(finished: Clone, stage: str) -> None:
    """Files may not become larger: what a full disk does to whoever writes."""
    shutil.rmtree(finished.root / ".results", ignore_errors=True)
    finished.params({"search.trials": 1})
    done = finished.run("bash", "-c", f"ulimit -f 4; exec '{PYTHON}' -m pipelines.{stage}")
    assert done.returncode == 2
    assert "error: " in no_traceback(done)


def test_a_comment_in_a_source_trains_nothing_and_adds_nothing(finished: Clone) -> None:
    """DVC starts the stages whose files have changed, after it has removed their outputs; they find their results."""
    registry = finished.root / "artifacts/registry.json"
    registered = json.loads(registry.read_text())
    weights = (finished.root / "artifacts/train/generator.safetensors").read_bytes()
    source = next((finished.root / "medgan").rglob("folder.py")).parent / "phantom"
    for path in [*source.glob("*.py"), finished.root / "medgan/training/loop.py"]:
        path.write_text(f"{path.read_text()}\n# A comment.\n")
    checkpoints = {path: path.stat().st_mtime_ns for path in finished.root.glob(".checkpoints/*/*.checkpoint")}
    done = finished.repro()
    printed = no_traceback(done)
    assert done.returncode == 0 and checkpoints
    assert "prepare: found what it made" in printed, printed
    assert {path: path.stat().st_mtime_ns for path in finished.root.glob(".checkpoints/*/*.checkpoint")} == checkpoints
    assert json.loads(registry.read_text()) == {**registered, "reasons": ["is the champion already"]}
    assert (finished.root / "artifacts/train/generator.safetensors").read_bytes() == weights


def test_files_of_mlflow_that_cannot_be_written_end_train_badly(finished: Clone) -> None:
    """As on a full disk; the training itself is kept."""
    shutil.rmtree(finished.root / "mlartifacts")
    (finished.root / "mlartifacts").touch()
    (finished.root / "mlflow.db").unlink()
    done = finished.stage("train")
    assert done.returncode == 2
    assert "mend it, and the same command goes on" in no_traceback(done)
    assert (finished.root / "artifacts/train/generator.safetensors").exists()
