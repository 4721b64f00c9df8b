"""One trial of a search: what it tries, what it trains, and what it reports."""

import math
from collections.abc import Mapping, Sequence

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from medgan.config.schema import Config
from medgan.config.search import SearchConfig
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans import check_gan
from medgan.search.history import ENDED, FIGURES, SEEN, broken
from medgan.search.objective import Attempt, Objective
from medgan.search.space import Values
from medgan.search.study import pruner_of, trial_name
from medgan.search.suggestion import Given, draw_values, seen_by, suggested


def try_candidate(trial: Trial, config: Config, spec: ImageSpec, objective: Objective) -> float | Sequence[float]:
    """Suggest values, train them, and return what the study compares; a score on the way may prune it.

    Raises MedganError for values that cannot be trained together, and for a training that diverged.
    """
    values = _values(trial, config)
    candidate = config.override(values)
    check_gan(candidate.gan, spec)

    def report(step: int, score: float) -> None:
        if config.search.metrics:
            return  # Optuna takes reports of one metric alone
        trial.report(score, step)
        # Nothing is saved at the last step.
        if step < config.search.steps and _is_hopeless(trial, config.search):
            raise optuna.TrialPruned

    if (earlier := _same(trial)) is not None:  # few choices are soon drawn twice
        for step, score in earlier.intermediate_values.items():
            report(step, score)
        score, figures = float(earlier.values[0]), earlier.user_attrs.get(FIGURES, {})
    else:
        figures = dict[str, float]()
        attempt = Attempt(trial_name(trial.number, config.search), report, figures.__setitem__)
        score = objective(candidate, config.seed, attempt)
    for name, figure in {config.search_score: score, **figures}.items():
        if not math.isfinite(figure):
            raise MedganError(f"it ended with {name} = {figure}")
    keep_figures(trial, config.search, figures)
    return [score, *(figures[name] for name in config.search.metrics[1:])] if config.search.metrics else score


def keep_figures(trial: Trial, search: SearchConfig, figures: Mapping[str, float]) -> None:
    """Write down what was measured, and by how much each constraint is broken, below 0 where it is kept."""
    if figures:
        trial.set_user_attr(FIGURES, dict(figures))
    for name, limit in search.constraints.items():
        trial.set_constraint(name, figures[name] - limit)


def _values(trial: Trial, config: Config) -> Values:
    """What is suggested to it, from what it records to have seen; a retry records that of what it repeats."""
    study = trial.study
    trials = study.get_trials(deepcopy=False)
    seen = trial.user_attrs.get(SEEN)
    if seen is None:
        seen = seen_by(trials, trial.number, config.search.drawn)
        trial.set_user_attr(SEEN, seen)
    study.sampler = given = Given()
    given.values = suggested(trials, trial.number, seen, config)
    return draw_values(trial, config.search.drawn)


def _is_hopeless(trial: Trial, search: SearchConfig) -> bool:
    """By the pruner, beside trials that break no constraint: those that do may not be better than the ones that may."""
    if not search.constraints:
        return trial.should_prune()
    own = optuna.create_study(study_name=trial.study.study_name, pruner=pruner_of(search))
    trials = trial.study.get_trials(deepcopy=False)
    own.add_trials([other for other in trials if other.state in ENDED and not broken(other)])
    return own.pruner.prune(own, next(other for other in trials if other.number == trial.number))


def _same(trial: Trial) -> FrozenTrial | None:
    """A complete trial of the same values: training them again on the same seed gives the same."""
    complete = _complete(trial.study)
    return next((other for other in complete if other.params == trial.params), None)


def _complete(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
