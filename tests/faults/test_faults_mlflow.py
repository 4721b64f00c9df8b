"""An MLflow store that is not as expected: where it is, what is in it, and what was deleted, lost or copied."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .conftest import PYTHON, Clone, no_traceback


def table(database: Path, query: str, **values: Any) -> list[Any]:
    with closing(sqlite3.connect(database)) as store, store:
        return store.execute(query, values).fetchall()


def nowhere() -> str:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


# Where it is


@pytest.mark.parametrize("kind", ["http", "postgresql"])
def test_a_password_is_shown_to_nobody(clone: Clone, kind: str) -> None:
    """PostgreSQL has no driver here, of which a sentence speaks."""
    uri = f"{kind}://me:secret@{nowhere()}/mlflow"
    done = clone.medgan("doctor", env={"MLFLOW_TRACKING_URI": uri, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"})
    said = no_traceback(done)
    assert "secret" not in said and f"{kind}://me:***@" in said and "cannot be reached" in said
    assert kind == "http" or "install psycopg[binary]" in said


def test_a_database_without_its_driver_stops_before_any_work(clone: Clone) -> None:
    done = clone.repro(env={"MLFLOW_TRACKING_URI": f"postgresql://me:secret@{nowhere()}/mlflow"})
    said = no_traceback(done)
    assert done.returncode == 2 and "install psycopg[binary]" in said and "secret" not in said
    assert not (clone.root / "data" / "prepared").exists()


def test_ui_says_where_a_server_is_and_serves_nothing(clone: Clone) -> None:
    environment = clone.environment({"MLFLOW_TRACKING_URI": "http://me:secret@mlflow.test:5000"})
    call = "import sys; sys.argv = ['medgan', 'ui', '--port', sys.argv[1]]; from importlib.metadata import entry_points"
    entry = "next(iter(entry_points(group='console_scripts', name='medgan'))).load()()"
    command = [PYTHON, "-c", f"{call}\n{entry}", nowhere().partition(":")[2]]
    process = subprocess.Popen(
        command, cwd=clone.root, env=environment, text=True, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0 and "http://me:***@mlflow.test:5000" in said
    assert not (clone.root / "mlflow.db").exists()


@pytest.mark.slow  # as all below by its fixture
def test_a_relative_file_is_one_of_the_clone_that_a_temporary_folder_is_in(
    finished_once: Clone, tmp_path: Path
) -> None:
    """As `dvc exp run --temp` has it, which removes its folder at the end."""
    folder = finished_once.copied(tmp_path / "clone" / ".dvc" / "tmp" / "exps" / "one")
    done = folder.stage("evaluate", env={"MLFLOW_TRACKING_URI": "sqlite:///own.db"})
    assert done.returncode == 0, no_traceback(done)
    assert (tmp_path / "clone" / "own.db").exists() and not (folder.root / "own.db").exists()


# What is in it


@pytest.mark.slow
def test_an_experiment_that_was_deleted_is_restored(finished: Clone) -> None:
    database = finished.root / "mlflow.db"
    table(database, "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'phantom'")
    table(database, "UPDATE runs SET lifecycle_stage = 'deleted'")
    done = finished.stage("register")
    assert done.returncode == 0, no_traceback(done)
    assert table(database, "SELECT lifecycle_stage FROM experiments WHERE name = 'phantom'") == [("active",)]


def dump(database: Path) -> str:
    with closing(sqlite3.connect(database)) as store:
        return "\n".join(store.iterdump())


@pytest.mark.slow
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


@pytest.mark.slow
def test_files_that_were_lost_are_put_back(without_artifacts: Clone) -> None:
    done = without_artifacts.stage("register")
    assert done.returncode == 0, no_traceback(done)
    assert "is the champion already" in done.stdout
    assert len(list((without_artifacts.root / "mlartifacts").rglob("*.onnx"))) == 1


@pytest.mark.slow
def test_a_champion_whose_file_is_lost_is_said_and_gives_way(without_artifacts: Clone) -> None:
    database = without_artifacts.root / "mlflow.db"
    # Of another training, so that nothing can put it back.
    table(database, "UPDATE model_version_tags SET value = 'another' WHERE key = 'medgan.fingerprint'")
    table(database, "UPDATE logged_model_tags SET tag_value = 'another' WHERE tag_key = 'medgan.fingerprint'")
    done = without_artifacts.stage("register")
    assert done.returncode == 0, no_traceback(done)
    assert "the file of the champion, version 1, is lost" in done.stdout
    assert table(database, "SELECT version FROM registered_model_aliases WHERE alias = 'champion'") == [(2,)]


@pytest.mark.slow
def test_every_store_is_found_under_a_path_of_any_characters(finished_once: Clone, tmp_path: Path) -> None:
    clone = finished_once.copied(tmp_path / "a b%41#c?ü")
    clone.params({"search.trials": 1})
    for stage in ("search", "register"):
        done = clone.stage(stage)
        assert done.returncode == 0, no_traceback(done)
        assert "could not be reached" not in done.stdout
    assert (clone.root / "optuna.db").exists() and table(
        clone.root / "mlflow.db", "SELECT 1 FROM runs WHERE name = 'trial 0'"
    )
    done = clone.medgan("doctor")
    assert done.returncode == 0, no_traceback(done)
    assert [path.name for path in tmp_path.iterdir()] == [clone.root.name]
