"""Intervals of distances: neither too narrow nor, for sets that are alike, too wide."""

import math
from dataclasses import replace

import numpy as np
import pytest

from medgan.scores.frechet import distance_of_groups, group_statistics, mean_distance
from medgan.scores.jackknife import Side, deviation, difference_deviation
from medgan.seeds import numpy_generator

DIMENSIONS, N = 8, 200


def side(number: int, *, shift: float = 0.0, slices: int = 1) -> Side:
    """Two groups of N images; slices of a patient are the same image but for a little noise."""
    rng = numpy_generator(number, "side")
    features = np.repeat(rng.normal(size=(2 * N // slices, DIMENSIONS)), slices, axis=0)
    features = (features + 0.1 * rng.normal(size=features.shape) + shift).astype(np.float32)
    patients = np.repeat(np.arange(2 * N // slices), slices).astype(str) if slices > 1 else None
    return Side(features, [np.arange(N), np.arange(N, 2 * N)], patients)


def distance_of(pair: tuple[Side, Side]) -> float:
    return mean_distance(*(group_statistics(part.features, part.groups) for part in pair))


def intervals(*, shift: float, slices: int) -> tuple[float, float]:
    """Of 40 fresh draws: the share of intervals that hold the mean, and their mean width by what it should be."""
    distances, margins = [], []
    for number in range(40):
        pair = (side(3 * number, shift=shift, slices=slices), side(3 * number + 1, slices=slices))
        alike = (side(3 * number + 2, slices=slices), pair[1])
        distances.append(distance_of(pair))
        margins.append(1.96 * difference_deviation(distance_of_groups, pair, alike, resamples=20, seed=0))
    covered = np.abs(np.array(distances) - np.mean(distances)) <= margins
    return float(covered.mean()), float(np.mean(margins) / (1.96 * np.std(distances, ddof=1)))


@pytest.mark.parametrize("slices", [1, 4])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_intervals_cover_the_mean_of_fresh_draws(shift: float, slices: int) -> None:
    covered, width = intervals(shift=shift, slices=slices)
    assert covered >= 0.85 and 0.7 < width < 1.4, (covered, width)


def test_the_interval_of_sets_that_are_alike_is_not_that_of_sets_that_differ() -> None:
    """Half of their variance is counted twice."""
    pair = (side(0), side(1))
    plain = deviation(distance_of_groups, pair, resamples=30, seed=0)
    assert difference_deviation(distance_of_groups, pair, pair, resamples=30, seed=0) == pytest.approx(
        plain / np.sqrt(2)
    )
    far = (side(0, shift=0.5), side(1))
    assert difference_deviation(distance_of_groups, far, pair, resamples=30, seed=0) > 0.95 * deviation(
        distance_of_groups, far, resamples=30, seed=0
    )


def test_patients_go_as_a_whole() -> None:
    """Four slices of each patient, taken for as many patients, would say twice as much."""
    whole = (side(0, shift=0.5, slices=4), side(1, slices=4))
    apart = [replace(part, patients=None) for part in whole]
    by_patient, by_image = (deviation(distance_of_groups, pair, resamples=60, seed=0) for pair in (whole, apart))
    assert 1.5 < by_patient / by_image < 2.6


def of_patients(count: int, number: int) -> Side:
    """One group of images of so many patients, whose slices are almost alike."""
    rng = numpy_generator(number, "few")
    features = np.repeat(rng.normal(size=(count, DIMENSIONS)), 360 // count, axis=0)
    features = (features + 0.3 * rng.normal(size=features.shape)).astype(np.float32)
    return Side(features, [np.arange(len(features))], np.repeat(np.arange(count), 360 // count).astype(str))


@pytest.mark.parametrize("count", [5, 7, 8, 9])
def test_the_deviation_of_a_mean_is_that_of_the_mean_over_patients(count: int) -> None:
    """Of 5 patients a fifth is left out, of 7 one, of 8 two: the share decides what the subsets say."""
    few = of_patients(count, count)
    found = deviation(lambda groups: float(groups[0][:, 0].mean()), [few], resamples=600, seed=0)
    patients = few.features[:, 0].reshape(count, -1).mean(axis=1)
    assert found == pytest.approx(patients.std(ddof=1) / math.sqrt(count), rel=0.08)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_too_few_patients_have_no_interval(count: int) -> None:
    pair = (replace(side(0), groups=[np.arange(2 * N)]), of_patients(count, 0))
    assert deviation(distance_of_groups, pair, resamples=5, seed=0) == math.inf
    assert difference_deviation(distance_of_groups, pair, (pair[0], pair[0]), resamples=5, seed=0) == math.inf
    assert difference_deviation(distance_of_groups, (pair[0], pair[0]), pair, resamples=5, seed=0) == math.inf
