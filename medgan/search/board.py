"""What a search is doing, worker by worker: read from its database, by whoever looks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState
from rich.table import Table

from medgan.console import minutes
from medgan.errors import MedganError
from medgan.search.confirmation import CONFIRMATION
from medgan.search.history import WORKER, ended, instant, score_of, tried
from medgan.search.storage import Storage
from medgan.search.study import NAME, TRIALS, WANTED, about_of, asked_of, begun

_SHOWN = 20  # workers, those first that are at work


@dataclass(frozen=True)
class Row:
    """Of a worker: the trial that it is at, and how those before ended. best: lowest score."""

    worker: str
    running: FrozenTrial | None
    complete: int
    pruned: int
    failed: int
    best: float | None


@dataclass(frozen=True)
class Board:
    """Of all trials. left: seconds until as many have ended as are wanted, None where nobody can say."""

    title: str
    wanted: int
    ended: int
    rows: Sequence[Row]
    total: Row
    left: float | None

    def __str__(self) -> str:
        """In a line."""
        total, running = self.total, sum(row.running is not None for row in self.rows)
        parts = [f"{self.ended} of {self.wanted} ended", f"{running} running", f"{total.pruned} pruned"]
        parts += [f"{total.failed} failed"] if total.failed else []
        parts += [] if total.best is None else [f"best {total.best:.4g}"]
        parts += [] if self.left is None else [f"about {minutes(self.left)} left"]
        return ", ".join(parts)


def board(title: str, trials: Sequence[FrozenTrial], wanted: int, now: datetime) -> Board:
    """Sum up a study. wanted: how many trials are to end. now: with its time zone."""
    known = [trial for trial in tried(trials) if WORKER in trial.user_attrs]
    workers = dict.fromkeys(trial.user_attrs[WORKER] for trial in known)
    rows = [_row(worker, [trial for trial in known if trial.user_attrs[WORKER] == worker]) for worker in workers]
    rows.sort(key=lambda row: (row.running is None, row.worker))
    return Board(title, wanted, len(ended(trials)), rows, _row("all", known), _left(trials, wanted, now))


def boards(storage: Storage, data: str, now: datetime) -> list[Board]:
    """Of the newest search on a data set, and of the trainings on fresh seeds that follow it.

    Raises MedganError where nothing was searched for on it.
    """
    studies = storage.get_all_studies()
    searches = [study for study in begun(storage) if about_of(study).get(NAME) == data]
    if not searches:
        raise MedganError(f"no search on {data} has begun there; `make repro` begins one")
    name = searches[-1].study_name
    again = [study for study in studies if study.study_name.startswith(f"{name}-{CONFIRMATION}-")]
    told = [(name, f"search on {data}", int(asked_of(name, storage)[TRIALS]))]
    told += [(study.study_name, "fresh seeds", int(about_of(study)[WANTED])) for study in again[-1:]]
    return [
        board(title, storage.get_all_trials(storage.get_study_id_from_name(study)), count, now)
        for study, title, count in told
    ]


def drawn(found: Board) -> Table:
    """As a table for a terminal."""
    table = Table(title=f"{found.title}: {found}", title_justify="left")
    table.add_column("worker")
    for name in ("trial", "step", "score", "complete", "pruned", "failed", "best"):
        table.add_column(name, justify="right")
    for row in found.rows[:_SHOWN]:
        table.add_row(row.worker, *_cells(row))
    if len(found.rows) > _SHOWN:
        table.add_row(f"and {len(found.rows) - _SHOWN} more")
    return table


def _cells(row: Row) -> Iterator[str]:
    trial = row.running
    step, score = max(trial.intermediate_values.items(), default=(None, None)) if trial else (None, None)
    yield from ("" if value is None else str(value) for value in (trial and trial.number, step))
    yield "" if score is None else f"{score:.4g}"
    yield from (str(count) for count in (row.complete, row.pruned, row.failed))
    yield "" if row.best is None else f"{row.best:.4g}"


def _row(worker: str, trials: Sequence[FrozenTrial]) -> Row:
    states = [trial.state for trial in trials]
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    scores = [score for trial in trials if (score := score_of(trial)) is not None]
    return Row(
        worker,
        running[-1] if running else None,
        states.count(TrialState.COMPLETE),
        states.count(TrialState.PRUNED),
        states.count(TrialState.FAIL),
        min(scores, default=None),
    )


def _left(trials: Sequence[FrozenTrial], wanted: int, now: datetime) -> float | None:
    """By the mean of those that have ended, and as many workers as are at work now."""
    done = [(trial.datetime_complete, trial.datetime_start) for trial in ended(trials)]
    spent = [(late - early).total_seconds() for late, early in done if late and early]
    running = [trial for trial in trials if trial.state == TrialState.RUNNING and trial.datetime_start]
    if not spent or not running:
        return None
    mean = sum(spent) / len(spent)
    starts = [instant(trial, trial.datetime_start) for trial in running if trial.datetime_start]
    begun = sum(min(mean, (now - start).total_seconds()) for start in starts)
    return max(0.0, (wanted - len(ended(trials))) * mean - begun) / len(running)
