"""Which of a study's trials a search asked for, and which of them wins."""

import csv
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from medgan.config.checking import Scalar
from medgan.config.schema import Config
from medgan.config.search import SearchConfig
from medgan.errors import DivergedError, MedganError
from medgan.files import replacing
from medgan.search.objective import Attempt, Objective
from medgan.search.space import trials_wanted
from medgan.search.study import ENDED, RETRY_OF, TrialRecord
from medgan.seeds import derive_seed

_LOG = logging.getLogger(__name__)
PICTURES_NAME = "pictures"


@dataclass(frozen=True)
class Outcome:
    """best: values of the winner by dotted path. trials: those that were asked for, with all attempts at them.

    fresh: of each finalist, by its number, the scores on fresh seeds whose mean decided; empty with one finalist.
    pictures: PNG by name.
    """

    best: dict[str, Scalar]
    trials: list[TrialRecord]
    fresh: dict[int, tuple[float, ...]]
    pictures: dict[str, bytes] = field(default_factory=dict)


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


def choose(
    study: Study, config: Config, objective: Objective
) -> tuple[dict[str, Scalar], dict[int, tuple[float, ...]]]:
    """Values of the winner, and of each finalist the scores that decided.

    The best few are trained again on fresh seeds, and the mean of these scores decides: the one that made a trial a
    finalist is left out, because the best of many trials is partly luck.
    """
    complete = [trial for trial in asked_for(study, config.search) if trial.state == TrialState.COMPLETE]
    if not complete:
        raise MedganError("no trial ended with a score; lower gan.lr or change search.space, then run again")
    finalists: list[FrozenTrial] = []
    for trial in sorted(complete, key=lambda trial: (trial.value, trial.number)):
        # Few choices are soon tried twice; a finalist competes with others, not with itself.
        if trial.params not in [other.params for other in finalists]:
            finalists.append(trial)
    finalists = finalists[: config.search.finalists]
    if len(finalists) == 1:
        return dict(finalists[0].params), {}
    turns = range(config.search.seeds)
    fresh = {
        trial.number: tuple(_trained_again(trial, turn, study, config, objective) for turn in turns)
        for trial in finalists
    }
    winner = min(finalists, key=lambda trial: float(np.mean(fresh[trial.number])))
    return dict(winner.params), fresh


def described(outcome: Outcome) -> Iterator[str]:
    """Say what each finalist scored, best first, and what was chosen."""
    first = {trial.number: trial.score for trial in outcome.trials}
    for number, scores in sorted(outcome.fresh.items(), key=lambda item: float(np.mean(item[1]))):
        each = ", ".join(f"{score:.4g}" for score in scores)
        yield (
            f"finalist {number}: {np.mean(scores):.4g} on fresh seeds ({each}); the {first[number]:.4g} that it was "
            "found with is left out"
        )
    yield f"best of {len(outcome.trials)} trials: {outcome.best or 'params.yaml as it is'}"


def write_outcome(directory: Path, outcome: Outcome, search: SearchConfig) -> None:
    """best.yaml: dotted paths to values. trials.csv: one row a trial, a column a searched parameter. pictures/: PNG.

    The column `fresh` is the mean score of a finalist on fresh seeds.
    """
    with replacing(directory) as aside:
        aside.mkdir()
        (aside / "best.yaml").write_text(yaml.safe_dump(outcome.best))
        _write_trials(aside / "trials.csv", outcome, list(search.space))
        (aside / PICTURES_NAME).mkdir()
        for name, content in outcome.pictures.items():
            (aside / PICTURES_NAME / f"{name}.png").write_bytes(content)


def _write_trials(path: Path, outcome: Outcome, searched: list[str]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["number", "state", "score", "fresh", "retry_of", *searched])
        for trial in outcome.trials:
            fresh = outcome.fresh.get(trial.number)
            known = (trial.score, None if fresh is None else np.mean(fresh))
            scores = ["" if score is None else f"{score:.6g}" for score in known]
            values = [trial.values.get(key, "") for key in searched]
            retried = "" if trial.retry_of is None else trial.retry_of
            writer.writerow([trial.number, trial.state, *scores, retried, *values])


def _trained_again(trial: FrozenTrial, turn: int, study: Study, config: Config, objective: Objective) -> float:
    """The score of a finalist on its fresh seed of this turn; trained once, the study keeps it."""
    key = f"finalist/{trial.number}/{turn}"
    if key in study.user_attrs:
        return float(study.user_attrs[key])
    seed = derive_seed(config.seed, f"finalist-{turn}", trial.number) % 2**31
    try:
        again = Attempt(f"finalist {trial.number} on fresh seed {turn + 1} of {config.search.seeds}")
        score = objective(config.override(trial.params), seed, again)
    except DivergedError as error:
        _LOG.warning("trial %d on another seed: %s", trial.number, error)
        score = math.inf
    study.set_user_attr(key, score)
    return score
