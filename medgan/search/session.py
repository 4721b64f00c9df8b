"""A whole search by one process: what ended processes left, then trials, then the choice on fresh seeds."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.search.board import board
from medgan.search.choice import Outcome
from medgan.search.confirmation import (
    broken_limits,
    candidates,
    confirmation_name,
    fresh_records,
    front,
    lucky,
    train_again,
    trainings,
    untrained,
)
from medgan.search.deciding import Confirmed, confirmed, winner
from medgan.search.history import FIGURES, asked_for, broken, ended, tried
from medgan.search.objective import Objective
from medgan.search.pictures import study_pictures
from medgan.search.space import Values, trials_wanted
from medgan.search.storage import Storage, check_shared, database_errors, open_storage
from medgan.search.study import (
    WANTED,
    TrialRecord,
    ask,
    asked_of,
    await_more,
    find_study,
    open_study,
    records,
    trial_name,
)
from medgan.search.trying import try_candidate
from medgan.search.worker import Work, work
from medgan.training.checkpoint import held, remove_folders

_LOG = logging.getLogger(__name__)
# Is told of trials, of trainings on fresh seeds, and of the status of their search: RUNNING, then FINISHED or FAILED.
Mirror = Callable[[Sequence[TrialRecord], str], None]


@dataclass(frozen=True)
class Search:
    """A search of which this process does a part. name: of the study. checkpoints: holds what trials leave.

    about: what it searches on, by name; others that work on it must agree.
    """

    objective: Objective
    config: Config
    spec: ImageSpec
    name: str
    checkpoints: Path
    about: Mapping[str, str] = field(default_factory=dict)


def run_search(search: Search, storage_url: str, mirror: Mirror) -> Outcome:
    """Search, or go on with what an ended process left of the same search; other processes may work on it too.

    What trials have left in `checkpoints` goes at the end. Raises MedganError where another process has the database to
    itself, where no trial ended with a score, and for a database that does not answer.
    """
    config = search.config
    with _shared(search, storage_url) as storage:
        study = open_study(search.name, storage, search.about, config.search)
        ask(study, config.search)
        if (wanted := trials_wanted(config.search)) < config.search.trials:
            _LOG.warning(
                "search.space holds a single configuration: %d trial instead of %d", wanted, config.search.trials
            )
        mirror(_told(search, study), "RUNNING")

        def told(trial: FrozenTrial) -> None:
            _LOG.info("%s", _in_words(trial, config))
            trials = study.get_trials(deepcopy=False)
            _LOG.info("%s", board("search", trials, wanted, datetime.now(UTC)))
            mirror(_told(search, study), "RUNNING")

        try:
            _try(search, storage, study, told)
            best, found = _confirm(search, storage, study, mirror=mirror)
        except MedganError:
            mirror(_told(search, study), "FAILED")
            raise
        mirror(_told(search, study), "FINISHED")
        asked = _asked_for(search, study)
    remove_folders(search.checkpoints.glob(f"trial-{search.name}-*"))
    pictures = study_pictures(asked, config)
    unbeaten = front(asked, config.search) if config.search.metrics else []
    return Outcome(best, records(asked, config.search), found, pictures, unbeaten)


def join_search(search: Search, storage_url: str, *, patience: float) -> int:
    """Work on a search that another process has begun, until nothing is left to do; returns how many trials it ended.

    patience: seconds to wait until it has begun, and has asked for as many trials as the params.yaml of this process.
    Raises MedganError as `find_study` and `run_search`.
    """
    until, done, asked = time.monotonic() + patience, 0, None
    check_shared(storage_url)
    with _shared(search, storage_url) as storage:
        find_study(search.name, storage, search.about, patience=patience)
        while (now := asked_of(search.name, storage)) != asked:
            asked = now
            done += _join(replace(search, config=search.config.override(asked)), storage_url)
            await_more(search.name, storage, asked, trials_wanted(search.config.search), until)
    remove_folders(search.checkpoints.glob(f"trial-{search.name}-*"))
    return done


def _join(search: Search, storage_url: str) -> int:
    done: list[FrozenTrial] = []

    def told(trial: FrozenTrial) -> None:
        _LOG.info("%s", _in_words(trial, search.config))
        done.append(trial)

    with _shared(search, storage_url) as storage:
        study = open_study(search.name, storage, search=search.config.search)
        _try(search, storage, study, told)
        _confirm(search, storage, study, told=done.append)
    return len(done)


def _asked_for(search: Search, study: Study) -> list[FrozenTrial]:
    return asked_for(study.get_trials(deepcopy=False), trials_wanted(search.config.search))


def _told(search: Search, study: Study) -> list[TrialRecord]:
    return records(tried(study.get_trials(deepcopy=False)), search.config.search)


def _try(search: Search, storage: Storage, study: Study, told: Callable[[FrozenTrial], None]) -> None:
    def run(trial: Trial) -> float | Sequence[float]:
        return try_candidate(trial, search.config, search.spec, search.objective)

    work(Work(study, storage, trials_wanted(search.config.search), search.config.search.grace, run, told))


def _confirm(
    search: Search,
    storage: Storage,
    study: Study,
    *,
    told: Callable[[FrozenTrial], None] = lambda trial: None,
    mirror: Mirror = lambda trials, status: None,
) -> tuple[Values, list[Confirmed]]:
    """The values that win, empty for params.yaml as it is, and what fresh seeds say of all candidates."""
    config, settings = search.config, search.config.search
    asked = _asked_for(search, study)
    if not settings.finalists:
        return lucky(asked, settings), []
    chosen = candidates(asked, config)
    if not (wanted := trainings(chosen, settings)):
        return {}, []
    again = open_study(confirmation_name(search.name, chosen, settings), storage, {WANTED: str(wanted)})

    def run(trial: Trial) -> float:
        return train_again(trial, chosen, config, search.spec, search.objective)

    def heard(trial: FrozenTrial) -> None:
        told(trial)
        mirror(fresh_records(again, chosen), "RUNNING")

    work(Work(again, storage, wanted, settings.grace, run, heard))
    while missing := untrained(trials := again.get_trials(deepcopy=False), chosen, settings):
        work(Work(again, storage, len(ended(trials)) + missing, settings.grace, run, heard))
    mirror(fresh_records(again, chosen), "RUNNING")
    found = confirmed(again.get_trials(deepcopy=False), chosen, settings)
    won = winner(found, settings)
    return ({} if won is None else won.candidate.values), found


def _in_words(trial: FrozenTrial, config: Config) -> str:
    """What came of a trial."""
    name, score = trial_name(trial.number, config.search), config.search_score
    if trial.state == TrialState.COMPLETE:
        figures = {score: trial.values[0], **trial.user_attrs.get(FIGURES, {})}
        breaks = f"; it breaks {broken_limits(broken(trial), config.search)}" if broken(trial) else ""
        return f"{name}: {', '.join(f'{of} {figure:.4g}' for of, figure in figures.items())}{breaks}"
    last = max(trial.intermediate_values.items(), default=None)
    return f"{name}: {trial.state.name.lower()}" + (f" at step {last[0]}, {score} {last[1]:.4g}" if last else "")


@contextmanager
def _shared(search: Search, storage_url: str) -> Iterator[Storage]:
    """The database; where only one process may use it at a time, this one has it."""
    with database_errors(storage_url):
        storage = open_storage(storage_url, search.config.search.grace)
        alone = held(search.checkpoints / f"study-{search.name}") if storage.alone else nullcontext()
        try:
            with alone:
                yield storage
        finally:
            storage.close()
