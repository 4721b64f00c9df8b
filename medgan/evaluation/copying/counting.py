"""How many images are nearer to training images than honest ones are: shares, chances and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom

from medgan.evaluation.copying.figures import FOUND, NONE_FOUND, SUSPECTED, Share

# Of held-out images, by class, so many are taken for copies.
_FALSE = 0.01
# With fewer held-out images in a class, one false alarm is more than that: such classes are taken together.
_LEAST = 100
# Chance, in honest images, of as many finds: below the first one copies are suspected, below the second one found.
_SUSPICIOUS, _CERTAIN = 0.005, 0.0005
_Z = 1.96

Scores = NDArray[np.float32]
Classes = NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """Of one class or a group of them: n images, of them found, beside what as many honest ones are expected to give.

    expected: the chance of each honest image to be taken for a copy. held_out: how many set the threshold.
    """

    n: int
    found: int
    rank: int
    held_out: int

    @property
    def expected(self) -> float:
        return self.rank / (self.held_out + 1)


@dataclass(frozen=True)
class Thresholds:
    """values (groups,): scores below which an image is taken for a copy. group (classes,): of each class."""

    values: Scores
    ranks: tuple[int, ...]
    sizes: tuple[int, ...]
    group: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Scores, classes: Classes, count: int) -> "Thresholds":
        """Of held-out images, each in one of so many classes."""
        sizes = np.bincount(classes, minlength=count)
        large = np.flatnonzero(sizes >= _LEAST)
        group = np.full(count, len(large))
        group[large] = np.arange(len(large))
        values, ranks, lengths = [], [], []
        for code in range(len(large) + 1):
            own = np.sort(scores[group[classes] == code])
            rank = max(1, int(_FALSE * (len(own) + 1)))
            values.append(own[rank - 1] if len(own) else -np.inf)
            ranks.append(rank)
            lengths.append(len(own))
        return cls(np.array(values, np.float32), tuple(ranks), tuple(lengths), group)

    def below(self, scores: Scores, classes: Classes) -> NDArray[np.bool_]:
        """Which images (n,) are taken for copies."""
        taken: NDArray[np.bool_] = scores < self.values[self.group[classes]]
        return taken

    def counted(self, scores: Scores, classes: Classes) -> list[Counted]:
        """Of each group. A group without held-out images says nothing of its images."""
        below, group = self.below(scores, classes), self.group[classes]
        return [
            Counted(int((group == code).sum()), int(below[group == code].sum()), rank, size)
            for code, (rank, size) in enumerate(zip(self.ranks, self.sizes, strict=True))
        ]


def chance(counted: Sequence[Counted]) -> float:
    """Chance that honest images give as many finds, at least 1e-12.

    As many of n images lie below the rank-th of h others by chance as a beta-binomial says, whatever the scores are.
    """
    honest = np.ones(1)
    for part in counted:
        if part.n and part.held_out:
            honest = np.convolve(honest, _chances(part))
    return float(np.clip(honest[sum(part.found for part in counted) :].sum(), 1e-12, 1))


def _chances(part: Counted) -> NDArray[np.float64]:
    """Of each number of finds among honest images, as far as it can happen."""
    ratio = part.n / part.held_out
    far = part.rank * ratio + 12 * np.sqrt(part.rank * ratio * (1 + ratio)) + 60 * (1 + ratio)
    numbers = np.arange(min(part.n, int(far)) + 1)
    chances: NDArray[np.float64] = betabinom.pmf(numbers, part.n, part.rank, part.held_out - part.rank + 1)
    return chances


def share(counted: Sequence[Counted]) -> Share:
    """What is found beyond what honest images give, with the interval of a difference of shares (Newcombe 1998)."""
    n, found = sum(part.n for part in counted), sum(part.found for part in counted)
    if not n:
        return Share(0.0, 0.0, 1.0)
    held_out = sum(part.held_out for part in counted)
    honest = sum(part.n * part.expected for part in counted if part.held_out) / n
    low, high = _wilson(found / n, n)
    honest_low, honest_high = _wilson(honest, max(1, held_out))
    excess = found / n - honest
    below = excess - np.hypot(found / n - low, honest_high - honest)
    above = excess + np.hypot(high - found / n, honest - honest_low)
    return Share(*(float(np.clip(value, 0, 1)) for value in (excess, below, above)))


def verdict(counted: Sequence[Counted]) -> str:
    p = chance(counted)
    return FOUND if p < _CERTAIN else SUSPECTED if p < _SUSPICIOUS else NONE_FOUND


def alarm(counted: Sequence[Counted]) -> bool:
    return verdict(counted) != NONE_FOUND


def _wilson(portion: float, n: int) -> tuple[float, float]:
    spread = _Z * np.sqrt(portion * (1 - portion) / n + _Z**2 / (4 * n**2))
    middle, size = portion + _Z**2 / (2 * n), 1 + _Z**2 / n
    return float((middle - spread) / size), float((middle + spread) / size)
