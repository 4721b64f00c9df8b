"""How far figures go by chance, and whether one regime beats another: resampled over seeds and patients, by Holm."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit  # Student's distribution; scipy.stats takes a second to import

from medgan.evaluation.two_sample import Measured
from medgan.holm import LEVEL, holm
from medgan.seeds import numpy_generator
from medgan.usefulness.figures import Array, Figure, Labels

Name = TypeVar("Name", bound=Hashable)

_RESAMPLES = 400
# Of each of two comparisons, so that both see a difference four times out of five.
_POWER = 0.9

# Of each seed and test image the probability of each class, (S, n, K).
Answers = NDArray[np.float32]


@dataclass(frozen=True)
class Difference:
    """A figure of one regime less that of another on the same seeds and images.

    low, high: of the 95 % interval. p: two-sided. Those called adjusted hold for all comparisons of a family together
    (Holm 1979). detectable: the smallest true difference that would be seen nine times out of ten if no other
    comparison showed one, and by two comparisons together at least four times out of five.
    """

    value: float
    low: float
    high: float
    p: float
    adjusted_low: float
    adjusted_high: float
    adjusted_p: float
    detectable: float


class Chance:
    """Seeds and patients drawn with replacement, the same ones for every figure and regime.

    Seeds and patients cross each other, so both are resampled (Owen 2007, "The pigeonhole bootstrap"); that errs to the
    wide side. Few seeds err to the narrow one: deviations are those of S - 1 degrees of freedom, and intervals
    Student's. Five pairs would never reach p < .06 by an exact test of ranks.
    """

    def __init__(self, seeds: int, labels: Labels, patients: NDArray[Any], *, seed: int) -> None:
        """labels, patients: (n,) of the test images. seed: of what is drawn."""
        self.labels, self._seeds = labels, seeds
        rng = numpy_generator(seed, "usefulness-chance")
        units = np.unique(patients, return_inverse=True)[1]
        self._of_seeds = _counts(seeds, rng)
        self._of_images = _counts(int(units.max()) + 1, rng)[:, units]

    def estimate(self, figure: Figure, answers: Answers) -> Measured:
        """Mean of a figure over seeds with its interval over seeds and patients, within [0, 1]."""
        value, deviation = self._value_and_deviation(self._taken(figure, answers))
        margin = self._quantile(1 - LEVEL / 2) * deviation
        return Measured(value, max(0.0, value - margin), min(1.0, value + margin))

    def differences(self, pairs: Mapping[Name, tuple[Figure, Answers, Answers]]) -> dict[Name, Difference]:
        """Of each pair a figure of the first answers less that of the second; all pairs together are one family."""
        found = {
            name: self._value_and_deviation(self._taken(figure, one) - self._taken(figure, other))
            for name, (figure, one, other) in pairs.items()
        }
        ps = [self._p(value, deviation) for value, deviation in found.values()]
        return {
            name: self._difference(value, deviation, p, share, adjusted, first=1 / len(ps))
            for (name, (value, deviation)), p, (share, adjusted) in zip(found.items(), ps, holm(ps), strict=True)
        }

    def _taken(self, figure: Figure, answers: Answers) -> Array:
        """(S, 1 + R): of each seed the figure of all images, then of each resample of them."""
        weights = np.concatenate([np.ones((1, len(self.labels))), self._of_images])
        return np.stack([figure(of_seed, self.labels, weights) for of_seed in answers])

    def _value_and_deviation(self, taken: Array) -> tuple[float, float]:
        resampled = (self._of_seeds.T * taken[:, 1:]).sum(axis=0) / self._seeds
        correction = math.sqrt(self._seeds / (self._seeds - 1))
        return float(taken[:, 0].mean()), correction * float(np.nanstd(resampled, ddof=1))

    def _difference(
        self, value: float, deviation: float, p: float, share: float, adjusted: float, *, first: float
    ) -> Difference:
        """share: of the level that decides on it. first: that decides on the first of its family to be rejected."""
        margin, wide, widest = (self._quantile(1 - part * LEVEL / 2) * deviation for part in (1, share, first))
        return Difference(
            value=value,
            low=value - margin,
            high=value + margin,
            p=p,
            adjusted_low=value - wide,
            adjusted_high=value + wide,
            adjusted_p=adjusted,
            detectable=widest + self._quantile(_POWER) * deviation,
        )

    def _p(self, value: float, deviation: float) -> float:
        if deviation == 0:
            return 1.0 if value == 0 else 0.0
        return float(2 * stdtr(self._seeds - 1, -abs(value) / deviation))

    def _quantile(self, probability: float) -> float:
        return float(stdtrit(self._seeds - 1, probability))


def _counts(units: int, rng: np.random.Generator) -> Array:
    """(R, units): how often each is drawn."""
    return rng.multinomial(units, np.full(units, 1 / units), size=_RESAMPLES).astype(np.float64)
