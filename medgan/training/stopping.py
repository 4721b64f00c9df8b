"""SIGTERM and SIGINT as a flag, so that a step is always finished and saved."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class StoppedError(BaseException):
    """Breaks off what can be done again. Not an Exception, so that no library on the way takes it for its own."""


class Flag:
    def __init__(self) -> None:
        self._set = self._at_once = False

    def set(self, *_: object) -> None:
        self._set = True
        if self._at_once:
            raise StoppedError

    def is_set(self) -> bool:
        return self._set

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, a request raises StoppedError where it arrives, and at the start if it is there already."""
        self._at_once = True
        try:
            if self._set:
                raise StoppedError
            yield
        finally:
            self._at_once = False


@contextmanager
def stop_requested() -> Iterator[Flag]:
    """Catch SIGTERM and SIGINT as a flag while the context lasts; the former handlers come back after it."""
    flag, before = Flag(), {}
    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, flag.set)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
