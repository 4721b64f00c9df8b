"""The MLflow run of one training: written while it trains, found again later, made anew where it is missing."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

from medgan.config import Config
from medgan.tracking.runs import AWAY, FAILURE, Store, flat, store_at
from medgan.tracking.trials import Trial, mirror_trial
from medgan.training.result import Description, read_description, read_rows
from medgan.training.state import Row
from pipelines import store_root

_COMPLETE = "medgan.complete"
_PATIENCE = 60.0  # seconds that a stage waits, at its end, for a server that takes requests and does not answer


def open_run(
    store: Store, name: str, identity: str, sections: Mapping[str, Any], *, data_md5: str, commit: str, recipe: str
) -> str:
    """The run of a training, with its params (dotted paths of `sections`) and where it comes from."""
    tags = {
        "medgan.kind": "training",
        "medgan.data_md5": data_md5,
        "medgan.recipe": recipe,
        "mlflow.source.git.commit": commit,
    }
    title = f"{recipe.partition(',')[0]} on {name} {identity[:6]}"
    run_id = store.run(identity, title, params=dict(flat(sections)), tags=tags)
    store.reopen(run_id)
    store.log_data(run_id, name=name, md5=data_md5)
    return run_id


def replay(store: Store, run_id: str, rows: Sequence[Row], samples: Path) -> None:
    """Send rows and sample grids; what the store has already is not doubled."""
    store.log_rows(run_id, rows)
    for path in sorted(samples.glob("step-*.png")):
        store.log_picture(run_id, path, key="samples", step=int(path.stem.removeprefix("step-")))


def find_run(store: Store, name: str, trained: Path) -> tuple[str, Description]:
    """The finished run behind artifacts/train, whatever became of the store in the meantime."""
    description = read_description(trained)
    found = store.find_run(description.fingerprint)
    if found is None or _COMPLETE not in found.data.tags:
        sections = {"gan": description.gan, "train": description.train, "seed": description.seed}
        origin = {"commit": description.commit, "recipe": description.recipe}
        run_id = open_run(store, name, description.fingerprint, sections, data_md5=description.data_md5, **origin)
        finish(store, run_id, read_rows(trained), trained / "samples")
        return run_id, description
    return found.info.run_id, description


def finish(store: Store, run_id: str, rows: Sequence[Row], samples: Path) -> None:
    """Everything, then the mark that everything is there, then FINISHED: in this order."""
    replay(store, run_id, rows, samples)
    store.tag(run_id, _COMPLETE, "true")
    store.end(run_id)


def search_mirror(config: Config, name: str, data_md5: str) -> Callable[[Sequence[Trial], str], None]:
    """Tells MLflow of trials and of the status of their search, of which the study is the record."""

    def opened() -> tuple[Store, str]:
        store = open_store(config.data.name)
        tags = {"medgan.kind": "search", "medgan.data_md5": data_md5}
        params = config.search.model_dump(mode="json")
        run_id = store.run(f"search-{name}", f"search {name[:6]}", params=params, tags=tags)
        store.reopen(run_id)
        return store, run_id

    recorder, waiting = Recorder(opened), dict[int, Trial]()

    def mirror(trials: Sequence[Trial], status: str) -> None:
        waiting.update({trial.number: trial for trial in trials})
        told = dict(waiting)

        def send(store: Store, run_id: str) -> None:
            for trial in told.values():
                mirror_trial(store, run_id, name, trial)
                waiting.pop(trial.number, None)
            if status != "RUNNING":
                store.end(run_id, status)

        if status == "RUNNING":
            recorder.try_to(send)
        else:
            recorder.attempt(send, "`dvc repro -s -f search` sends its trials later")

    return mirror


def open_store(name: str) -> Store:
    return store_at(store_root(), name)


class Recorder:
    """A run under way, which does not end because a server is away, and waits for it at the end alone.

    A thread sends what each checkpoint covers. What it could not send waits for the next checkpoint, for `complete`,
    or for `find_run` of a later stage. opened: makes or finds the run.
    """

    def __init__(self, opened: Callable[[], tuple[Store, str]]) -> None:
        self._opened = opened
        self._run: tuple[Store, str] | None = None
        self._thread, self._sent = Thread(), 0
        self._error: Exception | None = None
        self._covered: tuple[Sequence[Row], Path] | None = None

    def __call__(self, rows: Sequence[Row], samples: Path) -> None:
        """Skipped while the last call is under way."""
        covered = self._covered = list(rows), samples

        def send(store: Store, run_id: str) -> None:
            replay(store, run_id, covered[0][self._sent :], samples)
            self._sent = len(covered[0])

        self.try_to(send)

    def complete(self, rows: Sequence[Row], samples: Path) -> None:
        self.attempt(
            lambda store, run_id: finish(store, run_id, rows, samples), "a later stage makes and completes the run"
        )

    def fail(self, reason: str) -> None:
        """With all that a checkpoint covers."""

        def end(store: Store, run_id: str) -> None:
            if self._covered is not None:
                replay(store, run_id, *self._covered)
            store.tag(run_id, FAILURE, reason)
            store.end(run_id, "FAILED")

        self.attempt(end, "the run does not say that this training failed")

    def attempt(self, what: Callable[[Store, str], None], otherwise: str) -> None:
        """Waited for, after what is under way. otherwise: what to say of it where the store is away."""
        deadline = time.monotonic() + _PATIENCE
        if self._ended(deadline):
            self.try_to(what)
        error = self._error if self._ended(deadline) else f"no answer in {_PATIENCE:.0f} s"
        if isinstance(error, Exception) and not isinstance(error, AWAY):
            raise error
        if error is not None:
            print(f"MLflow could not be reached ({error}); {otherwise}")

    def try_to(self, what: Callable[[Store, str], None]) -> None:
        """In the thread, unless it is busy; no error of it ends a training."""
        if self._thread.is_alive():
            return

        def work() -> None:
            try:
                self._run = self._run or self._opened()
                what(*self._run)
            except Exception as error:
                self._error = error

        # A daemon: a training that is told to stop does not wait for it either.
        self._error, self._thread = None, Thread(target=work, daemon=True)
        self._thread.start()

    def _ended(self, deadline: float) -> bool:
        """Whether nothing is under way, waited for until then."""
        if self._thread.is_alive():
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()
