"""Which of a study's trials a search asked for, and which of them wins."""

import csv
import logging
import math
from dataclasses import dataclass
from pathlib import Path

import yaml
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from medgan.config.checking import Scalar
from medgan.config.schema import Config
from medgan.config.search import SearchConfig
from medgan.errors import DivergedError, MedganError
from medgan.files import replacing
from medgan.search.objective import Objective
from medgan.search.space import trials_wanted
from medgan.search.study import ENDED, RETRY_OF, TrialRecord
from medgan.seeds import derive_seed

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """best: values of the winner by dotted path. trials: those that were asked for, with all attempts at them."""

    best: dict[str, Scalar]
    trials: list[TrialRecord]


def asked_for(study: Study, search: SearchConfig) -> list[FrozenTrial]:
    """The first `search.trials` trials of the study that have ended, with all attempts at them and before them.

    A study keeps what a larger search has tried besides. A retry stands in the place of the trial that it repeats.
    """
    trials, origins = study.get_trials(deepcopy=False), dict[int, int]()
    for trial in trials:  # by number, and a retry has a higher one than what it repeats
        repeated = trial.user_attrs.get(RETRY_OF)
        origins[trial.number] = trial.number if repeated is None else origins[repeated]
    ended = sorted(origins[trial.number] for trial in trials if trial.state in ENDED)[: trials_wanted(search)]
    return [trial for trial in trials if ended and origins[trial.number] <= ended[-1]]


def choose(study: Study, config: Config, objective: Objective) -> dict[str, Scalar]:
    """Values of the winner. The best few are trained again on a fresh seed: the best of many trials is partly luck."""
    complete = [trial for trial in asked_for(study, config.search) if trial.state == TrialState.COMPLETE]
    if not complete:
        raise MedganError("no trial ended with a score; lower gan.lr or change search.space, then run again")
    finalists: list[FrozenTrial] = []
    for trial in sorted(complete, key=lambda trial: (trial.value, trial.number)):
        # Few choices are soon tried twice; a finalist competes with others, not with itself.
        if trial.params not in [other.params for other in finalists]:
            finalists.append(trial)
    finalists = finalists[: config.search.finalists]
    if len(finalists) > 1:
        for trial in finalists:
            _train_again(trial, study, config, objective)
        finalists.sort(key=lambda trial: study.user_attrs[_finalist(trial)])
    return dict(finalists[0].params)


def write_outcome(directory: Path, outcome: Outcome, search: SearchConfig) -> None:
    """best.yaml: dotted paths to values. trials.csv: one row a trial, a column a searched parameter."""
    with replacing(directory) as aside:
        aside.mkdir()
        (aside / "best.yaml").write_text(yaml.safe_dump(outcome.best))
        _write_trials(aside / "trials.csv", outcome.trials, list(search.space))


def _write_trials(path: Path, trials: list[TrialRecord], searched: list[str]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["number", "state", "score", "retry_of", *searched])
        for trial in trials:
            score = "" if trial.score is None else f"{trial.score:.6g}"
            values = [trial.values.get(key, "") for key in searched]
            writer.writerow(
                [trial.number, trial.state, score, "" if trial.retry_of is None else trial.retry_of, *values]
            )


def _train_again(trial: FrozenTrial, study: Study, config: Config, objective: Objective) -> None:
    """A finalist on a seed of its own, once: the study keeps the score."""
    if _finalist(trial) in study.user_attrs:
        return
    seed = derive_seed(config.seed, "finalist", trial.number) % 2**31
    try:
        score = objective(config.override(trial.params), seed, lambda step, score: None)
    except DivergedError as error:
        _LOG.warning("trial %d on another seed: %s", trial.number, error)
        score = math.inf
    study.set_user_attr(_finalist(trial), score)


def _finalist(trial: FrozenTrial) -> str:
    return f"finalist/{trial.number}"
