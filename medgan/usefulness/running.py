"""Classifiers of a study trained by several processes, one on each core."""

from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from joblib import delayed

from medgan.device import use_cpu
from medgan.errors import MedganError
from medgan.workers import workers

K = TypeVar("K")
T = TypeVar("T")


def on_cores(
    tasks: Mapping[K, Callable[[], T]], *, processes: int, progress: Callable[[int], None] | None = None
) -> dict[K, T]:
    """Do each task on one thread, so that its bits do not hang on how many there are.

    progress: is told how many are done. Raises MedganError where one of the processes is killed.
    """
    found: dict[K, T] = {}
    with workers(processes, first=one_thread, return_as="generator") as parallel:
        try:
            for key, outcome in zip(tasks, parallel(delayed(task)() for task in tasks.values()), strict=True):
                found[key] = outcome
                if progress is not None:
                    progress(len(found))
        except BrokenProcessPool:
            raise MedganError(
                "a process that trains a classifier was killed, for want of memory as a rule; free memory, or lower "
                "utility.batch"
            ) from None
    return found


def one_thread() -> None:
    """What such a process does first."""
    use_cpu(1)
