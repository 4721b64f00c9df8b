"""Optuna: the study in its database is the truth; interrupted trials are tried again, and none stays RUNNING."""

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from medgan.config.checking import Scalar
from medgan.config.schema import Config
from medgan.config.search import Distribution, SearchConfig
from medgan.config.train import TrainConfig
from medgan.config.trees import get_path
from medgan.data.spec import ImageSpec
from medgan.errors import DivergedError, MedganError
from medgan.gans import check_gan
from medgan.randomness import derive_seed

RETRY_OF = "retry_of"
_STOPPED, _KILLS = "stopped", "kills"
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class TrialRecord:
    """A trial as other stores mirror it. scores: validation score by step. retry_of: of the interrupted trial."""

    number: int
    state: str
    values: dict[str, Scalar]
    score: float | None
    scores: dict[int, float]
    retry_of: int | None


# Trains one candidate: (configuration, seed, report(step, score)) -> score. report raises to end a hopeless trial.
Objective = Callable[[Config, int, Callable[[int, float], None]], float]


def check_space(config: Config, spec: ImageSpec) -> None:
    """Raise MedganError where the space names a parameter that does not exist, or a value that it does not take."""
    for path, distribution in config.search.space.items():
        if not path.startswith("gan."):
            raise MedganError(f"search.space: '{path}' is outside the gan section; a trial changes only gan.*")
        for value in distribution.examples():
            check_gan(config.override({path: value}).gan, spec)


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
    """Run until `search.trials` trials have ended. The first one is the unchanged configuration.

    Values that are fine one by one and cannot be trained together end their trial as pruned, and the next one begins.
    """
    if not study.get_trials(deepcopy=False) and config.search.space:
        study.enqueue_trial(_current_values(config))
    while len(study.get_trials(deepcopy=False, states=ENDED)) < config.search.trials:
        # Seeded by the trial's number less the retries before it, so that a resumed study suggests what the unbroken
        # one would have.
        number = sum(RETRY_OF not in trial.user_attrs for trial in study.get_trials(deepcopy=False))
        study.sampler = optuna.samplers.TPESampler(seed=derive_seed(config.seed, "sampler", number) % 2**32)
        study.optimize(
            lambda trial: _run(trial, config, spec, objective),
            n_trials=1,
            callbacks=[lambda _, trial: on_trial(_record(trial))],
        )


def choose(study: Study, config: Config, objective: Objective) -> dict[str, Scalar]:
    """Values of the winner. The best few are trained again on a fresh seed: the best of many trials is partly luck."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ranked = sorted(complete, key=lambda trial: (trial.value, trial.number))[: config.search.finalists]
    if not ranked:
        raise MedganError("no trial ended with a score; lower gan.lr or change search.space, then run again")
    if len(ranked) > 1:
        for trial in ranked:
            key = f"finalist/{trial.number}"
            if key not in study.user_attrs:
                seed = derive_seed(config.seed, "finalist", trial.number) % 2**31
                try:
                    score = objective(config.override(trial.params), seed, lambda step, score: None)
                except DivergedError as error:
                    print(f"trial {trial.number} on another seed: {error}")
                    score = math.inf
                study.set_user_attr(key, score)
        ranked.sort(key=lambda trial: study.user_attrs[f"finalist/{trial.number}"])
    return dict(ranked[0].params)


def records(study: Study) -> list[TrialRecord]:
    return [_record(trial) for trial in study.get_trials(deepcopy=False)]


def write_trials(path: Path, trials: list[TrialRecord], space: SearchConfig) -> None:
    """trials.csv: one row a trial, a column a searched parameter."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["number", "state", "score", "retry_of", *space.space])
        for trial in trials:
            score = "" if trial.score is None else f"{trial.score:.6g}"
            values = [trial.values.get(key, "") for key in space.space]
            writer.writerow(
                [trial.number, trial.state, score, "" if trial.retry_of is None else trial.retry_of, *values]
            )


def _run(trial: Trial, config: Config, spec: ImageSpec, objective: Objective) -> float:
    try:
        return _score(trial, config, spec, objective)
    except (SystemExit, KeyboardInterrupt) as stop:
        trial.set_user_attr(_STOPPED, True)
        # Not Optuna's business, which logs a Ctrl-C as a failure with all its lines.
        raise SystemExit(*(stop.args or ("stopped; run the same command again",))) from None


def _score(trial: Trial, config: Config, spec: ImageSpec, objective: Objective) -> float:
    values = {path: _suggest(trial, path, distribution) for path, distribution in config.search.space.items()}
    try:
        candidate = config.override(values)
        check_gan(candidate.gan, spec)
    except MedganError as error:
        print(f"trial {trial.number} cannot be trained: {error}")
        raise optuna.TrialPruned from None

    def report(step: int, score: float) -> None:
        trial.report(score, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        score = objective(candidate, config.seed, report)
    except DivergedError as error:
        print(f"trial {trial.number}: {error}")
        raise optuna.TrialPruned from None
    if not math.isfinite(score):
        raise MedganError(f"trial {trial.number} ended with the score {score}")
    return score


def _suggest(trial: Trial, path: str, distribution: Distribution) -> Any:
    if distribution.choices is not None:
        return trial.suggest_categorical(path, distribution.choices)
    low, high, step, log = distribution.low, distribution.high, distribution.step, distribution.log
    assert low is not None and high is not None  # checked by Distribution
    if isinstance(low, int) and isinstance(high, int) and (step is None or isinstance(step, int)):
        return trial.suggest_int(path, low, high, step=step or 1, log=log)
    return trial.suggest_float(path, low, high, step=step, log=log)


def _current_values(config: Config) -> dict[str, Any]:
    """What params.yaml says for each searched parameter, where the space contains it."""
    values, tree = {}, config.model_dump(mode="json", by_alias=True)
    for path, distribution in config.search.space.items():
        node = get_path(tree, path)
        inside = (
            node in distribution.choices
            if distribution.choices is not None
            else node is not None
            and distribution.low is not None
            and distribution.high is not None
            and distribution.low <= node <= distribution.high
        )
        if inside:
            values[path] = node
    return values


def _queued_again(study: Study, trial: FrozenTrial) -> bool:
    kills = trial.user_attrs.get(_KILLS, 0) + (0 if trial.user_attrs.get(_STOPPED) else 1)
    if kills > 1:
        return False
    # A trial killed before it asked for its values still has those that it was queued with.
    values = trial.params or trial.system_attrs.get("fixed_params", {})
    study.enqueue_trial(values, user_attrs={RETRY_OF: trial.number, _KILLS: kills})
    return True


def _record(trial: FrozenTrial) -> TrialRecord:
    return TrialRecord(
        number=trial.number,
        state=trial.state.name,
        values=dict(trial.params),
        score=trial.value if trial.state == TrialState.COMPLETE else None,
        scores=dict(trial.intermediate_values),
        retry_of=trial.user_attrs.get(RETRY_OF),
    )


def trial_training(config: Config) -> TrainConfig:
    """A trial's budget: that of the search, on the machine settings of train."""
    search = config.search
    return config.train.model_copy(
        update={
            "steps": search.steps,
            "evaluations": search.evaluations,
            "n": search.n,
            "checkpoint_every": max(1, search.steps // search.evaluations),
            "restart": False,
        }
    )
