"""Classifiers of a study, each kept in .benchmarks/ when it has learnt: a benchmark that was stopped goes on."""

import pickle
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import joblib

from benchmarks import judging
from medgan.console import progress
from medgan.device import resolve_threads
from medgan.files import write_atomically
from medgan.fingerprint import code_digest
from medgan.usefulness.running import on_cores
from medgan.usefulness.study import Key, Outcome, Task


def kept_fits(tasks: Mapping[Key, Task], *, title: str) -> dict[Key, Outcome]:
    """Do these tasks on every core but those that are found done; of the same images, numbers and code.

    Their names are made here: the same values, sent to another process, may have another hash.
    """
    folder = judging.WORK / "fits" / code_digest(["medgan.usefulness.study", "medgan.usefulness.classifiers"])
    folder.mkdir(parents=True, exist_ok=True)
    files = {key: folder / f"{joblib.hash((task.args, task.keywords))}.pickle" for key, task in tasks.items()}
    missing = {key: partial(_keep, task, files[key]) for key, task in tasks.items() if not files[key].exists()}
    with progress(title, len(missing)) as done:
        on_cores(missing, processes=resolve_threads("auto"), progress=done)
    return {key: pickle.loads(file.read_bytes()) for key, file in files.items()}


def _keep(task: Task, file: Path) -> None:
    write_atomically(file, pickle.dumps(task()))
