"""Progress bars, log lines and the one way in which a command fails."""

import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from medgan.errors import Interrupted, MedganError, os_error_sentence

_EVERY = 120.0  # seconds between lines in a log
_ERRORS = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


class Bar:
    """How far a long work is. On a terminal a bar; elsewhere a line every two minutes, so that a log stays short."""

    def __init__(self, title: str, total: int, show: Callable[[int, str], None]) -> None:
        """title: what is done, such as "train" or "trial 3 of 12". total: units of it, a guess where nobody knows."""
        self.title, self.total, self._show = title, max(1, total), show
        self._done, self._note = 0, ""

    def __call__(self, done: int) -> None:
        """So many are done; more than `total` where that was a guess."""
        self._done = min(done, self.total)
        self._show(self._done, self._note)

    def note(self, text: str) -> None:
        """What has been reached so far, such as a score."""
        self._note = text
        self._show(self._done, text)


@contextmanager
def progress(title: str, total: int) -> Iterator[Bar]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Bar(title, total, _Lines(title, max(1, total)))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=max(1, total), note="")
        yield Bar(title, total, lambda done, note: bar.update(task, completed=done, note=note))


class _Lines:
    """Prints where a log file is written: what takes less than two minutes says nothing."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._began = self._printed = time.monotonic()
        self._first: int | None = None

    def __call__(self, done: int, note: str) -> None:
        now = time.monotonic()
        self._first = done if self._first is None else self._first  # where a resumed work goes on
        if now - self._printed < _EVERY or done >= self._total:
            return
        self._printed = now
        left = (now - self._began) * (self._total - done) / max(1, done - self._first)
        parts = [
            f"{self._title}: {done:,} of {self._total:,}",
            *([note] if note else []),
            f"about {minutes(left)} left",
        ]
        print(", ".join(parts), file=sys.stderr, flush=True)


def minutes(seconds: float) -> str:
    """For people: 40 s, 3 min, 2.1 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def run(command: Callable[[], None]) -> None:
    """Call a stage, print what the library logs, and turn each way of ending badly into a sentence and a status.

    A MedganError or an error of the operating system: status 2. Ctrl-C, SIGTERM or a training that has stopped for
    them: status 1. While steps are taken, training has handlers of its own, which save.
    """

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    show_log()
    handlers = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        command()
    except MedganError as error:
        fail(str(error))
    except OSError as error:
        fail(os_error_sentence(error))
    except (Interrupted, KeyboardInterrupt) as stopped:
        if message := str(stopped) if isinstance(stopped, Interrupted) else "stopped; run the same command again":
            _ERRORS.print(message)
        sys.exit(1)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def fail(message: str) -> NoReturn:
    """Print an error's sentence on stderr and exit with status 2."""
    _ERRORS.print(f"error: {message}")
    sys.exit(2)


def show_log() -> None:
    """Print on stdout what medgan logs, line by line as it is."""
    logger = logging.getLogger("medgan")
    if not any(isinstance(handler, _Stdout) for handler in logger.handlers):
        logger.addHandler(_Stdout())
        logger.setLevel(logging.INFO)


class _Stdout(logging.Handler):
    """Prints each line, since print looks up sys.stdout anew: it may be another one by then."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)
