"""How far figures of sets of features vary by chance: delete-d jackknife (Shao and Wu 1989).

Not the bootstrap: images that a resample holds twice make a covariance of few images worse, and the intervals of good
generators twice to four times too wide.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgan.scores.groups import Rows
from medgan.scores.patients import FEWEST
from medgan.seeds import numpy_generator

_KEPT = 0.8


@dataclass(frozen=True)
class Side:
    """Features (n, D) of one set of images, the rows of each group, and the patients (n,) where there are any."""

    features: NDArray[np.float32]
    groups: Sequence[Rows]
    patients: NDArray[np.int64] | None


def deviation(figure: Callable[..., Any], sides: Sequence[Side], *, resamples: int, seed: int) -> Any:
    """Standard deviation of a figure, or of each of an array of them, over fresh draws of all of these sides.

    figure: takes of each side a list of the features (n, D) of its groups. Infinite where a group has too few patients,
    or images where each stands for itself, to know.
    """
    clusters = [[_clusters(rows, side.patients) for rows in side.groups] for side in sides]
    counts = [len(group) for groups in clusters for group in groups]
    if min(counts) < FEWEST:
        return math.inf
    values = [figure(*features) for features in _subsets(sides, clusters, resamples, seed)]
    # By what the variance over subsets is to be divided to give that over fresh draws: few patients have no fifth.
    scale = float(np.mean([count / _kept(count) - 1 for count in counts]))
    return np.sqrt(np.var(values, axis=0, ddof=1) / scale)


def difference_deviation(
    figure: Callable[..., Any], sides: tuple[Side, Side], alike: tuple[Side, Side], *, resamples: int, seed: int
) -> Any:
    """Standard deviation of a figure of how two sides differ, such as a distance; infinite as that of `deviation`.

    alike: two sides of real images, of the same sizes. A distance is all but quadratic in the difference of its sides,
    a part of which is chance; the jackknife takes that part for real and counts its variance twice. Where both sides
    are alike there is nothing else: half of their variance is what to take off, and the least that there can be.
    """
    found, chance = (deviation(figure, pair, resamples=resamples, seed=seed) for pair in (sides, alike))
    if np.isinf(found).any() or np.isinf(chance).any():
        return math.inf
    return np.sqrt(np.maximum(found**2 - chance**2 / 2, chance**2 / 2))


def _subsets(
    sides: Sequence[Side], clusters: Sequence[Sequence[Sequence[Rows]]], count: int, seed: int
) -> Iterator[list[list[NDArray[np.float32]]]]:
    """Of each side the features of its groups, each without a fifth of its images; patients go with all of theirs."""
    rng = numpy_generator(seed, "jackknife")
    for _ in range(count):
        yield [
            [side.features[_some(group, rng)] for group in groups] for side, groups in zip(sides, clusters, strict=True)
        ]


def _clusters(rows: Rows, patients: NDArray[np.int64] | None) -> list[Rows]:
    """Rows of each patient; each row on its own where there are none."""
    if patients is None:
        return list(rows[:, None])
    codes = np.unique(patients[rows], return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    return np.split(rows[order], np.cumsum(np.bincount(codes))[:-1])


def _some(clusters: Sequence[Rows], rng: np.random.Generator) -> Rows:
    return np.concatenate([clusters[i] for i in rng.permutation(len(clusters))[: _kept(len(clusters))]])


def _kept(count: int) -> int:
    return round(_KEPT * count)
