"""Figures under weights, and how far differences go by chance, against independent computations."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score, roc_auc_score

from medgan.holm import LEVEL, holm
from medgan.usefulness.comparison import Chance
from medgan.usefulness.figures import (
    accuracy,
    auc,
    balanced_accuracy,
    calibration_error,
    type_1,
    type_2,
)


def answers(n: int, classes: int, seed: int = 0, skill: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    logits = rng.normal(size=(n, classes)) + skill * np.eye(classes)[labels]
    # Rounded, so that some are equal.
    probabilities = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 2)
    return probabilities.astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 3])
def test_weighted_figures_are_those_of_an_independent_library(classes: int) -> None:
    found, labels = answers(300, classes)
    weights = np.random.default_rng(1).integers(0, 4, size=(3, 300)).astype(float)
    called = found.argmax(axis=1)
    for row, weight in enumerate(weights):
        assert accuracy(found, labels, weights)[row] == pytest.approx(
            accuracy_score(labels, called, sample_weight=weight)
        )
        assert balanced_accuracy(found, labels, weights)[row] == pytest.approx(
            balanced_accuracy_score(labels, called, sample_weight=weight)
        )
        expected = [roc_auc_score(labels == kind, found[:, kind], sample_weight=weight) for kind in range(classes)]
        assert auc(found, labels, weights)[row] == pytest.approx(np.mean(expected))
        for kind in range(classes):
            sensitivity = recall_score(labels == kind, called == kind, sample_weight=weight)
            specificity = recall_score(labels != kind, called != kind, sample_weight=weight)
            assert type_2(kind)(found, labels, weights)[row] == pytest.approx(1 - sensitivity)
            assert type_1(kind)(found, labels, weights)[row] == pytest.approx(1 - specificity)


def test_confidence_that_is_right_as_often_as_it_says_is_calibrated() -> None:
    rng, n = np.random.default_rng(0), 200_000
    sure = rng.uniform(0.5, 1, size=n)
    right = rng.uniform(size=n) < sure
    probabilities = np.stack([sure, 1 - sure], axis=1).astype(np.float32)
    ones = np.ones((1, n))
    assert calibration_error(probabilities, np.where(right, 0, 1), ones)[0] < 0.01
    always = np.tile(np.float32([0.9, 0.1]), (n, 1))
    assert calibration_error(always, np.where(rng.uniform(size=n) < 0.6, 0, 1), ones)[0] == pytest.approx(0.3, abs=0.01)


def test_the_levels_of_holm() -> None:
    shares, adjusted = zip(*holm([0.04, 0.01, 0.03]), strict=True)
    assert shares == pytest.approx((1 / 2, 1 / 3, 1 / 2))  # it stops at .03
    assert adjusted == pytest.approx((0.06, 0.03, 0.06))
    assert holm([]) == []


@pytest.mark.parametrize("ps", [[0.03, 0.04], [0.010, 0.011, 0.012, 0.014, 0.02, 0.04], [0.001, 0.02, 0.04, 0.9]])
def test_an_adjusted_interval_excludes_nothing_that_its_p_does_not(ps: list[float]) -> None:
    assert [p < share * LEVEL for p, (share, _) in zip(ps, holm(ps), strict=True)] == [p < LEVEL for _, p in holm(ps)]


def studies(effect: float, *, seeds: int = 10, n: int = 400, count: int = 120) -> list[float]:
    """The p-values of fresh studies in which seeds and images differ in how hard they are."""
    found = []
    for study in range(count):
        rng = np.random.default_rng(study)
        labels = np.arange(n) % 2
        hardness = rng.normal(size=n)
        sides = []
        for gain in (effect, 0.0):
            of_seed = rng.normal(scale=0.2, size=(seeds, 1))
            right = rng.normal(size=(seeds, n)) + hardness + of_seed + 1 + gain > 0
            sides.append(np.eye(2, dtype=np.float32)[np.where(right, labels, 1 - labels)])
        chance = Chance(seeds, labels, np.arange(n) // 2, seed=study)
        difference = chance.differences({"": (balanced_accuracy, sides[0], sides[1])})[""]
        assert difference.low < difference.value < difference.high
        found.append(difference.p)
    return found


def test_no_difference_is_seldom_found_and_a_true_one_often() -> None:
    assert np.mean(np.array(studies(0.0)) < 0.05) <= 0.08
    assert np.mean(np.array(studies(0.5)) < 0.05) > 0.8


def test_equal_regimes_do_not_differ() -> None:
    found, labels = answers(50, 2)
    chance = Chance(3, labels, np.arange(50), seed=0)
    same = np.stack([found] * 3)
    difference = chance.differences({"": (accuracy, same, same)})[""]
    assert (difference.value, difference.p, difference.detectable) == (0, 1, 0)
    assert 0 <= chance.estimate(accuracy, same).low <= chance.estimate(accuracy, same).value
