"""The MLflow run of one training: written while it trains, found again later, made anew where it is missing."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from medgan.console import Bar
from medgan.errors import DivergedError
from medgan.fingerprint import Origin
from medgan.gans import check_gan
from medgan.tracking.names import named
from medgan.tracking.opening import store_at
from medgan.tracking.runs import FAILURE, Store
from medgan.tracking.sending import Sender
from medgan.training.checkpoint import prune_folders
from medgan.training.loop import Listener, Trained
from medgan.training.result import Description, describe, first_origin, read_description, read_rows, write_trained
from medgan.training.state import Row
from medgan.training.task import Task

_COMPLETE = "medgan.complete"
PARAMETERS = "parameters.yaml"


def record_training(
    task: Task,
    name: str,
    root: Path,
    out: Path,
    *,
    origin: Origin,
    progress: Callable[[int], AbstractContextManager[Bar]],
) -> Trained:
    """Train, or go on; write the results to the folder `out` and all that is known of it to its MLflow run.

    name: of the data set. root: of the stores. origin: where it comes from, if it is not one that was begun already.
    progress: opens, for a number of steps, what is told how many are done.
    Raises as `Task.fit` does, and MedganError where results cannot be written.
    """
    origin = first_origin(task, origin)
    by_pairs = task.prepared.paired and "source" in check_gan(task.gan, task.prepared.spec).inputs

    def opened() -> tuple[Store, str]:
        store = store_at(root, name)
        run_id = open_run(store, name, task.fingerprint, task.sections, data_md5=task.prepared.md5, origin=origin)
        store.begin_with(run_id, f"test/{'mae' if by_pairs else 'fid'}")
        return store, run_id

    recorder = Recorder(opened, task.train.score)
    try:
        with progress(task.train.steps) as done:

            def evaluated(_step: int, score: float) -> None:
                done.note(f"{task.train.score} {score:.4g}")

            trained = task.fit(Listener(done, evaluated, recorder))
    except DivergedError as error:
        recorder.fail(str(error))
        raise
    write_trained(out, trained, describe(task, trained, origin), task.folder / "samples")
    recorder.complete(trained.rows, out / "samples")
    prune_folders(task.checkpoints, keep=task.folder)
    return trained


def open_run(store: Store, name: str, key: str, sections: Mapping[str, Any], *, data_md5: str, origin: Origin) -> str:
    """The run of a training: what it changes of its recipe as params, all of `sections` as a file, and its origin."""
    tags = {
        "medgan.kind": "training",
        "medgan.data_md5": data_md5,
        "medgan.recipe": origin.recipe,
        "mlflow.source.git.commit": origin.commit,
    }
    title = f"{origin.recipe.partition(',')[0]} on {name} {key[:6]}"
    run_id = store.run(key, title, params={"recipe": origin.recipe, **origin.changed}, tags=tags)
    store.reopen(run_id)
    store.log_content(run_id, PARAMETERS, dict(sections))
    store.log_data(run_id, name=name, md5=data_md5)
    return run_id


def replay(store: Store, run_id: str, rows: Sequence[Row], samples: Path, score: str) -> None:
    """Send rows and sample grids; what the store has already is not doubled. score: the one on validation images."""
    store.log_rows(run_id, named(rows, score))
    for path in sorted(samples.glob("step-*.png")):
        store.log_picture(run_id, path, key="samples", step=int(path.stem.removeprefix("step-")))


def find_run(store: Store, name: str, trained: Path) -> tuple[str, Description]:
    """The finished run behind artifacts/train, whatever became of the store in the meantime."""
    description = read_description(trained)
    known = store.find_run(description.fingerprint)
    if known is None or _COMPLETE not in known.data.tags:
        sections = {"gan": description.gan, "train": description.train, "seed": description.seed}
        sections |= {"balance": True} if description.balance else {}
        origin = Origin(description.commit, description.recipe, description.changed)
        run_id = open_run(store, name, description.fingerprint, sections, data_md5=description.data_md5, origin=origin)
        finish(store, run_id, read_rows(trained), trained / "samples", description.train["score"])
        return run_id, description
    return known.info.run_id, description


def finish(store: Store, run_id: str, rows: Sequence[Row], samples: Path, score: str) -> None:
    """Send everything, then the mark that everything is there, then FINISHED: in this order."""
    replay(store, run_id, rows, samples, score)
    store.tag(run_id, _COMPLETE, "true")
    store.end(run_id)


class Recorder:
    """The run of a training under way: a checkpoint's rows and pictures are sent once they are saved.

    What could not be sent waits for the next checkpoint, for `complete`, or for `find_run` of a later stage.
    """

    def __init__(self, opened: Callable[[], tuple[Store, str]], score: str) -> None:
        self._sender, self._sent, self._score = Sender(opened), 0, score
        self._covered: tuple[Sequence[Row], Path] | None = None

    def __call__(self, rows: Sequence[Row], samples: Path) -> None:
        """Send what a checkpoint covers; skipped while the last call is under way."""
        covered = list(rows)
        self._covered = covered, samples

        def send(store: Store, run_id: str) -> None:
            replay(store, run_id, covered[self._sent :], samples, self._score)
            self._sent = len(covered)

        self._sender.send(send)

    def complete(self, rows: Sequence[Row], samples: Path) -> None:
        self._sender.send_now(
            lambda store, run_id: finish(store, run_id, rows, samples, self._score),
            "a later stage makes and completes the run",
        )

    def fail(self, reason: str) -> None:
        """End the run as FAILED, with all that a checkpoint covers."""

        def end(store: Store, run_id: str) -> None:
            if self._covered is not None:
                replay(store, run_id, *self._covered, self._score)
            store.tag(run_id, FAILURE, reason)
            store.end(run_id, "FAILED")

        self._sender.send_now(end, "the run does not say that this training failed", now_or_never=True)
