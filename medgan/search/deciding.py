"""What fresh seeds say: whether a candidate is better than params.yaml beyond doubt, and which one wins."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from optuna.trial import FrozenTrial, TrialState
from scipy import stats

from medgan.config.search import SearchConfig
from medgan.errors import MedganError
from medgan.holm import LEVEL, holm
from medgan.search.confirmation import PLACE, Candidate, broken_limits, trainings
from medgan.search.history import broken


@dataclass(frozen=True)
class Confirmed:
    """A candidate on fresh seeds. scores: one a seed, infinite where it diverged.

    breaks: the constraints that one of these trainings breaks.
    interval: of their mean, 95 %, by Student's t; None below two finite scores. chance: p of being
    no better than params.yaml as it is, one-sided, by Welch's test and Holm's correction for all finalists.
    """

    candidate: Candidate
    scores: tuple[float, ...]
    interval: tuple[float, float] | None
    chance: float
    breaks: tuple[str, ...] = ()

    @property
    def mean(self) -> float:
        return float(np.mean(self.scores))

    @property
    def better(self) -> bool:
        return self.chance <= LEVEL


def confirmed(trials: Sequence[FrozenTrial], chosen: Sequence[Candidate], search: SearchConfig) -> list[Confirmed]:
    """What fresh seeds say of each candidate, best first. What never ended counts as infinite."""
    scores = [[math.inf] * search.seeds for _ in chosen]
    breaks = [set[str]() for _ in chosen]
    for trial in trials:
        if trial.state == TrialState.COMPLETE and trial.params[PLACE] < trainings(chosen, search):
            turn, which = divmod(trial.params[PLACE], len(chosen))
            scores[which][turn] = trial.values[0]
            breaks[which].update(broken(trial))
    chances = [adjusted for _, adjusted in holm([_chance(scores[0], other) for other in scores[1:]])]
    found = [
        Confirmed(candidate, tuple(own), _interval(own), chance, tuple(sorted(broke)))
        for candidate, own, chance, broke in zip(chosen, scores, [1.0, *chances], breaks, strict=True)
    ]
    return sorted(found, key=lambda item: (item.mean, item.chance))


def winner(found: Sequence[Confirmed], search: SearchConfig) -> Confirmed | None:
    """The best of those that beat params.yaml beyond doubt; None where none does.

    Where params.yaml breaks a constraint, the best that breaks none. Raises MedganError where all break one, or
    diverge.
    """
    kept = [item for item in found if not item.breaks]
    if not kept:
        raise MedganError(
            "every candidate breaks search.constraints on a fresh seed: "
            + "; ".join(f"{item.candidate.name} {' and '.join(item.breaks)}" for item in found)
        )
    if all(item.candidate.number is not None for item in kept):
        if math.isfinite(kept[0].mean):
            return kept[0]
        raise MedganError(
            f"params.yaml breaks {broken_limits(_present(found).breaks, search)} on a fresh seed, and what keeps "
            "search.constraints diverges there; change them, or search.space"
        )
    return next((item for item in kept if item.better), None)


def _present(found: Sequence[Confirmed]) -> Confirmed:
    return next(item for item in found if item.candidate.number is None)


def _chance(present: Sequence[float], other: Sequence[float]) -> float:
    if not np.isfinite(other).all():
        return 1.0
    if not np.isfinite(present).any():
        # If both diverged equally often, that only one of them does, each time, is never likelier than this.
        return float(0.25 ** len(present))
    if not np.isfinite(present).all():
        # No mean is known; all ways to share out the scores are compared, of which to diverge is the worst.
        ranks = stats.rankdata([*other, *present])
        sums = [sum(each) for each in combinations(ranks, len(other))]
        return float(np.mean(np.array(sums) <= ranks[: len(other)].sum()))
    if np.ptp(present) == 0 and np.ptp(other) == 0:  # no spread is known, of one seed for example
        return float(np.mean(other) >= np.mean(present)) if len(present) > 1 else 1.0
    return float(stats.ttest_ind(other, present, equal_var=False, alternative="less").pvalue)


def _interval(scores: Sequence[float]) -> tuple[float, float] | None:
    if len(scores) < 2 or not np.isfinite(scores).all():
        return None
    half = float(stats.t.ppf(0.975, len(scores) - 1) * stats.sem(scores))
    return float(np.mean(scores)) - half, float(np.mean(scores)) + half
