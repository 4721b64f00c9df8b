"""DVC as `make repro` runs it, in this folder."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medgan.errors import MedganError

LOCK = Path(".dvc/tmp/make-repro.lock")
_DVC = (sys.executable, "-m", "dvc")
_LOCKS_OF_DVC = Path(".dvc/tmp/rwlock")


@dataclass(frozen=True)
class Standing:
    """Of the pipeline. raw_away: all that `prepare` lacks are its raw files, as after `dvc pull`; it need not run."""

    up_to_date: bool
    raw_away: bool


def standing(raw: Path) -> Standing:
    """What DVC says of the stages. Raises MedganError outside a git repository, where DVC does nothing."""
    status = _dvc("status", "--json", "dvc.yaml")
    if "is not a git repository" in status.stderr:
        raise MedganError(
            f"{Path.cwd()} is no git repository, and DVC expects one; run `git init` here, or work without one by "
            f"`{Path(sys.executable).parent / 'dvc'} config --local core.no_scm true`"
        )
    try:
        changed = json.loads(status.stdout)
    except ValueError:
        return Standing(up_to_date=False, raw_away=False)
    raw_away = changed.get("prepare") == [{"changed deps": {str(raw): "deleted"}}]
    return Standing(up_to_date=not changed.keys() - ({"prepare"} if raw_away else set()), raw_away=raw_away)


def repro(*, first: str | None = None) -> int:
    """Exit status of `dvc repro`. Ctrl-C and SIGTERM both reach it as Ctrl-C: the stage saves and stops, DVC waits.

    first: the stage with which to begin; those before it are left alone.
    """
    command = [*_DVC, "repro", *(["--downstream", first] if first else [])]
    process = subprocess.Popen(command, env=_environment(), start_new_session=True)

    def stop(*_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)

    handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def restore_outputs() -> None:
    """Bring back the outputs of the last good run, which DVC removes before a stage runs, from its cache.

    Raises MedganError where another DVC works here: it would find old files among those that it is making.
    """
    if holders := _holders():
        raise MedganError(f"process {holders[0]} runs DVC in this folder; wait until it has ended, and try again")
    _dvc("checkout", "-q", "--allow-missing", "dvc.yaml")


def _holders() -> list[int]:
    """Numbers of living processes that hold DVC's locks of outputs and dependencies here."""
    try:
        paths = json.loads(_LOCKS_OF_DVC.read_text()).values()
    except (OSError, ValueError):
        return []
    locks = [lock for path in paths for lock in (path.get("write"), *path.get("read", ())) if lock]
    return sorted({lock["pid"] for lock in locks if Path(f"/proc/{lock['pid']}").exists()})


def _dvc(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """A DVC command of which nothing is shown."""
    return subprocess.run([*_DVC, *arguments], check=False, env=_environment(), capture_output=True, text=True)


def _environment() -> dict[str, str]:
    """Stages run with this Python (see pipelines/run)."""
    return {**os.environ, "MEDGAN_PYTHON": sys.executable}
