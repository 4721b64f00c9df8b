"""SIGTERM and SIGINT as a flag, so that a step is always finished and saved."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Flag:
    def __init__(self) -> None:
        self._set = False

    def set(self, *_: object) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set


@contextmanager
def stop_requested() -> Iterator[Flag]:
    """For as long as the context lasts; the former handlers come back after it."""
    flag, before = Flag(), {}
    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, flag.set)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
