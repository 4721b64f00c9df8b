"""Figures of a classifier's answers, under weights of the images that they are taken of."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
# Probabilities (n, K), labels (n,) in [0, K) and weights (R, n) -> a figure (R,), NaN where a class has no weight.
Figure = Callable[[NDArray[np.float32], Labels, Array], Array]

_BINS = 15


def accuracy(probabilities: NDArray[np.float32], labels: Labels, weights: Array) -> Array:
    """Share of images whose class is told."""
    return _mean(probabilities.argmax(axis=1) == labels, weights)


def balanced_accuracy(probabilities: NDArray[np.float32], labels: Labels, weights: Array) -> Array:
    """Mean over classes of the share of its images that are told; a class of few weighs as much as any other."""
    missed = [type_2(kind)(probabilities, labels, weights) for kind in range(probabilities.shape[1])]
    return 1 - _mean_of(missed)


def type_1(kind: int) -> Figure:
    """Share of the images of other classes that are called of this one: errors of type I, 1 - specificity."""

    def figure(probabilities: NDArray[np.float32], labels: Labels, weights: Array) -> Array:
        others = labels != kind
        return _mean(probabilities[others].argmax(axis=1) == kind, weights[:, others])

    return figure


def type_2(kind: int) -> Figure:
    """Share of the images of this class that are called of another: errors of type II, 1 - sensitivity."""

    def figure(probabilities: NDArray[np.float32], labels: Labels, weights: Array) -> Array:
        of_class = labels == kind
        return _mean(probabilities[of_class].argmax(axis=1) != kind, weights[:, of_class])

    return figure


def auc(probabilities: NDArray[np.float32], labels: Labels, weights: Array) -> Array:
    """Area under the curve of each class against the rest, the mean over classes; ties count a half."""
    areas = [_auc(probabilities[:, kind], labels == kind, weights) for kind in range(probabilities.shape[1])]
    return _mean_of(areas)


def _auc(scores: NDArray[np.float32], positive: NDArray[np.bool_], weights: Array) -> Array:
    """Probability that a positive image has the higher score (Mann and Whitney 1947), under weights."""
    codes = np.unique(scores, return_inverse=True)[1]
    starts = np.flatnonzero(np.diff(np.sort(codes), prepend=-1))
    in_order = np.argsort(codes, kind="stable")
    of_score = [np.add.reduceat((weights * side)[:, in_order], starts, axis=1) for side in (positive, ~positive)]
    below = np.cumsum(of_score[1], axis=1) - of_score[1] / 2
    with np.errstate(invalid="ignore"):
        area: Array = (of_score[0] * below).sum(axis=1) / (of_score[0].sum(axis=1) * of_score[1].sum(axis=1))
    return area


def calibration_error(probabilities: NDArray[np.float32], labels: Labels, weights: Array) -> Array:
    """Mean distance of confidence and accuracy over 15 bins of confidence (Naeini 2015, Guo 2017); 0 is ideal."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    excess = confidence - (probabilities.argmax(axis=1) == labels)
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    sums = (weights * excess) @ np.eye(_BINS)[bins]
    error: Array = np.abs(sums).sum(axis=1) / weights.sum(axis=1)
    return error


FIGURES: Mapping[str, Figure] = {
    "balanced_accuracy": balanced_accuracy,
    "accuracy": accuracy,
    "auc": auc,
    "calibration_error": calibration_error,
}


def _mean(hits: NDArray[np.bool_], weights: Array) -> Array:
    with np.errstate(invalid="ignore"):
        mean: Array = weights @ hits.astype(np.float64) / weights.sum(axis=1)
    return mean


def _mean_of(figures: Sequence[Array]) -> Array:
    mean: Array = np.mean(figures, axis=0)
    return mean
