"""Planted copyists are caught, honest images are not, and the audit says what it cannot see."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_registry import metrics

from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.evaluation.copying.audit import audit, queries
from medgan.evaluation.copying.counting import Counted, Thresholds, alarm, chance, share, verdict
from medgan.evaluation.copying.figures import FOUND, NONE_FOUND, SUSPECTED, CopyAudit, Power, audit_of
from medgan.evaluation.copying.matching import Library
from medgan.evaluation.copying.membership import membership
from medgan.evaluation.copying.moving import moved, thumbnails
from medgan.evaluation.copying.picture import closest_pairs
from medgan.evaluation.copying.planted import WAYS
from medgan.evaluation.summary import summary
from medgan.imaging.arrays import quantised
from medgan.imaging.intensity import Intensity

Images = NDArray[np.float32]


def stored(data: Prepared, indices: NDArray[np.int64]) -> Images:
    return np.ascontiguousarray(StoredImages(data, indices)[:])


def each(count: int) -> NDArray[np.str_]:
    """A patient an image."""
    return np.arange(count).astype(str)


@pytest.fixture(scope="module")
def held_out(prepared: Prepared) -> NDArray[np.int64]:
    return prepared.indices("test")


@pytest.fixture(scope="module")
def honest(prepared: Prepared, held_out: NDArray[np.int64]) -> CopyAudit:
    return audit(stored(prepared, prepared.indices("validation")), held_out, prepared, seed=0)


@pytest.fixture(scope="module")
def library(prepared: Prepared) -> Library:
    with torch.no_grad():
        return Library(StoredImages(prepared, prepared.indices("train")))


def test_honest_images_raise_no_alarm(honest: CopyAudit) -> None:
    assert honest.verdict == NONE_FOUND and honest.p > 0.01
    assert honest.found.low == 0 and honest.found.share < 0.05 and honest.false_alarms < 0.05 and honest.alarms < 0.1
    assert honest.membership.low < 0.5 < honest.membership.high + 0.1


@pytest.mark.parametrize("way", WAYS)
def test_each_copyist_is_caught_alone_and_in_a_mixture(
    way: str, prepared: Prepared, held_out: NDArray[np.int64]
) -> None:
    rng = np.random.default_rng(1)
    copied = prepared.indices("train")[::4]
    copies = quantised(WAYS[way](stored(prepared, copied), rng), prepared.levels)
    whole = audit(copies, held_out, prepared, seed=0)
    # Two blocks of JPEG a side leave little of an image of 16 pixels.
    assert whole.verdict == FOUND and whole.found.low > (0.2 if way in ("JPEG 50", "all at once") else 0.5)
    mixed = np.concatenate([copies[:24], stored(prepared, prepared.indices("validation"))[:96]])
    assert audit(mixed, held_out, prepared, seed=0).verdict != NONE_FOUND


@pytest.mark.parametrize("way", WAYS)
def test_the_source_of_a_copy_is_found_and_laid_on_it(way: str, prepared: Prepared, library: Library) -> None:
    learnt = prepared.indices("train")
    copies = WAYS[way](stored(prepared, learnt[::4]), np.random.default_rng(2))
    with torch.no_grad():
        matches = library.match(copies)
    assert (matches.index == np.arange(len(learnt))[::4]).mean() > 0.8


def test_an_image_is_moved_as_it_says() -> None:
    image = torch.zeros(1, 1, 16, 16)
    image[0, 0, 8, 5] = 1
    there = moved(image, torch.tensor([2 / 16]), torch.tensor([-3 / 16]), torch.zeros(1))
    assert there[0, 0, 5, 7] > 0.99 and there.sum() == pytest.approx(1, abs=1e-4)
    angle = torch.tensor([0.1])
    again = moved(moved(image, torch.zeros(1), torch.zeros(1), angle), torch.zeros(1), torch.zeros(1), -angle)
    assert again[0, 0].argmax() == image[0, 0].argmax()


@pytest.mark.parametrize(("size", "side"), [(16, 16), (32, 32), (64, 64), (128, 64), (256, 64)])
def test_thumbnails_are_small_and_keep_the_mean(size: int, side: int) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (3, 3, size, size)).astype(np.float32)
    small = thumbnails(images)
    assert small.shape == (3, side, side)
    assert small.mean(dim=(1, 2)).numpy() == pytest.approx(images.mean(axis=(1, 2, 3)), abs=0.02)
    flat = thumbnails(np.full((1, 1, size, size), 0.25, np.float32))
    assert flat.numpy() == pytest.approx(0.25, abs=1e-5)


def test_the_audit_knows_what_it_finds(honest: CopyAudit) -> None:
    assert honest.power.keys() == WAYS.keys() and honest.power["exact"].copies == 1 and honest.planted > 0.8
    weak = replace(honest, power={"seen": Power(0.9, 1.0), "copies": Power(0.89, 1.0), "mixtures": Power(1.0, 0.8)})
    assert weak.unseen == ("copies",) and weak.overlooked == ("mixtures",)


def test_an_audit_comes_back_from_json(honest: CopyAudit) -> None:
    assert audit_of(json.loads(json.dumps(asdict(honest)))) == honest


def test_the_closest_pairs_are_copies_and_shown_beside_held_out_ones(
    prepared: Prepared, held_out: NDArray[np.int64]
) -> None:
    learnt = prepared.indices("train")
    drawn = np.concatenate([stored(prepared, prepared.indices("validation")), stored(prepared, learnt[:5])[..., ::-1]])
    found = audit(drawn, held_out, prepared, seed=0)
    assert len(found.closest) == len(found.held_out) == 10
    nearest = {pair.image: pair for pair in found.closest[:5]}
    assert {image: pair.training for image, pair in nearest.items()} == {120 + i: learnt[i] for i in range(5)}
    assert {pair.image for pair in found.held_out} <= set(held_out.tolist())
    rows = closest_pairs(found, drawn, prepared)
    assert [row.shape for row in rows] == [(10, 1, 16, 16)] * 4
    copy, source, other, _ = (row[0] * 127.5 for row in rows)
    assert np.abs(copy - source).mean() < 1 < np.abs(copy - other).mean()


def test_colour_sixteen_bits_and_no_labels_are_audited(prepared: Prepared, held_out: NDArray[np.int64]) -> None:
    deep = replace(
        prepared,
        spec=replace(prepared.spec, channels=3, classes=0),
        images=prepared.images.repeat(3, axis=3).astype(np.uint16) * 257,
        intensity=Intensity(0, 65535),
        labels=None,
        label_names=(),
    )
    told: list[int] = []
    copies = stored(deep, deep.indices("train")[:60])
    found = audit(copies, held_out[:50], deep, seed=0, done=told.append)
    assert found.verdict == FOUND and found.by_class == {}
    assert told == sorted(told) and told[-1] == queries(deep, 60, 50)


def test_training_images_nearer_to_drawn_ones_are_noticed(prepared: Prepared, held_out: NDArray[np.int64]) -> None:
    drawn = WAYS["noise 8"](stored(prepared, prepared.indices("train")), np.random.default_rng(0))
    found = audit(quantised(drawn, 256), held_out, prepared, seed=0).membership
    assert found.low > 0.9


def test_membership_is_the_mean_over_classes_with_an_interval() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1], 200)
    near = rng.normal(size=400).astype(np.float32) + 100 * classes
    far = rng.normal(size=400).astype(np.float32) + 100 * classes
    same = membership(near.astype(np.float32), far.astype(np.float32), classes, classes)
    assert same.low < 0.5 < same.high and same.high - same.low == pytest.approx(2 * 1.96 * 0.0204, rel=0.15)
    apart = membership((near - 9).astype(np.float32), far.astype(np.float32), classes, classes)
    assert apart.auc == pytest.approx(1, abs=1e-3)
    few = np.zeros(1, np.float32)
    unknown = membership(few, few, np.zeros(1, np.int64), np.zeros(1, np.int64))
    assert (unknown.auc, unknown.low, unknown.high) == (0.5, 0.0, 1.0)


def test_the_chance_of_finds_is_that_of_honest_images() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, 400)
    chances = []
    for _ in range(400):
        scores = rng.normal(size=800).astype(np.float32)
        thresholds = Thresholds.of(scores[:400], classes, each(400), 2)
        chances.append(chance(thresholds.counted(scores[400:], classes)))
    # A discrete chance is below any level at most as often as the level says.
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(chances) < level) < level + 0.02
    assert np.mean(np.array(chances) < 0.2) > 0.05


def test_images_of_one_patient_count_as_one() -> None:
    """As many images of few patients, who are near to training images or not as a whole, raise no alarm."""
    rng, alarms = np.random.default_rng(0), {"patients": 0, "images": 0}
    for _ in range(200):
        patients = np.repeat(np.arange(40), 25).astype(str)
        near = np.repeat(rng.normal(size=(2, 40)), 25, axis=1) + 0.3 * rng.normal(size=(2, 1000))
        held_out, honest = near.astype(np.float32)
        for name, known in (("patients", patients), ("images", each(1000))):
            thresholds = Thresholds.of(held_out, np.zeros(1000, np.int64), known, 1)
            alarms[name] += alarm(thresholds.counted(honest, np.zeros(1000, np.int64)))
    assert alarms["patients"] <= 4 and alarms["images"] > 30
    # What each honest image is expected to be stays.
    (part, _) = thresholds.counted(honest, np.zeros(1000, np.int64))
    by_patient = Thresholds.of(held_out, np.zeros(1000, np.int64), patients, 1)
    assert by_patient.counted(honest, np.zeros(1000, np.int64))[0].expected == pytest.approx(part.expected)


def test_an_audit_that_honest_sets_alarm_may_only_suspect() -> None:
    part = Counted(n=1000, found=110, rank=10, held_out=1000)
    assert verdict([part], 0.02) == FOUND and verdict([part], 0.04) == SUSPECTED
    assert verdict([replace(part, found=10)], 1.0) == NONE_FOUND


def test_a_summary_says_how_many_honest_sets_raise_an_alarm(honest: CopyAudit) -> None:
    few, many = (
        dict(summary(replace(metrics(), copying=replace(honest, alarms=alarms))))["copies"] for alarms in (0.02, 0.04)
    )
    assert ", 2 % of sets" in few and "too many" not in few and ", 4 % of sets, too many to find any for sure" in many


def test_thresholds_are_those_of_the_class_and_small_classes_share_one() -> None:
    classes = np.repeat([0, 1, 2], [200, 60, 40])
    scores = np.arange(300, dtype=np.float32)
    thresholds = Thresholds.of(scores, classes, each(300), 3)
    assert thresholds.group.tolist() == [0, 1, 1] and thresholds.sizes == (200, 100) and thresholds.ranks == (2, 1)
    assert thresholds.below(np.float32([0.5, 150, 199]), np.array([0, 1, 2])).tolist() == [True, True, True]
    assert thresholds.below(np.float32([1, 200, 200]), np.array([0, 1, 2])).tolist() == [False, False, False]
    with_none = Thresholds.of(scores[:200], classes[:200], each(200), 3)
    assert not with_none.below(np.float32([-1e9]), np.array([2])).any()


def test_a_share_is_beyond_false_alarms_and_holds_its_interval() -> None:
    part = Counted(n=1000, found=110, rank=10, held_out=1000)
    found = share([part])
    assert found.share == pytest.approx(0.1, abs=2e-4) and 0.07 < found.low < 0.09
    assert 0.11 < found.high < 0.13
    assert share([replace(part, found=10)]).low == 0 and share([replace(part, n=0, found=0)]).high == 1
    assert verdict([part]) == FOUND and alarm([part]) and not alarm([replace(part, found=15)])


@pytest.mark.slow
def test_of_fifty_honest_sets_at_most_one_raises_an_alarm(prepared: Prepared, library: Library) -> None:
    rest = np.concatenate([prepared.indices("validation"), prepared.indices("test")])
    with torch.no_grad():
        scores = library.match(StoredImages(prepared, rest)).score
    _, patients = np.unique(prepared.patients[rest], return_inverse=True)
    classes, alarms = np.zeros(len(rest) // 2, np.int64), 0
    for seed in range(50):
        order = np.random.default_rng(seed).permutation(patients.max() + 1)
        inside = order[patients] < len(order) // 2
        thresholds = Thresholds.of(scores[inside], classes[: inside.sum()], prepared.patients[rest][inside], 1)
        alarms += alarm(thresholds.counted(scores[~inside], np.zeros((~inside).sum(), np.int64)))
    assert alarms <= 1
