"""Optuna: the study in its database is the truth; interrupted trials are tried again, and none stays RUNNING."""

import logging
import math
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.study import Study
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from medgan.config.search import SearchConfig
from medgan.errors import MedganError
from medgan.search.history import FIGURES, KILLS, REASON, RETRY_OF, SEEN, WORKER, instant, kills, score_of, to_retry
from medgan.search.space import Values, trials_wanted, values_of
from medgan.search.storage import Storage
from medgan.search.suggestion import Given, directions

_LOG = logging.getLogger(__name__)
# An attribute of studies, and its keys for the name of the data set, and for how many trials are to end.
_ABOUT, NAME, WANTED = "medgan", "name", "wanted"
# Another attribute: how much, of whoever began the search last, and of that how many trials.
_ASKED, TRIALS = "asked", "search.trials"
# Of section search: what decides neither what a trial tries nor what it reaches.
OUTSIDE = {"trials", "finalists", "seeds", "finalist_steps", "storage", "grace"}
_POLL = 2.0  # seconds


@dataclass(frozen=True)
class TrialRecord:
    """A trial as other stores mirror it. scores: validation score by step. retry_of: of the interrupted trial.

    began, ended: milliseconds since 1970, None where it has not. reason: why it failed. worker: which process ran it.
    figures: `search.figures` by name. fresh: of a training on a fresh seed what it is called, and its study.
    """

    number: int
    state: str
    values: Values
    score: float | None
    scores: dict[int, float]
    retry_of: int | None
    began: int | None
    ended: int | None
    reason: str | None = None
    worker: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    fresh: tuple[str, str] | None = None


def open_study(
    name: str, storage: Storage, about: Mapping[str, str] | None = None, search: SearchConfig | None = None
) -> Study:
    """The study of this name, made where it is missing.

    about: what it searches on, by which others find it. search: where it says more than that one score decides.
    """
    # What fails is said by us, in a line.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=Given(),
        directions=directions(search),
        pruner=pruner_of(search),
        load_if_exists=True,
    )
    if about and study.user_attrs.get(_ABOUT) != about:
        study.set_user_attr(_ABOUT, dict(about))
    return study


def ask(study: Study, search: SearchConfig) -> None:
    """Write down what is wanted of it: processes that join do that, whatever their own params.yaml says."""
    asked = {f"search.{name}": getattr(search, name) for name in OUTSIDE - {"storage"}}
    study.set_user_attr(_ASKED, asked | {TRIALS: trials_wanted(search)})


def asked_of(name: str, storage: Storage) -> Mapping[str, Any]:
    """What `ask` wrote, by dotted path."""
    attributes = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
    found: Mapping[str, Any] = attributes.get(_ASKED, {})
    return found


def begun(storage: Storage) -> list[FrozenStudy]:
    """Searches of which is known how much is wanted, the oldest first."""
    return [study for study in storage.get_all_studies() if TRIALS in study.user_attrs.get(_ASKED, {})]


def about_of(study: FrozenStudy) -> Mapping[str, str]:
    """What it searches on, as `open_study` was told."""
    found: Mapping[str, str] = study.user_attrs.get(_ABOUT, {})
    return found


def pruner_of(search: SearchConfig | None) -> BasePruner:
    """All trials are scored on the same images and z, so that what parts them at a step is what they tried."""
    if search is None or search.pruner == "none":
        return NopPruner()
    if search.pruner == "hyperband":
        first = math.ceil(search.steps / search.evaluations)
        return HyperbandPruner(min_resource=first, max_resource=search.steps, reduction_factor=3)
    return MedianPruner(n_startup_trials=2, n_warmup_steps=0)


def find_study(name: str, storage: Storage, about: Mapping[str, str], *, patience: float) -> None:
    """Wait for a study that another process is to begin, for at most `patience` seconds.

    Raises MedganError where there is none by then; where there is another one of the same data set, with what differs,
    there and here.
    """
    began, said = time.monotonic(), False
    while True:
        if any(study.study_name == name for study in begun(storage)):
            return
        theirs = [about_of(study) for study in storage.get_all_studies() if study.study_name != name]
        others = [there for there in theirs if there.get(NAME) == about[NAME]]
        if time.monotonic() - began > patience:
            if others:
                raise MedganError(f"the search on {about[NAME]} is another one: {_differing(others[-1], about)}")
            raise MedganError(f"no search on {about[NAME]} has begun there; `make repro` begins one")
        if others and not said:
            _LOG.warning(
                "the search on %s there is another one: %s; waiting for this one to begin",
                about[NAME],
                _differing(others[-1], about),
            )
            said = True
        time.sleep(_POLL)


def await_more(name: str, storage: Storage, asked: Mapping[str, Any], wanted: int, until: float) -> None:
    """Where more trials are wanted here than the search asked for, give `make repro` the time to do so too.

    asked: as `asked_of` said. until: on the clock of time.monotonic.
    """
    if wanted <= asked[TRIALS] or time.monotonic() >= until:
        return
    _LOG.warning(
        "the search asks for %d trials, params.yaml here for %d; waiting for the `make repro` that does too",
        asked[TRIALS],
        wanted,
    )
    while asked_of(name, storage) == asked and time.monotonic() < until:
        time.sleep(_POLL)


def _differing(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    keys = [key for key in dict.fromkeys([*here, *there]) if there.get(key) != here.get(key)]
    return "; ".join(f"{key} {there.get(key, 'none')} there, {here.get(key, 'none')} here" for key in keys)


@dataclass
class Sweeper:
    """Fails the trials of ended processes and queues them again.

    On a database of one process a RUNNING trial has none. On a shared one it is lost that has given no sign of life for
    `grace` seconds; or none at all, for as long as this process has watched it. While the database was away nobody
    could give one, so that after it all have as long again.
    """

    study: Study
    storage: Storage
    grace: float
    _silent: dict[int, float] = field(default_factory=dict)  # when a trial was first seen without a sign of life

    def __call__(self) -> Sequence[FrozenTrial]:
        """All trials, once the lost ones are queued."""
        self._fail()
        trials = self.study.get_trials(deepcopy=False)
        # Also those that a kill between failing and queueing has left.
        lost = to_retry(trials)
        for trial in lost:
            _LOG.warning("trial %d was interrupted; it is tried again", trial.number)
            # A trial killed before it asked for its values still has those that it was queued with.
            values = trial.params or trial.system_attrs.get("fixed_params", {})
            again = {RETRY_OF: trial.number, KILLS: kills(trial)}
            # One that was killed while it was given its values leaves what they rest on.
            again |= {SEEN: trial.user_attrs[SEEN]} if SEEN in trial.user_attrs else {}
            self.study.enqueue_trial(values, user_attrs=again)
        return self.study.get_trials(deepcopy=False) if lost else trials

    def _fail(self) -> None:
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if self.storage.alone:
            lost = running
        elif self.storage.just_back(self.grace):
            lost = []
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                optuna.storages.fail_stale_trials(self.study)
            now = time.monotonic()
            silent = {trial.number for trial in running if WORKER not in trial.user_attrs}
            self._silent = {number: self._silent.get(number, now) for number in silent}
            lost = [trial for trial in running if now - self._silent.get(trial.number, now) > self.grace]
        for trial in lost:
            self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def records(trials: Iterable[FrozenTrial], search: SearchConfig) -> list[TrialRecord]:
    return [record(trial, values_of(trial.params, search.drawn)) for trial in trials]


def record(trial: FrozenTrial, values: Values, fresh: tuple[str, str] | None = None) -> TrialRecord:
    """values: what it changes in params.yaml."""
    return TrialRecord(
        number=trial.number,
        state=trial.state.name,
        values=values,
        score=score_of(trial),
        scores=dict(trial.intermediate_values),
        retry_of=trial.user_attrs.get(RETRY_OF),
        began=_milliseconds(trial, trial.datetime_start),
        ended=_milliseconds(trial, trial.datetime_complete),
        reason=trial.user_attrs.get(REASON),
        worker=trial.user_attrs.get(WORKER),
        figures=trial.user_attrs.get(FIGURES, {}),
        fresh=fresh,
    )


def trial_name(number: int, search: SearchConfig) -> str:
    """With how many there are; a study may hold more than a search asks for, such as attempts anew."""
    return f"trial {number} ({number + 1} of {max(trials_wanted(search), number + 1)})"


def _milliseconds(trial: FrozenTrial, moment: datetime | None) -> int | None:
    return None if moment is None else int(1000 * instant(trial, moment).timestamp())
