"""Processes that work for this one, and end with it."""

import os
import signal
import threading
import time
from typing import Any

from joblib import Parallel


def workers(processes: int, **options: Any) -> Parallel:
    """So many processes; options: of joblib."""
    return Parallel(processes, initializer=_serve, initargs=(os.getpid(),), **options)


def _serve(parent: int) -> None:
    """Make a process one that lives as long as its parent: Ctrl-C is for that one, and its end is theirs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
