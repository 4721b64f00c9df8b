"""How many images are nearer to training images than honest ones are: shares, chances and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medgan.evaluation.copying.figures import FOUND, MOST_ALARMS, NONE_FOUND, SUSPECTED, Share

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

    expected: the chance of each honest image to be taken for a copy. held_out: how many images set the threshold, at
    which rank; both as few as would say as much if they were independent: images of one patient are near to training
    images together.
    """

    n: int
    found: int
    rank: float
    held_out: float

    @property
    def expected(self) -> float:
        return self.rank / (self.held_out + 1)


@dataclass(frozen=True)
class Thresholds:
    """values (groups,): scores below which an image is taken for a copy. group (classes,): of each class.

    ranks, sizes: of each group, see `Counted`.
    """

    values: Scores
    ranks: tuple[float, ...]
    sizes: tuple[float, ...]
    group: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Scores, classes: Classes, patients: NDArray[np.int64], count: int) -> "Thresholds":
        """Of held-out images (n,), each in one of so many classes."""
        sizes = np.bincount(classes, minlength=count)
        large = np.flatnonzero(sizes >= _LEAST)
        group = np.full(count, len(large))
        group[large] = np.arange(len(large))
        values, ranks, lengths = [], [], []
        for code in range(len(large) + 1):
            inside = group[classes] == code
            own, effect = np.sort(scores[inside]), _design_effect(scores[inside], patients[inside])
            rank = max(1, int(_FALSE * (len(own) + 1)))
            values.append(own[rank - 1] if len(own) else -np.inf)
            ranks.append(rank / effect)
            lengths.append((len(own) + 1) / effect - 1 if len(own) else 0)
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


def _design_effect(scores: Scores, patients: NDArray[np.int64]) -> float:
    """How many images (n,) say as much as one would if they were independent (Kish 1965): 1 to those of a patient."""
    _, codes = np.unique(patients, return_inverse=True)
    counts = np.bincount(codes)
    count, together = len(scores), len(counts)
    if together == count:
        return 1.0
    size = float((counts**2).sum() / count)
    if together == 1:
        return size
    means = np.bincount(codes, scores) / counts
    between = float((counts * (means - scores.mean()) ** 2).sum()) / (together - 1)
    within = float(((scores - means[codes]) ** 2).sum()) / (count - together)
    typical = (count - size) / (together - 1)
    correlation = (between - within) / max(between + (typical - 1) * within, 1e-12)
    return 1 + (size - 1) * float(np.clip(correlation, 0, 1))


def chance(counted: Sequence[Counted]) -> float:
    """Chance that honest images give as many finds, at least 1e-12.

    As many of n images lie below the rank-th of h independent others by chance as a beta-binomial says, whatever the
    scores are.
    """
    honest = np.ones(1)
    for part in counted:
        if part.n and part.held_out:
            honest = np.convolve(honest, _chances(part))
    return float(np.clip(honest[sum(part.found for part in counted) :].sum(), 1e-12, 1))


def _chances(part: Counted) -> NDArray[np.float64]:
    """Of each number of finds among honest images, as far as it can happen."""
    from scipy.stats import betabinom  # noqa: PLC0415 (half a second, which registering does not need)

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
    honest_low, honest_high = _wilson(honest, max(1.0, held_out))
    excess = found / n - honest
    below = excess - np.hypot(found / n - low, honest_high - honest)
    above = excess + np.hypot(high - found / n, honest - honest_low)
    return Share(*(float(np.clip(value, 0, 1)) for value in (excess, below, above)))


def verdict(counted: Sequence[Counted], alarms: float = 0.0) -> str:
    """alarms: share of honest sets that raise one; where they are many, copies are suspected at most."""
    p = chance(counted)
    if p < _CERTAIN and alarms <= MOST_ALARMS:
        return FOUND
    return SUSPECTED if p < _SUSPICIOUS else NONE_FOUND


def alarm(counted: Sequence[Counted]) -> bool:
    return verdict(counted) != NONE_FOUND


def _wilson(portion: float, n: float) -> tuple[float, float]:
    spread = _Z * np.sqrt(portion * (1 - portion) / n + _Z**2 / (4 * n**2))
    middle, size = portion + _Z**2 / (2 * n), 1 + _Z**2 / n
    return float((middle - spread) / size), float((middle + spread) / size)
