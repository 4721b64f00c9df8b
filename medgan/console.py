"""Progress bars, tables and the one way in which a command fails."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from medgan.errors import MedganError

_ERRORS = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar; the yielded function takes how much is done. Away from a terminal it prints a line a quarter."""
    console = Console(stderr=True)
    if not console.is_terminal:
        printed = 0

        def say(done: int) -> None:
            nonlocal printed
            quarter = 4 * done // total
            if quarter > printed:
                printed = quarter
                print(f"{title}: {done}/{total}", file=sys.stderr, flush=True)

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
        yield lambda done: bar.update(task, completed=done)


def run(command: Callable[[], None]) -> None:
    """Call a stage; a MedganError becomes one sentence on stderr and exit status 2, Ctrl-C and SIGTERM status 1.

    While steps are taken, training has handlers of its own, which save.
    """

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        command()
    except MedganError as error:
        _ERRORS.print(f"error: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        _ERRORS.print("stopped; run the same command again")
        sys.exit(1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
