"""Locks between processes; each dies with the process that holds it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from medgan.errors import MedganError


@contextlib.contextmanager
def locked(path: Path, message: str) -> Iterator[None]:
    """Hold the lock file `path`, made where it is missing. Raises MedganError with `message` where another holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout:
        raise MedganError(message) from None


@contextlib.contextmanager
def waiting_for(path: Path) -> Iterator[None]:
    """Hold the lock file `path` as soon as nobody else does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield
