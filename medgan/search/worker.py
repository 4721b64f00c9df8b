"""One process that works on a study: it takes trials until as many have ended as are wanted."""

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from medgan.errors import Interrupted, MedganError
from medgan.search.history import REASON, STOPPED, SURPLUS, WORKER, ZONE, counting, ended, is_surplus
from medgan.search.storage import Storage
from medgan.search.study import Sweeper

_LOG = logging.getLogger(__name__)
_STUCK = 5  # trials of this process that fail in a row: what is wrong with them is wrong with all
_POLL = 1.0  # seconds between looks at what others do


class FailedError(Exception):
    """A trial failed, for a reason that is not that of its process; others may do better."""


class SurplusError(Exception):
    """Others do all that is wanted."""


def this_worker() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True)
class Work:
    """What is to be done to a study. run: one trial to its score; an error that it raises is that of the trial.

    wanted: how many trials are to end. told: of each that this process has ended.
    """

    study: Study
    storage: Storage
    wanted: int
    grace: float
    run: Callable[[Trial], float | Sequence[float]]
    told: Callable[[FrozenTrial], None] = lambda trial: None


def work(job: Work) -> None:
    """Take trials until as many have ended as are wanted; wait for those that others work on, or take them over.

    Several processes may do so at once: no more trials end than are wanted, and each that is interrupted is tried
    again. Raises MedganError where trial after trial fails.
    """
    sweeper = Sweeper(job.study, job.storage, job.grace)
    failures = 0
    while len(ended(trials := sweeper())) < job.wanted:
        if not any(trial.state == TrialState.WAITING for trial in trials) and len(counting(trials)) >= job.wanted:
            time.sleep(_POLL)
            continue
        reason = _one(job)
        failures = 0 if reason is None else failures + 1
        if reason and failures >= (_STUCK if job.wanted > 1 else 1):
            raise MedganError(f"{failures} trials in a row failed, the last one with: {reason}")


def _one(job: Work) -> str | None:
    """One trial; returns why it failed, if it did."""
    failed: list[str] = []
    begun: list[int] = []

    def attempt(trial: Trial) -> float | Sequence[float]:
        begun.append(trial._trial_id)
        job.storage.beat(job.study.study_name, trial.number)
        trial.set_user_attr(ZONE, time.localtime().tm_gmtoff)
        trial.set_user_attr(WORKER, this_worker())
        if is_surplus(job.study.get_trials(deepcopy=False), trial.number, job.wanted):
            trial.set_user_attr(REASON, SURPLUS)
            raise SurplusError(SURPLUS)
        try:
            return job.run(trial)
        except (optuna.TrialPruned, UpdateFinishedTrialError, StorageInternalError, SQLAlchemyError):
            raise
        except (Interrupted, KeyboardInterrupt) as stop:
            with suppress(UpdateFinishedTrialError, ValueError):  # of one that was taken over
                trial.set_user_attr(STOPPED, True)
                job.study.tell(trial, state=TrialState.FAIL)
            raise Interrupted(str(stop) or "stopped; run the same command again") from None
        except Exception as error:
            reason = str(error) if isinstance(error, MedganError) else f"{type(error).__name__}: {error}"
            _LOG.warning("trial %d failed: %s", trial.number, reason)
            trial.set_user_attr(REASON, reason[:2000])
            failed.append(reason)
            raise FailedError(reason) from error

    try:
        job.study.optimize(attempt, n_trials=1, catch=(FailedError, SurplusError))
    except (UpdateFinishedTrialError, ValueError, AssertionError):
        # All three are what Optuna makes of a trial that another worker has failed.
        if not begun or not job.storage.get_trial(begun[0]).state.is_finished():
            raise
        _LOG.warning("a trial of this worker was taken over by another one")
        return None
    trial = job.storage.get_trial(begun[0])
    if trial.user_attrs.get(REASON) != SURPLUS:
        job.told(trial)
    return failed[0] if failed else None
