"""The pages of a clone are there for as long as `medgan ui`, and no longer."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import optuna
import pytest

from benchmarks.outage import free_port
from medgan.errors import MedganError
from medgan.tracking.links import runs_link
from medgan.workspace.serving import Page, check_free, serving, wait

UI = (
    "import sys; sys.argv = ['medgan', 'ui', '--no-open', '--port', sys.argv[1]]\n"
    "from medgan.cli.main import main; main()"
)
SERVER = (
    "import sys; from http.server import *\n"
    "HTTPServer(('127.0.0.1', int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()"
)


def two_free_ports() -> int:
    """The first of two neighbours."""
    while True:
        port = free_port()
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def started(clone: Path, port: int) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    return subprocess.Popen(
        [sys.executable, "-c", UI, str(port)],
        cwd=clone,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_every_page_is_served_and_ends_with_the_command(clone: Path) -> None:
    optuna.create_study(storage=f"sqlite:///{clone / 'optuna.db'}")
    port = two_free_ports()
    process = started(clone, port)
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(3)]
    assert said == [
        runs_link(f"http://127.0.0.1:{port}", None),
        f"http://127.0.0.1:{port + 1} (optuna-dashboard)",
        "(stop with Ctrl-C)",
    ]
    for each in (port, port + 1):
        with urllib.request.urlopen(f"http://127.0.0.1:{each}/", timeout=20) as page:
            assert page.status == 200
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert not answers(port) and not answers(port + 1)


def test_a_taken_port_is_said_at_once(clone: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = started(clone, taken.getsockname()[1])
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said.count("\n")) == (1, 1) and "is taken; give another one with --port" in said
    assert not (clone / "mlflow.db").exists()


def test_a_page_that_ends_by_itself_is_an_error_with_what_it_printed() -> None:
    failing = Page(
        "broken",
        free_port(),
        [sys.executable, "-c", "raise SystemExit('no database at postgresql://me:secret@there/x')"],
    )
    with (
        pytest.raises(
            MedganError, match=r"broken does not answer .*no database at postgresql://me:\*\*\*@there"
        ) as error,
        serving([failing]),
    ):
        pytest.fail("it does not serve")
    assert "secret" not in str(error.value)
    port = free_port()
    with serving([Page("short", port, [sys.executable, "-c", SERVER, str(port)])]) as served:
        with pytest.raises(MedganError, match="is taken"):
            check_free(served[0].page)
        served[0].process.kill()
        with pytest.raises(MedganError, match="short has ended with status -9"):
            wait(served)


def test_children_of_a_page_end_with_it() -> None:
    port = free_port()
    parent = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {SERVER!r}, '{port}']); time.sleep(600)"
    )
    with serving([Page("parent", port, [sys.executable, "-c", parent])]):
        assert answers(port)
    deadline = time.monotonic() + 5
    while answers(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not answers(port)


def test_the_link_opens_on_the_runs_of_the_data_set() -> None:
    assert (
        runs_link("http://h:1", "7")
        == "http://h:1/#/experiments/7/runs?viewStateShareKey=medgan&workflowType=machine_learning"
    )
    assert runs_link("http://h:1", None) == "http://h:1/#/experiments"
