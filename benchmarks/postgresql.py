"""A PostgreSQL server of Debian's package for a test or a benchmark: on loopback, in a folder of its own."""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory


def installed() -> Path | None:
    """The folder of the newest server's programs; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parents[1].name))
    if found:
        return found[-1].parent
    program = shutil.which("pg_ctl")
    return Path(program).parent if program else None


@dataclass(frozen=True)
class Server:
    """A running one, with a password and two empty databases. url: of that for studies, without the password."""

    programs: Path
    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"postgresql+pg8000://medgan@127.0.0.1:{self.port}/medgan"

    @property
    def environment(self) -> dict[str, str]:
        return {"MEDGAN_SEARCH_PASSWORD": self.password}

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200"
        self._run("pg_ctl", "-w", "-D", str(self.data), "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """At once: who is connected loses the connection."""
        self._run("pg_ctl", "-w", "-D", str(self.data), "-m", "fast", "stop")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        # The server refuses to be started by root.
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        environment = {**os.environ, "PGPASSWORD": self.password}
        command = [*user, str(self.programs / program), *arguments]
        # Files, not pipes: the server keeps what it inherits open.
        with (self.folder / "printed").open("ab") as printed:
            subprocess.run(command, check=True, stdout=printed, stderr=printed, cwd="/", env=environment)

    def make(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(self.password)
        if os.geteuid() == 0:
            shutil.chown(secret, "postgres")
        self._run(
            *("initdb", "-D", str(self.data), "-U", "medgan", "-A", "scram-sha-256", "--pwfile", str(secret)),
            *("-E", "UTF8", "--no-sync"),
        )
        self.start()
        for name in ("medgan", "mlflow"):  # Optuna and MLflow both call a table alembic_version
            self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "medgan", name)


@contextmanager
def server() -> Iterator[Server]:
    """Serve for as long as the context lasts."""
    programs = installed()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is not installed (Debian's package: postgresql)")
    with TemporaryDirectory(prefix="postgresql-") as name, socket.socket() as probe:
        if os.geteuid() == 0:
            shutil.chown(name, "postgres")
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        served = Server(programs, Path(name), port, f"planted-{secrets.token_hex(8)}")
        served.make()
        try:
            yield served
        finally:
            with suppress(subprocess.CalledProcessError):  # it was stopped before
                served.stop()
