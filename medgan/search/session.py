"""A whole search by one process: what ended processes left, then trials, then the choice."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.search.choice import Outcome, asked_for, choose
from medgan.search.objective import Objective
from medgan.search.pictures import study_pictures
from medgan.search.space import trials_wanted
from medgan.search.study import TrialRecord, open_study, records, run_trials, sweep, trial_name
from medgan.training.checkpoint import held, remove_folders

_LOG = logging.getLogger(__name__)
# Is told of trials, and of the status of their search: RUNNING, then FINISHED or FAILED.
Mirror = Callable[[Sequence[TrialRecord], str], None]


def run_search(
    objective: Objective, config: Config, spec: ImageSpec, *, name: str, storage: str, checkpoints: Path, mirror: Mirror
) -> Outcome:
    """Search, or go on with what an ended process left of the same search.

    name, storage: of the study. checkpoints: holds its lock, and what trials leave, which goes at the end.
    Raises MedganError where another process searches too, where no trial ended with a score, and for a database that
    does not answer.
    """
    with held(checkpoints / f"study-{name}"), _database_errors(storage):
        study = open_study(name, storage)
        for number in sweep(study):
            _LOG.warning("trial %d was interrupted; it is tried again", number)
        if (wanted := trials_wanted(config.search)) < config.search.trials:
            _LOG.warning(
                "search.space holds a single configuration: %d trial instead of %d", wanted, config.search.trials
            )
        mirror(records(study.trials), "RUNNING")

        def ended(trial: TrialRecord) -> None:
            _LOG.info("%s", _in_words(trial, config))
            mirror([trial], "RUNNING")

        try:
            run_trials(study, config, spec, objective, on_trial=ended)
            best, fresh = choose(study, config, objective)
        except MedganError:
            mirror(records(study.trials), "FAILED")
            raise
        mirror(records(study.trials), "FINISHED")
    remove_folders(checkpoints.glob("trial-*"))
    trials = asked_for(study, config.search)
    pictures = study_pictures(trials, config.search_score, list(config.search.space))
    return Outcome(best, records(trials), fresh, pictures)


def _in_words(trial: TrialRecord, config: Config) -> str:
    """What came of a trial."""
    name = trial_name(trial.number, config.search)
    if trial.score is not None:
        return f"{name}: {config.search_score} {trial.score:.4g}"
    last = max(trial.scores.items(), default=None)
    return f"{name}: {trial.state.lower()}" + (
        f" at step {last[0]}, {config.search_score} {last[1]:.4g}" if last else ""
    )


@contextmanager
def _database_errors(storage: str) -> Iterator[None]:
    """Turn what Optuna's database refuses, such as on a full disk, into a MedganError."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        message = " ".join(str(cause).split()).partition(" [SQL")[0]
        raise MedganError(f"{storage}: {message}; make room or mend it, and the same command goes on") from None
