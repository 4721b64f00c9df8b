"""The MLflow run of one training: written while it trains, found again later, made anew where it is missing."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from medgan.tracking.runs import AWAY, Store, flat, store_at
from medgan.training.result import Description, read_description, read_rows
from medgan.training.state import Row
from pipelines import TRAIN, store_root

_COMPLETE = "medgan.complete"


def open_run(store: Store, name: str, identity: str, sections: Mapping[str, Any], *, data_md5: str, commit: str) -> str:
    """The run of a training, with its params (dotted paths of `sections`) and where it comes from."""
    tags = {"medgan.kind": "training", "medgan.data_md5": data_md5, "mlflow.source.git.commit": commit}
    run_id = store.run(identity, f"train {name} {identity[:6]}", params=dict(flat(sections)), tags=tags)
    store.log_data(run_id, name=name, md5=data_md5)
    return run_id


def replay(store: Store, run_id: str, rows: Sequence[Row], samples: Path) -> None:
    """Send rows and sample grids; what the store has already is not doubled."""
    store.log_rows(run_id, rows)
    for path in sorted(samples.glob("step-*.png")):
        store.log_picture(run_id, path, key="samples", step=int(path.stem.removeprefix("step-")))


def find_run(store: Store, name: str) -> tuple[str, Description]:
    """The finished run behind artifacts/train, whatever became of the store in the meantime."""
    description = read_description(TRAIN)
    found = store.find_run(description.fingerprint)
    if found is None or _COMPLETE not in found.data.tags:
        sections = {"gan": description.gan, "train": description.train, "seed": description.seed}
        run_id = open_run(
            store, name, description.fingerprint, sections, data_md5=description.data_md5, commit=description.commit
        )
        finish(store, run_id, read_rows(TRAIN), TRAIN / "samples")
        return run_id, description
    return found.info.run_id, description


def finish(store: Store, run_id: str, rows: Sequence[Row], samples: Path) -> None:
    """Everything, then the mark that everything is there, then FINISHED: in this order."""
    replay(store, run_id, rows, samples)
    store.tag(run_id, _COMPLETE, "true")
    store.end(run_id)


def open_store(name: str) -> Store:
    return store_at(store_root(), name)


class Recorder:
    """The run of a training under way, which neither waits for MLflow nor ends because a server is away.

    A thread sends what each checkpoint covers. What it could not send waits for the next checkpoint, for `complete`,
    or for `find_run` of a later stage. opened: makes or finds the run.
    """

    def __init__(self, opened: Callable[[], tuple[Store, str]]) -> None:
        self._opened = opened
        self._run: tuple[Store, str] | None = None
        self._thread, self._sent = Thread(), 0

    def __call__(self, rows: Sequence[Row], samples: Path) -> None:
        """Skipped while the last call is under way."""
        if not self._thread.is_alive():
            # A daemon: a training that is told to stop does not wait for it either.
            self._thread = Thread(target=self._send, args=(list(rows), samples), daemon=True)
            self._thread.start()

    def complete(self, rows: Sequence[Row], samples: Path) -> None:
        self._finally(lambda store, run_id: finish(store, run_id, rows, samples))

    def fail(self, reason: str) -> None:
        def end(store: Store, run_id: str) -> None:
            store.tag(run_id, "medgan.failure", reason)
            store.end(run_id, "FAILED")

        self._finally(end)

    def _send(self, rows: Sequence[Row], samples: Path) -> None:
        with suppress(*AWAY):
            replay(*self._found(), rows[self._sent :], samples)
            self._sent = len(rows)

    def _found(self) -> tuple[Store, str]:
        self._run = self._run or self._opened()
        return self._run

    def _finally(self, last: Callable[[Store, str], None]) -> None:
        if self._thread.is_alive():
            self._thread.join()
        try:
            last(*self._found())
        except AWAY as error:
            print(f"MLflow could not be reached ({error}); a later stage completes the run")
