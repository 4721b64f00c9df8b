"""Regimes, classifiers that learn from them, and the verdict in words."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medgan.config.judging import UtilityConfig
from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.evaluation.generators import Inputs
from medgan.gans import build_gan
from medgan.imaging.arrays import Images
from medgan.scores.classifying import Labelled, Lessons, PlainCnn, learn_classes
from medgan.usefulness import classifiers
from medgan.usefulness.classifiers import CLASSIFIERS, classifier
from medgan.usefulness.judging import judge
from medgan.usefulness.material import held_out, pool, too_few
from medgan.usefulness.regimes import ALONE, AUGMENTED, LEVELLED, REAL, Regime, candidates, drawn_labels, with_drawn
from medgan.usefulness.report import HARMED, HELPED, UNSEEN, from_tree, to_tree
from medgan.usefulness.results import why_not_asked
from medgan.usefulness.running import on_cores
from medgan.usefulness.study import HeldOut, Joined, Key, Method, Outcome, Pool, Study, Task, learn, study

REAL_LABELS = np.repeat([0, 1], [6, 2])


@pytest.mark.parametrize(
    ("regime", "drawn", "copies"),
    [
        (REAL, (0, 0), (0, 0)),
        (AUGMENTED, (0, 0), (0, 0)),
        (with_drawn(0.5), (3, 1), (0, 0)),
        (with_drawn(2), (12, 4), (0, 0)),
        (with_drawn(2).control, (0, 0), (12, 4)),
        (LEVELLED, (0, 4), (0, 0)),
        (LEVELLED.control, (0, 0), (0, 4)),
    ],
)
def test_a_regime_adds_as_many_images_of_a_class_as_it_says(
    regime: Regime, drawn: tuple[int, int], copies: tuple[int, int]
) -> None:
    labels = drawn_labels([with_drawn(2), LEVELLED], np.bincount(REAL_LABELS), most=100)
    assert np.bincount(labels).tolist() == [12, 4]
    rows = regime.rows(REAL_LABELS, labels, seed=0)
    all_labels = np.concatenate([REAL_LABELS, labels])
    added = rows[rows >= len(REAL_LABELS)]
    assert np.bincount(all_labels[added], minlength=2).tolist() == list(drawn)
    assert len(np.unique(added)) == len(added)
    own = rows[rows < len(REAL_LABELS)]
    assert np.bincount(REAL_LABELS[own], minlength=2).tolist() == [6 + copies[0], 2 + copies[1]]
    # Each real one as often as another of its class, or once more.
    times = np.bincount(own)
    assert all(np.ptp(times[kind == REAL_LABELS]) <= 1 for kind in (0, 1))


def test_drawn_images_alone_are_as_many_as_the_real_ones() -> None:
    labels = drawn_labels([ALONE], np.bincount(REAL_LABELS), most=100)
    rows = ALONE.rows(REAL_LABELS, labels, seed=0)
    assert rows.tolist() == list(range(8, 16)) and np.array_equal(labels, REAL_LABELS)


def test_of_more_images_than_are_looked_at_some_stand_in_twice() -> None:
    labels = drawn_labels([with_drawn(2)], np.bincount(REAL_LABELS), most=5)
    assert np.bincount(labels).tolist() == [5, 4]
    rows = with_drawn(2).rows(REAL_LABELS, labels, seed=0)
    assert len(rows) == 8 + 16 and np.bincount(rows[rows >= 8]).max() == 3


def test_of_a_class_that_was_not_drawn_nothing_is_added() -> None:
    rows = with_drawn(1).rows(REAL_LABELS, np.zeros(6, np.int64), seed=0)
    assert rows.tolist() == list(range(8 + 6))


def test_classes_are_levelled_only_where_they_differ() -> None:
    assert candidates([1], np.array([5, 5]), level=True) == [with_drawn(1)]
    assert candidates([1], np.array([5, 4]), level=True) == [with_drawn(1), LEVELLED]
    assert candidates([1], np.array([5, 4]), level=False) == [with_drawn(1)]


def test_a_class_with_few_images_weighs_in_no_joint_of_sets() -> None:
    first, second = (np.full((n, 1, 2, 2), value, np.float32) for n, value in ((3, 0.0), (2, 1.0)))
    joined = Joined(first, second)
    assert len(joined) == 5 and joined.shape == (5, 1, 2, 2)
    assert joined[np.array([4, 0, 3, 3])][:, 0, 0, 0].tolist() == [1, 0, 1, 1]


LESSONS = Lessons(steps=30, batch=16, learning_rate=1e-2, augment=("translation",))


def squares(n: int, seed: int = 0) -> Labelled:
    """Images with a bright square in one of two halves."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    images = rng.normal(scale=0.3, size=(n, 1, 16, 16)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        row, column = rng.integers(2, 10), rng.integers(2, 10)
        image[0, row : row + 4, column : column + (4 if label else 1)] += 2
    return Labelled(images, labels)


HELD_OUT = HeldOut(squares(60, 1), squares(80, 2), np.arange(80))


def test_a_classifier_learns_and_repeats_itself_to_the_bit() -> None:
    build = partial(PlainCnn, 1, 2)
    found = [
        learn_classes(build, squares(200), np.arange(200), HELD_OUT.validation, LESSONS, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert found[0].validation > 0.8 and len(found[0].course) == 10
    weights = [each.network.state_dict() for each in found]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert found[0].course == found[1].course != found[2].course


def in_turn(tasks: Mapping[Key, Task]) -> dict[Key, Outcome]:
    return {key: task() for key, task in tasks.items()}


def method(seed: int = 0) -> Method:
    return Method(partial(classifier, "cnn", ImageSpec(16, 1, 2)), LESSONS, seed)


def pools(drawn: Labelled, seeds: int = 3) -> list[Pool]:
    return [Pool(squares(20, 10 + seed), drawn) for seed in range(seeds)]


def test_a_study_chooses_on_validation_images_and_trains_its_control() -> None:
    better, worse = with_drawn(2), with_drawn(1)
    found = study(pools(squares(100, 3)), [worse, better], HELD_OUT, method(), in_turn)
    trained = {"real", "augmented", "drawn alone", "drawn x1", "drawn x2"}
    assert set(found.outcomes) == {*trained, found.chosen.name.replace("drawn", "copies")}
    means = {name: np.mean([each.validation for each in found.outcomes[name]]) for name in ("drawn x1", "drawn x2")}
    assert found.chosen.name == max(means, key=lambda name: means[name])
    assert [each.images for each in found.outcomes["drawn x1"]] == [40] * 3
    assert found.answers(AUGMENTED).shape == (3, 80, 2)


@pytest.mark.parametrize("processes", [1, 2])
def test_any_number_of_processes_comes_to_the_same_bits(processes: int) -> None:
    tasks = {
        ("x", n): partial(learn, with_drawn(1), each, HELD_OUT, method(), seed=n)
        for n, each in enumerate(pools(squares(40, 3), 2))
    }
    told: list[int] = []
    elsewhere = on_cores(tasks, processes=processes, progress=told.append)
    assert told == [1, 2]
    for key, outcome in in_turn(tasks).items():
        assert np.array_equal(outcome.answers, elsewhere[key].answers)


def killed() -> Outcome:
    os._exit(9)


def test_a_process_that_is_killed_is_a_sentence() -> None:
    with pytest.raises(MedganError, match=r"was killed, .* lower utility\.batch"):
        on_cores({("x", 0): partial(killed)}, processes=2)


class Shades:
    """Draws even images, brighter ones of later classes."""

    inputs, latent_dim = ("z", "label"), 1

    def draw(self, inputs: Inputs, /) -> Images:
        shade = inputs["label"] / 4 + inputs["z"][:, 0] / 100
        return np.broadcast_to(shade[:, None, None, None], (len(shade), 1, 16, 16)).astype(np.float32)


def test_a_generator_fills_the_pool_under_the_conditions_of_the_real_images(prepared: Prepared) -> None:
    real = prepared.indices("train")
    found = pool(Shades(), prepared, real, [with_drawn(0.5)], looks=50, seed=0)
    assert found.counts.tolist() == np.bincount(found.real.labels).tolist()
    assert np.bincount(found.drawn.labels).max() <= 50
    shades = [found.drawn.images[found.drawn.labels == kind].mean() for kind in range(prepared.spec.classes)]
    assert np.allclose(shades, np.arange(prepared.spec.classes) / 4, atol=0.02)
    levels = (found.drawn.images[:] + 1) * 127.5
    assert np.allclose(levels, np.rint(levels), atol=1e-4)
    images = held_out(prepared, 40, 0)
    assert 18 < len(images.validation) < 22 and 38 < len(images.test) == len(images.patients) < 42
    assert np.bincount(images.test.labels).min() >= 10 and not too_few(prepared)
    rare = np.where(prepared.labels == 2, 1, prepared.labels)
    rare[prepared.indices("test")[:7]] = 2
    images, few = held_out(replace(prepared, labels=rare), 40, 0), too_few(replace(prepared, labels=rare))
    assert (images.test.labels == 2).sum() == 5 and few == ["0 validation images of tumour"]
    with pytest.raises(MedganError, match="no classes"):
        held_out(replace(prepared, labels=None), 40, 0)


def level(prepared: Prepared) -> Prepared:
    """The same data with as many training images of each class."""
    splits, labels = prepared.splits.copy(), prepared.labels
    assert labels is not None
    rows = [np.flatnonzero((splits == "train") & (labels == kind)) for kind in range(prepared.spec.classes)]
    for of_class in rows:
        splits[of_class[min(map(len, rows)) :]] = "spare"
    return replace(prepared, splits=splits)


@pytest.mark.parametrize(
    ("asked", "changes", "reason"),
    [
        ({}, {}, ""),
        ({"seeds": 0}, {}, "utility.seeds is 0"),
        ({}, {"gan.conditional": False}, "its generator is not told the class, so nobody knows what it has drawn"),
        ({"ratios": ()}, {}, "utility.ratios names none, and the classes are level already"),
    ],
)
def test_it_is_said_why_nobody_asks(
    asked: dict[str, Any], changes: dict[str, Any], reason: str, prepared: Prepared, config: Config
) -> None:
    data, gan = level(prepared), build_gan(config.override(changes).gan, prepared.spec)
    assert why_not_asked(UtilityConfig(**asked), gan, data) == reason
    if reason or data.labels is None:
        return
    for splits, sentence in (
        (np.where(data.labels == 1, "test", data.splits), "there is no training image of infarct"),
        (np.where((data.labels == 1) & (data.splits == "test"), "train", data.splits), "there are only 0 test images"),
    ):
        assert why_not_asked(UtilityConfig(), gan, replace(data, splits=splits)).startswith(sentence)
    assert "of one kind" in why_not_asked(UtilityConfig(), gan, replace(data, spec=replace(data.spec, classes=1)))


def answers(labels: np.ndarray, right: float, seed: int) -> np.ndarray:
    """Of ten seeds, answers that are right in this share of the images."""
    rng = np.random.default_rng(seed)
    hits = rng.uniform(size=(10, len(labels))) < right
    return np.eye(2, dtype=np.float32)[np.where(hits, labels, 1 - labels)]


_MANY = Labelled(np.zeros((800, 1, 1, 1), np.float32), np.arange(800) % 2)
HELD_OUT_OF_MANY = HeldOut(_MANY, _MANY, np.arange(800))


def made(counts: int, ours: float, alone: float, copies: float) -> Study:
    shares = {"real": alone, "augmented": alone, "drawn alone": alone, "drawn x1": ours, "copies x1": copies}
    course = ((10, 0.5), (20, 0.7), (30, 0.6))
    outcomes = {
        name: [Outcome(100, 0.7, course, each) for each in answers(_MANY.labels, share, number + counts)]
        for number, (name, share) in enumerate(shares.items())
    }
    return Study(with_drawn(1), np.array([counts, counts]), outcomes)


def judged(*studies: Study) -> tuple[str, str]:
    found = judge(studies, HELD_OUT_OF_MANY, ["healthy", "ill"], classifier="cnn", steps=30, seed=0)
    assert from_tree(json.loads(json.dumps(to_tree(found)))) == found
    assert (found.seeds, found.n, found.patients, found.steps) == (10, 800, 800, 30)
    return found.verdict, found.sentence


def test_drawn_images_that_beat_augmentation_and_copies_have_helped() -> None:
    word, sentence = judged(made(100, 0.9, 0.8, 0.8))
    assert word == HELPED
    gain = r"\(\+\d+\.\d points \[\+\d+\.\d, \+\d+\.\d\]\)"
    assert re.fullmatch(
        r"helped with 100 real images a class: (89|90)\.\d % of test images told right \(mean of classes\) with 1 "
        rf"drawn to each real image, (79|80)\.\d % with augmentation alone {gain}, "
        rf"(79|80)\.\d % with 1 copied to each real image {gain}; "
        r"type I errors: \d+\.\d % of others called (healthy|ill), \d+\.\d % with augmentation alone "
        r"\([+-]\d+\.\d points \[[+-]\d+\.\d, [+-]\d+\.\d\]\)",
        sentence,
    )


@pytest.mark.parametrize(("alone", "copies"), [(0.9, 0.8), (0.8, 0.9), (0.9, 0.9)])
def test_who_beats_one_of_both_alone_has_not_helped(alone: float, copies: float) -> None:
    word, sentence = judged(made(100, 0.9, alone, copies))
    assert word == UNSEEN
    assert re.search(r"; \d+\.\d points would have been seen four times out of five; type I", sentence)


def test_worse_than_augmentation_alone_is_harm_and_worse_than_copies_is_not() -> None:
    assert judged(made(100, 0.8, 0.9, 0.8))[0] == HARMED
    assert judged(made(100, 0.8, 0.8, 0.9))[0] == UNSEEN


def test_of_several_sizes_each_has_its_word() -> None:
    word, sentence = judged(made(50, 0.9, 0.8, 0.8), made(100, 0.9, 0.8, 0.8), made(1000, 0.9, 0.9, 0.9))
    assert word == HELPED
    start = "helped with 50, 100, no difference seen with 1,000 real images a class; with 50: "
    assert sentence.startswith(start)


def test_classifiers_that_might_have_learnt_more_are_named() -> None:
    rising = made(100, 0.9, 0.8, 0.8)
    for last, said in ((0.7, True), (0.601, False)):
        late = [replace(each, course=((10, 0.6), (20, last))) for each in rising.outcomes["real"]]
        _, sentence = judged(replace(rising, outcomes={**rising.outcomes, "real": late}))
        assert sentence.endswith("; classifiers had not learnt to the end: raise utility.steps") is said


def test_a_class_that_is_drawn_as_another_shows_in_the_errors_of_type_1() -> None:
    honest, labels = made(100, 0.9, 0.9, 0.9), _MANY.labels
    turned = np.where((labels == 1) & (np.arange(800) % 4 == 1), 0, labels)
    called = [replace(each, answers=np.eye(2, dtype=np.float32)[turned]) for each in honest.outcomes["drawn x1"]]
    mixed = replace(honest, outcomes={**honest.outcomes, "drawn x1": called})
    found = judge([mixed], HELD_OUT_OF_MANY, ["healthy", "ill"], classifier="cnn", steps=30, seed=0)
    assert found.sizes[0].type_1["healthy"].low > 0.3 and found.sizes[0].type_1["ill"].high < 0
    assert "50.0 % of others called healthy, " in found.sentence


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_every_classifier_learns_from_grey_and_colour_images(name: str) -> None:
    for channels in (1, 3):
        network = classifier(name, ImageSpec(32, channels, 4))
        assert network(torch.zeros(2, channels, 32, 32)).shape == (2, 4)
    if name != "cnn":
        with pytest.raises(MedganError, match=r"not 2 channels; set utility\.classifier: cnn"):
            classifier(name, ImageSpec(32, 2, 4))


@pytest.mark.slow
def test_local_weights_are_checked_and_all_but_the_last_layer_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import resnet18

    published, spec = tmp_path / "weights.pth", ImageSpec(32, 1, 2)
    torch.save(resnet18(num_classes=1000).state_dict(), published)
    with pytest.raises(MedganError, match=r"is not what torchvision publishes for resnet18; fetch https://.*f37072fd"):
        classifier("resnet18", spec, published)
    monkeypatch.setattr(classifiers, "file_digest", lambda path: "f37072fd00000000")
    network = classifier("resnet18", spec, published)
    state = torch.load(published, weights_only=True)
    assert torch.equal(network.state_dict()["network.conv1.weight"], state["conv1.weight"])
    assert network.state_dict()["network.fc.weight"].shape == (2, 512)
    with pytest.raises(MedganError, match="does not exist; fetch https://"):
        classifier("resnet18", spec, tmp_path / "none.pth")
    with pytest.raises(MedganError, match="nobody publishes weights of cnn"):
        classifier("cnn", spec, published)
    torch.save({"conv1.weight": state["conv1.weight"]}, published)
    with pytest.raises(MedganError, match=r"lacks the layers bn1, fc, .* of resnet18"):
        classifier("resnet18", spec, published)
