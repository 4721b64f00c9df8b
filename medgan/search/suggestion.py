"""What a trial tries: a function of the seed, of how many came before it, and of the trials that it has seen."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from medgan.config.schema import Config
from medgan.config.search import Distribution, SearchConfig
from medgan.search.history import ENDED, REASON, SEEN, ordinal
from medgan.search.space import Values, as_parameter, current_parameters, is_whole, values_of
from medgan.seeds import derive_seed

Parameters = dict[str, Any]  # of a trial, as Optuna keeps them
_ENDED, _RUNNING = "ended", "running"
_RANDOM = 5  # trials before TPE begins to learn; Optuna's 10 are all that many a search of trainings has


def seen_by(trials: Sequence[FrozenTrial], number: int, space: Mapping[str, Distribution]) -> dict[str, list[int]]:
    """The numbers of trials that a suggestion for this one can rest on now, by what they were at the moment.

    One that is being given its values, which are written one after another, is not seen yet.
    """
    others = [trial for trial in trials if trial.number != number and is_whole(trial.params, space)]
    failed = [trial for trial in others if trial.state == TrialState.FAIL and REASON in trial.user_attrs]
    ended = [trial for trial in others if trial.state in ENDED] + failed
    running = [trial for trial in others if trial.state == TrialState.RUNNING]
    return {_ENDED: sorted(trial.number for trial in ended), _RUNNING: [trial.number for trial in running]}


def suggested(
    trials: Sequence[FrozenTrial], number: int, seen: Mapping[str, Sequence[int]], config: Config
) -> Parameters:
    """Parameters for trial `number`, of a study of its own with what it has seen: nothing that happens besides matters.

    The first one is params.yaml as it is, as far as the space contains it. Repeats any suggestion from its record.
    """
    turn = ordinal(trials, number)
    sampler = _sampler(config.search, derive_seed(config.seed, "sampler", turn) % 2**32)
    study = optuna.create_study(sampler=sampler, directions=directions(config.search))
    by_number = {trial.number: trial for trial in trials}
    for other in seen[_ENDED]:
        study.add_trial(_as_seen(by_number[other]))
    for other in seen[_RUNNING]:
        study.add_trial(_unfinished(by_number[other], TrialState.RUNNING))
    if turn == 0:
        study.enqueue_trial(current_parameters(config))
    trial = study.ask()
    draw_values(trial, config.search.drawn)
    return dict(trial.params)


def repeated(trials: Sequence[FrozenTrial], trial: FrozenTrial, config: Config) -> Parameters | None:
    """The suggestion of a trial, made again from its record; None where it was killed before it had one."""
    seen = trial.user_attrs.get(SEEN)
    return None if seen is None else suggested(trials, trial.number, seen, config)


def draw_values(trial: Trial, space: Mapping[str, Distribution]) -> Values:
    """Draw all parameters of a trial from its study's sampler; returns what it changes in params.yaml."""
    for path, distribution in space.items():
        if distribution.applies(values_of(trial.params, space)):
            _draw(trial, path, distribution)
    return values_of(trial.params, space)


def _draw(trial: Trial, path: str, distribution: Distribution) -> Any:
    if distribution.choices is not None:
        return trial.suggest_categorical(path, [as_parameter(choice) for choice in distribution.choices])
    low, high, step, log = distribution.low, distribution.high, distribution.step, distribution.log
    assert low is not None and high is not None  # checked by Distribution
    if distribution.whole:
        return trial.suggest_int(path, int(low), int(high), step=int(step or 1), log=log)
    return trial.suggest_float(path, low, high, step=step, log=log)


class Given(BaseSampler):
    """Suggests what it is given: `values` of the trial that comes next."""

    values: Parameters

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.values[param_name]


def directions(search: SearchConfig | None = None) -> list[StudyDirection]:
    """Lower is better, of each metric."""
    return [StudyDirection.MINIMIZE] * (max(1, len(search.metrics)) if search else 1)


def _sampler(search: SearchConfig, seed: int) -> BaseSampler:
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`
        # constant_liar: what others are trying now is taken for bad, so that two workers do not try the same.
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=_RANDOM)


def _as_seen(trial: FrozenTrial) -> FrozenTrial:
    """A trial that failed taught that its values are bad, without a score."""
    return trial if trial.state in ENDED else _unfinished(trial, TrialState.PRUNED)


def _unfinished(trial: FrozenTrial, state: TrialState) -> FrozenTrial:
    return optuna.create_trial(state=state, params=trial.params, distributions=trial.distributions)
