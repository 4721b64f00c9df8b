"""Progress bars, log lines and the one way in which a command fails."""

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from medgan.errors import Interrupted, MedganError, os_error_sentence

_ERRORS = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar; the yielded function takes how much is done, more than `total` where that was a guess.

    Away from a terminal it prints a line a quarter.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        printed = 0

        def say(done: int) -> None:
            nonlocal printed
            quarter = 4 * min(done, total) // total
            if quarter > printed:
                printed = quarter
                print(f"{title}: {min(done, total)}/{total}", file=sys.stderr, flush=True)

        yield say
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=min(done, total))


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
