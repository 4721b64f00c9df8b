"""An MLflow store that is not as expected: where it is, what is in it, and what was deleted, lost or copied."""

import os
import signal
import socket
import subprocess

import pytest

from .conftest import PYTHON, Clone, no_traceback


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


# What is in it
