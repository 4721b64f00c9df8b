"""Classifiers of a study, each kept in .benchmarks/ when it has learnt: a benchmark that was stopped goes on."""

from collections.abc import Mapping
from functools import partial

from joblib import Memory

from benchmarks import judging
from medgan.console import progress
from medgan.device import resolve_threads
from medgan.fingerprint import code_digest
from medgan.usefulness.running import on_cores
from medgan.usefulness.study import Key, Outcome, Task


def kept_fits(tasks: Mapping[Key, Task], *, title: str) -> dict[Key, Outcome]:
    """Do these tasks on every core but those that are found done; of the same images, numbers and code."""
    code = code_digest(["medgan.usefulness.study", "medgan.usefulness.classifiers"])
    memory = Memory(judging.WORK / "fits" / code, verbose=0)
    remembered = {key: partial(memory.cache(task.func), *task.args, **task.keywords) for key, task in tasks.items()}
    with progress(title, len(tasks)) as done:
        return on_cores(remembered, processes=resolve_threads("auto"), progress=done)
