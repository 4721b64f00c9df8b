"""The pages of a clone: MLflow's of its store, optuna-dashboard's of its studies. They end with whoever serves them."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

from medgan.databases import redacted
from medgan.errors import MedganError

HOST = "127.0.0.1"
_PATIENCE = 60.0  # seconds until a page answers
_GRACE = 5.0  # seconds until what does not end is killed


class PortTakenError(MedganError):
    """Another program serves there."""


@dataclass(frozen=True)
class Page:
    """What serves it, and on which port. environment: beside that of this process; it may hold a password."""

    name: str
    port: int
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """A page that is being served. log: a file with all that its process prints."""

    page: Page
    process: "subprocess.Popen[bytes]"
    log: IO[bytes]

    def failure(self, what: str) -> MedganError:
        """What went wrong, with the end of what it printed."""
        self.log.seek(0)
        said = redacted(" ".join(self.log.read().decode(errors="replace").split()[-60:]))
        return MedganError(f"{self.page.name} {what}: {said or 'it printed nothing'}")


def mlflow_page(uri: str, port: int) -> Page:
    command = ["-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1", "--serve-artifacts"]
    # By the environment: everybody may read the arguments of a process, and this one may hold a password.
    return Page("MLflow", port, [sys.executable, *command], {"MLFLOW_BACKEND_STORE_URI": uri})


def dashboard_page(storage: str, port: int) -> Page | None:
    """None where optuna-dashboard is not installed."""
    if importlib.util.find_spec("optuna_dashboard") is None:
        return None
    start = "import os; from optuna_dashboard import run_server; "
    start += f"run_server(os.environ['MEDGAN_STUDIES'], host='{HOST}', port={port})"
    return Page("optuna-dashboard", port, [sys.executable, "-c", start], {"MEDGAN_STUDIES": storage})


def on_desktop() -> bool:
    """Whether somebody sits at a screen on which a browser can open."""
    screen = sys.platform in ("darwin", "win32") or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return screen and sys.stdout.isatty() and "SSH_CONNECTION" not in os.environ


def check_free(page: Page) -> None:
    """Raise PortTakenError where another program has its port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, page.port))
        except OSError:
            raise PortTakenError(f"port {page.port}, for {page.name}, is taken; give another one with --port") from None


@contextmanager
def serving(pages: Sequence[Page]) -> Iterator[list[Served]]:
    """Serve for as long as the context lasts; all of it ends with it, also by SIGTERM, SIGHUP and Ctrl-C.

    These raise KeyboardInterrupt here. Raises MedganError where a page has ended before it answered.
    """

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    handlers = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    started: list[Served] = []
    with ExitStack() as logs:
        try:
            for page in pages:
                started.append(_start(page, logs.enter_context(tempfile.TemporaryFile())))
            for served in started:
                _await(served)
            yield started
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for number in (signal.SIGTERM, signal.SIGKILL):
                _end(started, number)


def wait(served: Sequence[Served]) -> None:
    """Wait until one of them ends, which it should not. Raises MedganError then."""
    while True:
        for one in served:
            with suppress(subprocess.TimeoutExpired):
                raise one.failure(f"has ended with status {one.process.wait(0.5)}")


def _start(page: Page, log: IO[bytes]) -> Served:
    # A group of its own: a server has children that must end too, and Ctrl-C is for this process to pass on.
    process = subprocess.Popen(
        page.command, env={**os.environ, **page.environment}, stdout=log, stderr=log, start_new_session=True
    )
    return Served(page, process, log)


def _await(served: Served) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and served.process.poll() is None:
        with suppress(OSError), socket.create_connection((HOST, served.page.port), timeout=1):
            return
        time.sleep(0.1)
    raise served.failure(f"does not answer on port {served.page.port}")


def _end(started: Sequence[Served], number: int) -> None:
    """Signal whole groups: a server may have ended before its children."""
    for served in started:
        with suppress(ProcessLookupError):
            os.killpg(served.process.pid, number)
    for served in started:
        with suppress(subprocess.TimeoutExpired):
            served.process.wait(_GRACE)
