"""Processes that work for this one, and end with it."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from joblib import Parallel


def workers(processes: int, *, first: Callable[[], object] | None = None, **options: Any) -> Parallel:
    """So many processes, each of which calls `first` before it works. options: of joblib.

    joblib ends a process that has grown by 300 MB since its first task: what imports large libraries belongs into
    `first`.
    """
    return Parallel(processes, initializer=_serve, initargs=(os.getpid(), first), **options)


def _serve(parent: int, first: Callable[[], object] | None) -> None:
    """Make a process one that lives as long as its parent: Ctrl-C is for that one, and its end is theirs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    if first is not None:
        first()
