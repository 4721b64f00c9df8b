"""Told apart: what differs is told, what does not is not, patients stay whole, and figures have intervals that hold."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from medgan.config.schema import Config
from medgan.data.store import Prepared
from medgan.evaluation.intervals import Units, mean_of, measured
from medgan.evaluation.nearest import nearest_neighbours
from medgan.evaluation.told_apart import tell_apart
from medgan.evaluation.two_sample import Answers, Neighbours
from medgan.imaging.arrays import Images, quantised
from medgan.scores.discerning import Discerner, Sides
from medgan.scores.images import ImageSet
from medgan.scores.parting import parted
from medgan.scores.passing import passing_of
from medgan.sources.prepare import prepare

NAMES = ("healthy", "infarct", "tumour")


@pytest.fixture(scope="module")
def phantoms(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """3,000 phantoms 16 x 16 of 750 patients."""
    data = config.override({"data.options": {**config.data.options, "count": 3000}}).data
    return prepare(data, tmp_path_factory.mktemp("phantoms"), seed=3)


def two_sets(data: Prepared, n: int, *, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """As many images each of patients apart, as many of every class."""
    assert data.labels is not None
    rng, (names, of) = np.random.default_rng(seed), np.unique(data.patients, return_inverse=True)
    side = (rng.permutation(len(names)) % 2)[of]
    sets = []
    for which in range(2):
        rows = [np.flatnonzero((side == which) & (data.labels == code))[: n // 3] for code in range(3)]
        sets.append(ImageSet.stored(data, np.sort(np.concatenate(rows))))
    return sets[0], sets[1]


def changed(images: ImageSet, change: Callable[[Images], NDArray[np.floating]]) -> ImageSet:
    """Drawn images: of no patient, and of the classes of those that they were made of."""
    rows = np.ascontiguousarray(images.images[:])
    return ImageSet(quantised(change(rows).astype(np.float32), 256), labels=images.labels)


def noisy(levels: float) -> Callable[[Images], NDArray[np.floating]]:
    return lambda rows: rows + np.random.default_rng(0).normal(0, levels / 127.5, rows.shape)


def test_noise_is_told_and_by_class_where_there_are_enough(phantoms: Prepared) -> None:
    source, real = two_sets(phantoms, 600)
    told: list[int] = []
    outcome = tell_apart(changed(source, noisy(16)), real, names=NAMES, steps=120, seed=0, progress=told.append)
    figures = outcome.figures
    accuracy, passing, loss = figures.overall.accuracy, figures.overall.passing, figures.overall.log_loss
    assert accuracy and passing and loss
    assert accuracy.value > 0.95 and accuracy.low > 0.9 and passing.value < 0.1 and loss.value < 0.2
    assert accuracy.low <= accuracy.value <= accuracy.high <= 1 and passing.low <= passing.value <= passing.high
    assert 560 <= figures.overall.n <= 600 and figures.steps <= 120 and told[-1] == 120
    assert list(figures.classes) == list(NAMES)
    assert sum(answers.n for answers in figures.classes.values()) == figures.overall.n
    assert all(answers.accuracy and answers.accuracy.value > 0.9 for answers in figures.classes.values())


def test_a_class_of_few_images_says_only_how_many(phantoms: Prepared) -> None:
    source, real = two_sets(phantoms, 90)
    figures = tell_apart(changed(source, noisy(0)), real, names=(*NAMES, "rare"), steps=3, seed=0).figures
    assert figures.overall.accuracy is not None and figures.classes["rare"] == Answers(0)
    assert {answers.accuracy for answers in figures.classes.values()} == {None}
    assert sum(answers.n for answers in figures.classes.values()) == figures.overall.n


def test_the_most_convincing_images_are_those_that_differ_least(phantoms: Prepared) -> None:
    source, real = two_sets(phantoms, 600)
    spoilt = np.arange(600) % 2 == 1
    half = changed(source, lambda rows: np.where(spoilt[:, None, None, None], noisy(40)(rows), rows))
    outcome = tell_apart(half, real, names=NAMES, steps=120, seed=0)
    assert len(np.unique(outcome.convincing)) == len(outcome.convincing) == outcome.figures.overall.n // 2
    assert not spoilt[outcome.convincing[:50]].any() and spoilt[outcome.convincing[-50:]].all()


def test_one_seed_gives_one_outcome_whatever_else_is_drawn(phantoms: Prepared) -> None:
    drawn, real = two_sets(phantoms, 120)
    first, again, other = (tell_apart(drawn, real, names=NAMES, steps=4, seed=seed) for seed in (0, 0, 1))
    assert first.figures == again.figures and np.array_equal(first.convincing, again.convincing)
    assert first.figures != other.figures


@pytest.mark.parametrize("n", [30, 60])
def test_few_images_give_wide_intervals(prepared: Prepared, n: int) -> None:
    drawn, real = (ImageSet.stored(prepared, prepared.indices("test")[rows]) for rows in (slice(n), slice(-n, None)))
    accuracy = tell_apart(unlabelled(drawn), unlabelled(real), names=(), steps=5, seed=0).figures.overall.accuracy
    assert accuracy is not None and accuracy.high - accuracy.low > 0.15


def unlabelled(images: ImageSet) -> ImageSet:
    return ImageSet(images.images, patients=images.patients)


@pytest.mark.parametrize("shape", [(1, 28), (3, 16), (1, 64), (3, 100), (1, 256)])
def test_images_of_every_size_are_read_to_the_last_pixel(shape: tuple[int, int]) -> None:
    import torch

    channels, size = shape
    torch.manual_seed(0)
    network = Discerner(channels, size).eval()
    images = torch.rand(2, channels, size, size).requires_grad_()
    logits = network(images)
    assert logits.shape == (2,)
    logits.sum().backward()
    assert images.grad is not None and (images.grad.abs().amax(dim=(0, 1)) > 0).float().mean() > 0.99


def test_patients_are_parted_whole_and_classes_alike(phantoms: Prepared) -> None:
    drawn, real = two_sets(phantoms, 600)
    everything = Sides(np.arange(600), np.arange(600))
    first, second = parted(drawn, real, everything, share=0.5, seed=0)
    for images, ours, theirs in ((drawn, first.drawn, second.drawn), (real, first.real, second.real)):
        assert images.patients is not None and images.labels is not None
        assert not set(images.patients[ours]) & set(images.patients[theirs])
        assert abs(len(ours) - 300) <= 10 and np.ptp(np.bincount(images.labels[ours])) <= 10
    for part in (first, second):
        assert drawn.labels is not None and real.labels is not None
        assert np.array_equal(np.bincount(drawn.labels[part.drawn]), np.bincount(real.labels[part.real]))
    kept, rest = parted(drawn, real, first, share=0.2, seed=0)
    assert abs(len(kept) - 120) <= 10 and not set(kept.real) & set(rest.real)
    assert set(kept.real) | set(rest.real) <= set(first.real)


def test_sets_of_the_same_patients_are_parted_alike_and_one_patient_is_parted_too(prepared: Prepared) -> None:
    images = ImageSet.stored(prepared, prepared.indices("test"))
    rows = Sides(*(np.arange(len(images)),) * 2)
    first, _ = parted(images, images, rows, share=0.5, seed=1)
    assert np.array_equal(first.drawn, first.real)
    lone = ImageSet(images.images, patients=np.repeat("one", len(images)))
    for part in parted(lone, lone, rows, share=0.2, seed=1):
        assert len(part.real)


def test_passing_is_the_share_below_the_threshold_of_five_percent_of_the_real_ones() -> None:
    rng = np.random.default_rng(0)
    drawn, real = rng.normal(1, 1, 300), rng.normal(0, 1, 200)
    units = Units.of(None, None, 300, 200)
    expected = float((drawn <= np.sort(real)[189]).mean())
    figure = measured(passing_of(drawn, real), units, seed=0)
    assert figure.value == pytest.approx(expected) and (real > np.sort(real)[189]).mean() == pytest.approx(0.05)
    assert figure.low < expected < figure.high


def test_intervals_of_shares_are_as_wide_as_their_units_are_few() -> None:
    rng = np.random.default_rng(0)
    hits = rng.random(400) < 0.7
    alone = measured(mean_of(hits, hits), Units.of(None, None, 400, 400), seed=0)
    assert alone.value == pytest.approx(hits.mean()) and alone.high - alone.low == pytest.approx(0.0635, abs=0.012)
    patients = np.arange(400) // 4
    repeated = np.repeat(hits[:100], 4)
    of_patients = measured(mean_of(repeated, repeated), Units.of(patients, patients, 400, 400), seed=0)
    assert of_patients.high - of_patients.low > 1.7 * (alone.high - alone.low)
    sure = measured(mean_of(hits | True, hits | True), Units.of(None, None, 400, 400), seed=0)
    assert sure.high == 1 and 0.98 < sure.low < 1


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng, units = np.random.default_rng(1), Units.of(None, None, 200, 200)
    held = []
    for _ in range(100):
        drawn, real = rng.normal(0, 1, (2, 200))
        figure = measured(mean_of(drawn > 0, real <= 0), units, seed=0)
        held.append(figure.low <= 0.5 <= figure.high)
    assert 0.9 <= np.mean(held) <= 0.99


class Pixels:
    """An embedder whose features are the pixels."""

    name, digest = "pixels", "0"

    def __init__(self) -> None:
        self.features: NDArray[np.float32] = np.empty(0, np.float32)

    def observe(self, images: Images, /) -> "Pixels":
        seen = Pixels()
        seen.features = np.ascontiguousarray(images).reshape(len(images), -1)
        return seen


def test_nearest_neighbours_agree_with_every_distance() -> None:
    rng = np.random.default_rng(0)
    drawn, real = rng.normal(0.1, 0.3, (2, 700, 1, 4, 4)).astype(np.float32)
    drawn += 0.1
    rows = np.concatenate([drawn, real]).reshape(1400, -1).astype(np.float64)
    distance = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    own = (distance.argmin(axis=1) < 700) == (np.arange(1400) < 700)
    figures = nearest_neighbours(ImageSet(drawn), ImageSet(real), Pixels(), seed=0)
    assert figures.features == figures.pixels
    assert figures.features.accuracy.value == pytest.approx(own.mean())
    assert figures.features.drawn.value == pytest.approx(own[:700].mean())
    assert figures.features.real.value == pytest.approx(own[700:].mean()) and own.mean() > 0.55


def test_copies_are_nearer_to_real_images_than_these_to_each_other(phantoms: Prepared) -> None:
    copied, real = two_sets(phantoms, 300)

    def neighbours(drawn: ImageSet) -> Neighbours:
        return nearest_neighbours(drawn, real, Pixels(), seed=0).pixels

    honest, black = neighbours(copied), neighbours(changed(copied, lambda rows: rows * 0 - 1))
    assert abs(honest.accuracy.value - 0.5) < 0.1 and black.drawn.value == 1
    assert neighbours(changed(real, noisy(1))).accuracy.value < 0.05


@pytest.mark.slow
def test_two_halves_of_real_images_are_not_told_apart(phantoms: Prepared) -> None:
    for seed in range(2):
        overall = tell_apart(*two_sets(phantoms, 1500, seed=seed), names=NAMES, steps=300, seed=seed).figures.overall
        assert overall.accuracy and overall.passing and overall.log_loss
        assert abs(overall.accuracy.value - 0.5) < 0.06 and overall.passing.value > 0.85
        assert abs(overall.log_loss.value - math.log(2)) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["noise", "checkerboard", "joined", "box"])
def test_faults_are_told(phantoms: Prepared, fault: str) -> None:
    source, real = two_sets(phantoms, 1500)

    def spoilt(rows: Images) -> NDArray[np.floating]:
        if fault == "noise":
            return noisy(8)(rows)
        if fault == "checkerboard":
            return rows + (np.indices(rows.shape[2:]).sum(axis=0) % 2 * 2 - 1) * 5 / 127.5
        other = rows.copy()
        if fault == "joined":
            other[..., :8] = rows[np.random.default_rng(0).permutation(len(rows)), ..., :8]
        else:
            other[..., 5:9, 6:10] = -1
        return other

    accuracy = tell_apart(changed(source, spoilt), real, names=NAMES, steps=600, seed=0).figures.overall.accuracy
    assert accuracy is not None and accuracy.value > (0.75 if fault == "joined" else 0.95)
