"""Classifiers of every regime, as many seeds of each; validation images choose, and test images are looked at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medgan.data.stored import ImageRows
from medgan.imaging.arrays import Images
from medgan.scores.classifying import Labelled, Lessons, classified, learn_classes
from medgan.seeds import derive_seed
from medgan.usefulness.regimes import ALONE, AUGMENTED, REAL, Regime


class Joined:
    """Rows of two sets of images, one after the other."""

    def __init__(self, first: ImageRows, second: ImageRows) -> None:
        self._parts = (first, second)
        self.shape = (len(first) + len(second), *first.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.int64], /) -> Images:
        first, second = self._parts
        images = np.empty((len(rows), *self.shape[1:]), np.float32)
        early = rows < len(first)
        images[early], images[~early] = first[rows[early]], second[rows[~early] - len(first)]
        return images


@dataclass(frozen=True)
class Pool:
    """What one seed may learn from: real images, and those that a generator drew which has seen no others."""

    real: Labelled
    drawn: Labelled

    def without_drawn(self) -> "Pool":
        """The same for a regime that takes real images alone: it hangs on no generator."""
        return replace(self, drawn=Labelled(self.drawn.images[:0], self.drawn.labels[:0]))

    @property
    def counts(self) -> NDArray[np.int64]:
        """Of the real images of each class."""
        return np.bincount(self.real.labels)


@dataclass(frozen=True)
class HeldOut:
    """Images that no generator and no classifier learns from. patients: (n,) of the test images."""

    validation: Labelled
    test: Labelled
    patients: NDArray[np.int64]


@dataclass(frozen=True)
class Method:
    """How every classifier of a study learns. build: a fresh one."""

    build: Callable[[], nn.Module]
    lessons: Lessons
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What one classifier came to.

    images: that it learnt from, repeated ones counted. validation: balanced accuracy at its best look; course: of each.
    answers: of each test image the probability of each class, (n, K).
    """

    images: int
    validation: float
    course: tuple[tuple[int, float], ...]
    answers: NDArray[np.float32]

    @property
    def last_gain(self) -> float:
        """By how much the last look was better than all before; 0 where it was not."""
        *earlier, (_, last) = self.course
        return max(0.0, last - max((value for _, value in earlier), default=0.0))


# The name of a regime, and the number of a seed.
Key = tuple[str, int]
Task = partial[Outcome]
# Does tasks, in any order and wherever it likes.
Runner = Callable[[Mapping[Key, Task]], Mapping[Key, Outcome]]


@dataclass(frozen=True)
class Study:
    """Outcomes by the name of the regime, one for each seed.

    chosen: the regime with drawn images that validation images prefer. counts: real images of each class.
    """

    chosen: Regime
    counts: NDArray[np.int64]
    outcomes: Mapping[str, Sequence[Outcome]]

    def answers(self, regime: Regime) -> NDArray[np.float32]:
        """(S, n, K)."""
        return np.stack([outcome.answers for outcome in self.outcomes[regime.name]])


def study(pools: Sequence[Pool], candidates: Sequence[Regime], held_out: HeldOut, method: Method, run: Runner) -> Study:
    """Train every regime once for each pool, whose number is its seed; the control of the chosen one comes last."""
    outcomes = _outcomes([REAL, AUGMENTED, ALONE, *candidates], pools, held_out, method, run)
    chosen = max(candidates, key=lambda regime: np.mean([each.validation for each in outcomes[regime.name]]))
    outcomes |= _outcomes([chosen.control], pools, held_out, method, run)
    return Study(chosen, pools[0].counts, outcomes)


def _outcomes(
    regimes: Sequence[Regime], pools: Sequence[Pool], held_out: HeldOut, method: Method, run: Runner
) -> dict[str, list[Outcome]]:
    found = run(dict(_tasks(regimes, pools, held_out, method)))
    return {regime.name: [found[regime.name, number] for number in range(len(pools))] for regime in regimes}


def _tasks(
    regimes: Sequence[Regime], pools: Sequence[Pool], held_out: HeldOut, method: Method
) -> Iterator[tuple[Key, Task]]:
    for number, pool in enumerate(pools):
        for regime in regimes:
            seed = derive_seed(method.seed, "usefulness", number)
            taken = pool if regime.draws else pool.without_drawn()
            yield (regime.name, number), partial(learn, regime, taken, held_out, method, seed=seed)


def learn(regime: Regime, pool: Pool, held_out: HeldOut, method: Method, *, seed: int) -> Outcome:
    """One classifier of a regime. Regimes of one seed start from the same weights."""
    real, drawn = pool.real, pool.drawn
    material = Labelled(Joined(real.images, drawn.images), np.concatenate([real.labels, drawn.labels]))
    rows = regime.rows(real.labels, drawn.labels, seed=seed)
    lessons = method.lessons if regime.augmented else method.lessons.plain
    found = learn_classes(method.build, material, rows, held_out.validation, lessons, seed=seed)
    return Outcome(len(rows), found.validation, found.course, classified(found.network, held_out.test.images))
