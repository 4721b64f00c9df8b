"""Honest halves of held-out images, alone and with copies: what an audit of copies is tried on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medgan.evaluation.copying.counting import Counted, Thresholds
from medgan.seeds import numpy_generator

_MIXED = 0.1  # share of copies in a mixture


@dataclass(frozen=True)
class Scored:
    """Scores (n,) and the class (n,) of the nearest training image, 0 without classes."""

    score: NDArray[np.float32]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: NDArray[np.int64]) -> "Scored":
        return Scored(self.score[rows], self.classes[rows])

    def with_some_of(self, other: "Scored") -> "Scored":
        return Scored(np.concatenate([self.score, other.score]), np.concatenate([self.classes, other.classes]))

    def thresholds(self, patients: NDArray[np.int64], kinds: int) -> Thresholds:
        """Where these are held out, of so many classes. patients: (n,)."""
        return Thresholds.of(self.score, self.classes, patients, kinds)

    def counted(self, thresholds: Thresholds) -> list[Counted]:
        return thresholds.counted(self.score, self.classes)

    def below(self, thresholds: Thresholds) -> float:
        """Share of these that are taken for copies."""
        return float(thresholds.below(self.score, self.classes).mean())


@dataclass(frozen=True)
class Half:
    """Half of the held-out images, and the thresholds that the other half sets; patients are never in both."""

    honest: Scored
    thresholds: Thresholds
    rng: np.random.Generator

    def mixed(self, copies: Scored) -> Scored:
        """A tenth of it, chosen at random, gives way to as many copies."""
        count = max(1, round(_MIXED * len(self.honest)))
        kept = self.honest[self.rng.permutation(len(self.honest))[count:]]
        return kept.with_some_of(copies[self.rng.integers(0, len(copies), count)])


def halves(honest: Scored, patients: NDArray[np.int64], kinds: int, *, times: int, seed: int) -> Iterator[Half]:
    """So many, each at random. honest: of held-out images of these patients (n,), of so many classes."""
    rng = numpy_generator(seed, "halves")
    _, codes = np.unique(patients, return_inverse=True)
    for _ in range(times):
        first = rng.permutation(codes.max() + 1)[: (codes.max() + 1) // 2]
        inside = np.isin(codes, first)
        one, other = np.flatnonzero(inside), np.flatnonzero(~inside)
        yield Half(honest[other], honest[one].thresholds(patients[one], kinds), rng)
