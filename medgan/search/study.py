"""Optuna: the study in its database is the truth; interrupted trials are tried again, and none stays RUNNING."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from medgan.config.checking import Scalar
from medgan.config.schema import Config
from medgan.config.search import Distribution, SearchConfig
from medgan.data.spec import ImageSpec
from medgan.errors import DivergedError, Interrupted, MedganError
from medgan.gans import check_gan
from medgan.search.objective import Attempt, Objective
from medgan.search.space import current_values, trials_wanted
from medgan.seeds import derive_seed

RETRY_OF = "retry_of"
_STOPPED, _KILLS = "stopped", "kills"
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialRecord:
    """A trial as other stores mirror it. scores: validation score by step. retry_of: of the interrupted trial.

    began, ended: milliseconds since 1970, None where it has not.
    """

    number: int
    state: str
    values: dict[str, Scalar]
    score: float | None
    scores: dict[int, float]
    retry_of: int | None
    began: int | None
    ended: int | None


def open_study(name: str, storage: str) -> Study:
    """The study of this name, made where it is missing. Pruned: below the median of earlier trials at the same step."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=0)
    return optuna.create_study(
        study_name=name, storage=storage, direction="minimize", pruner=pruner, load_if_exists=True
    )


def sweep(study: Study) -> list[int]:
    """Fail every trial that an ended process left RUNNING, and queue it again; returns the numbers of those queued.

    A trial that was told to stop is queued however often that was; one that was killed, once: it may be what kills.
    Call it while holding the study: a RUNNING trial then has no process.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    # Also those that a kill between failing and queueing has left.
    retried = {trial.user_attrs.get(RETRY_OF) for trial in study.get_trials(deepcopy=False)}
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    return [trial.number for trial in failed if trial.number not in retried and _queued_again(study, trial)]


def run_trials(
    study: Study,
    config: Config,
    spec: ImageSpec,
    objective: Objective,
    *,
    on_trial: Callable[[TrialRecord], None] = lambda record: None,
) -> None:
    """Run until as many trials have ended as are wanted. The first one is the unchanged configuration.

    Values that are fine one by one and cannot be trained together end their trial as pruned, and the next one begins.
    """
    if not study.get_trials(deepcopy=False) and config.search.space:
        study.enqueue_trial(current_values(config))
    while len(study.get_trials(deepcopy=False, states=ENDED)) < trials_wanted(config.search):
        # Seeded by the trial's number less the retries before it, so that a resumed study suggests what the unbroken
        # one would have.
        number = sum(RETRY_OF not in trial.user_attrs for trial in study.get_trials(deepcopy=False))
        study.sampler = optuna.samplers.TPESampler(seed=derive_seed(config.seed, "sampler", number) % 2**32)
        study.optimize(
            lambda trial: _run(trial, config, spec, objective),
            n_trials=1,
            callbacks=[lambda _, trial: on_trial(*records([trial]))],
        )


def records(trials: Iterable[FrozenTrial]) -> list[TrialRecord]:
    return [
        TrialRecord(
            number=trial.number,
            state=trial.state.name,
            values=dict(trial.params),
            score=trial.value if trial.state == TrialState.COMPLETE else None,
            scores=dict(trial.intermediate_values),
            retry_of=trial.user_attrs.get(RETRY_OF),
            began=_milliseconds(trial.datetime_start),
            ended=_milliseconds(trial.datetime_complete),
        )
        for trial in trials
    ]


def trial_name(number: int, search: SearchConfig) -> str:
    """With how many there are; a study may hold more than a search asks for, such as attempts anew."""
    return f"trial {number} ({number + 1} of {max(trials_wanted(search), number + 1)})"


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(1000 * moment.timestamp())


def _run(trial: Trial, config: Config, spec: ImageSpec, objective: Objective) -> float:
    try:
        return _score(trial, config, spec, objective)
    except (Interrupted, KeyboardInterrupt) as stop:
        trial.set_user_attr(_STOPPED, True)
        # Optuna would log a KeyboardInterrupt as a failure with all its lines.
        raise Interrupted(str(stop) or "stopped; run the same command again") from None


def _score(trial: Trial, config: Config, spec: ImageSpec, objective: Objective) -> float:
    values = {path: _suggest(trial, path, distribution) for path, distribution in config.search.space.items()}
    try:
        candidate = config.override(values)
        check_gan(candidate.gan, spec)
    except MedganError as error:
        _LOG.warning("trial %d cannot be trained: %s", trial.number, error)
        raise optuna.TrialPruned from None

    def report(step: int, score: float) -> None:
        trial.report(score, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    if (earlier := _same(trial)) is not None:  # few choices are soon drawn twice
        for step, score in earlier.intermediate_values.items():
            report(step, score)
        return float(earlier.values[0])
    try:
        score = objective(candidate, config.seed, Attempt(trial_name(trial.number, config.search), report))
    except DivergedError as error:
        _LOG.warning("trial %d: %s", trial.number, error)
        raise optuna.TrialPruned from None
    if not math.isfinite(score):
        raise MedganError(f"trial {trial.number} ended with the score {score}")
    return score


def _same(trial: Trial) -> FrozenTrial | None:
    """A complete trial of the same values: training them again on the same seed gives the same."""
    complete = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((other for other in complete if other.params == trial.params), None)


def _suggest(trial: Trial, path: str, distribution: Distribution) -> Any:
    if distribution.choices is not None:
        return trial.suggest_categorical(path, distribution.choices)
    low, high, step, log = distribution.low, distribution.high, distribution.step, distribution.log
    assert low is not None and high is not None  # checked by Distribution
    if isinstance(low, int) and isinstance(high, int) and (step is None or isinstance(step, int)):
        return trial.suggest_int(path, low, high, step=step or 1, log=log)
    return trial.suggest_float(path, low, high, step=step, log=log)


def _queued_again(study: Study, trial: FrozenTrial) -> bool:
    kills = trial.user_attrs.get(_KILLS, 0) + (0 if trial.user_attrs.get(_STOPPED) else 1)
    if kills > 1:
        return False
    # A trial killed before it asked for its values still has those that it was queued with.
    values = trial.params or trial.system_attrs.get("fixed_params", {})
    study.enqueue_trial(values, user_attrs={RETRY_OF: trial.number, _KILLS: kills})
    return True
