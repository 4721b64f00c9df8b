"""The MLflow run of one training: written while it trains, found again later, made anew where it is missing."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from medgan.tracking.runs import Store, flat, store_at
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


class Sender:
    """Sends what a checkpoint covers from a thread, so that a slow or absent server does not hold up training."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._pool, self._pending, self._sent = ThreadPoolExecutor(1), Future[None](), 0
        self._pending.set_result(None)

    def __call__(self, rows: list[Row], samples: Path) -> None:
        """Skipped while the last call is under way or after it failed: the final replay sends everything."""
        if self._pending.done() and self._pending.exception() is None:
            fresh, self._sent = rows[self._sent :], len(rows)
            self._pending = self._pool.submit(replay, self._store, self._run_id, fresh, samples)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        if (failure := self._pending.exception()) is not None:
            print(f"MLflow could not be reached while training ({failure}); the run is completed at the end")
