"""DVC as `make repro` runs it, in this folder."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medgan.config.trees import read_yaml
from medgan.errors import MedganError

LOCK = Path(".dvc/tmp/make-repro.lock")
_DVC = (sys.executable, "-m", "dvc")
_LOCKS_OF_DVC = Path(".dvc/tmp/rwlock")


@dataclass(frozen=True)
class Standing:
    """Of the pipeline. stages: those that are to run, as far as DVC can say before it starts.

    raw_away: all that `prepare` lacks are its raw files, as after `dvc pull`; it need not run.
    """

    stages: tuple[str, ...]
    raw_away: bool

    @property
    def up_to_date(self) -> bool:
        return not self.stages


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
        return Standing(_stages(), raw_away=False)
    raw_away = changed.get("prepare") == [{"changed deps": {str(raw): "deleted"}}]
    stale = changed.keys() - ({"prepare"} if raw_away else set())
    return Standing(_from_first_on(stale), raw_away)


def repro(*, first: str | None = None) -> int:
    """Exit status of `dvc repro`. Ctrl-C and SIGTERM both reach it as Ctrl-C: the stage saves and stops, DVC waits.

    first: the stage with which to begin; those before it are left alone.
    """
    command = [sys.executable, "-m", "medgan.workspace.quiet_dvc", "repro", *(["--downstream", first] if first else [])]
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


def _stages() -> tuple[str, ...]:
    """In the order of dvc.yaml, in which each stage comes after all that it needs."""
    return tuple(read_yaml(Path("dvc.yaml"))["stages"])


def _from_first_on(stale: Set[str]) -> tuple[str, ...]:
    """What comes after a stale stage may run too: whether its inputs change shows when they are made."""
    stages = _stages()
    first = min((stages.index(name) for name in stale if name in stages), default=len(stages))
    return stages[first:]


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
