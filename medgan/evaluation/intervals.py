"""Intervals of figures that are taken of drawn and of real images: what is resampled is the patient, or the image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgan.evaluation.two_sample import Measured
from medgan.scores.passing import Figure
from medgan.seeds import numpy_generator

_RESAMPLES = 500
_Z = 1.96  # of 95 %


@dataclass(frozen=True)
class Units:
    """Of each drawn and each real image, the number of what is resampled as a whole: its patient, or itself."""

    drawn: NDArray[np.int64]
    real: NDArray[np.int64]

    @classmethod
    def of(cls, drawn: NDArray[Any] | None, real: NDArray[Any] | None, n: int, m: int) -> "Units":
        """drawn, real: patients of n and of m images, None where each stands for itself."""
        sides = ((drawn, n), (real, m))
        return cls(*(np.arange(count) if side is None else _numbered(side) for side, count in sides))

    def at(self, drawn: NDArray[np.int64], real: NDArray[np.int64]) -> "Units":
        return Units(_numbered(self.drawn[drawn]), _numbered(self.real[real]))


def measured(figure: Figure, units: Units, *, seed: int, share: bool = True) -> Measured:
    """A figure with its interval from resampled units.

    share: the figure lies between 0 and 1; then its interval is Wilson's (1927) for as many images as would vary as
    much, so that it has a width where every answer is right.
    """
    value = float(figure(*(np.ones((1, len(side))) for side in (units.drawn, units.real)))[0])
    weights = (_resampled(side, seed, name) for side, name in ((units.drawn, "drawn"), (units.real, "real")))
    deviation = float(np.std(figure(*weights), ddof=1))
    if not share:
        return Measured(value, max(0.0, value - _Z * deviation), value + _Z * deviation)
    n, fewest = len(units.drawn) + len(units.real), int(units.drawn.max() + units.real.max() + 2)
    size = min(n, value * (1 - value) / deviation**2) if deviation > 0 and 0 < value < 1 else fewest
    middle, spread = value + _Z**2 / (2 * size), _Z * np.sqrt(value * (1 - value) / size + _Z**2 / (4 * size**2))
    low, high = ((middle + sign * spread) / (1 + _Z**2 / size) for sign in (-1, 1))
    return Measured(value, float(np.clip(low, 0, value)), float(np.clip(high, value, 1)))


def mean_of(drawn: NDArray[Any], real: NDArray[Any]) -> Figure:
    """Mean over both sides of something that was found of each image."""

    def figure(of_drawn: NDArray[np.float64], of_real: NDArray[np.float64]) -> NDArray[np.float64]:
        return (_mean(drawn, of_drawn) + _mean(real, of_real)) / 2

    return figure


def mean_of_drawn(found: NDArray[Any]) -> Figure:
    return lambda of_drawn, _of_real: _mean(found, of_drawn)


def mean_of_real(found: NDArray[Any]) -> Figure:
    return lambda _of_drawn, of_real: _mean(found, of_real)


def _numbered(names: NDArray[Any]) -> NDArray[np.int64]:
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _mean(found: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = weights @ found.astype(np.float64) / weights.sum(axis=1)
    return mean


def _resampled(units: NDArray[np.int64], seed: int, name: str) -> NDArray[np.float64]:
    count = int(units.max()) + 1
    drawn = numpy_generator(seed, f"two-sample-{name}").multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)
    return drawn[:, units].astype(np.float64)
