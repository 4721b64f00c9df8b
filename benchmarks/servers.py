"""An MLflow server, and an S3 server, for a benchmark: on loopback, ended with it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from benchmarks.postgresql import Server


@contextmanager
def mlflow_server(database: Server, folder: Path, *, artifacts: str | None = None) -> Iterator[str]:
    """Its address. Runs are in the same PostgreSQL server, files in `folder` unless told."""
    address = f"postgresql+pg8000://medgan:{database.password}@127.0.0.1:{database.port}/mlflow"
    keeps = ["--artifacts-destination", artifacts or str(folder / "artifacts")]
    arguments = ["mlflow", "server", "--host", "127.0.0.1", "--workers", "1", *keeps]
    with _served(arguments, folder / "mlflow.log", {"MLFLOW_BACKEND_STORE_URI": address}, page="health") as url:
        yield url


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Its address: moto's, which speaks S3 and keeps everything in memory (pip install 'moto[server]')."""
    with _served(["moto.server", "-H", "127.0.0.1"], folder / "s3.log", {}, page="") as url:
        yield url


@contextmanager
def _served(arguments: Sequence[str], log: Path, environment: Mapping[str, str], *, page: str) -> Iterator[str]:
    """A module of Python that takes --port, once it answers for `page`. Raises RuntimeError with what it printed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, command = f"http://127.0.0.1:{port}", [sys.executable, "-m", *arguments, "--port", str(port)]
    with log.open("wb") as printed:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=printed, stderr=printed, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 120
        while not _answers(f"{url}/{page}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()[-2000:])
            time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except HTTPError:
        return True
    except OSError:
        return False
