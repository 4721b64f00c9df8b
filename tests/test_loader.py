"""Batches: any step at any time, every image once an epoch, values in [-1, 1]."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from medgan.data.loader import Batches, gather
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.imaging.intensity import Intensity


def numbered(count: int, *, dtype: Any = np.uint8, train: int | None = None) -> Prepared:
    """Images 1 x 1 whose value is their index; the first `train` of them are the train split, the others test."""
    splits = np.array(["train" if train is None or i < train else "test" for i in range(count)])
    return Prepared(
        spec=ImageSpec(1, 1, classes=count),
        images=np.arange(count, dtype=dtype).reshape(count, 1, 1, 1),
        sources=None,
        masks=None,
        labels=np.arange(count, dtype=np.int64),
        label_names=tuple(str(i) for i in range(count)),
        patients=np.array([str(i) for i in range(count)]),
        splits=splits,
        intensity=Intensity(0, int(np.iinfo(dtype).max)),
        direction=None,
        md5="",
    )


def drawn(batches: Batches, step: int) -> list[int]:
    labels = batches.at(step).label
    assert labels is not None
    return [int(label) for label in labels]


@pytest.mark.parametrize("batch", [3, 10, 25])
def test_a_step_is_the_same_in_any_order_and_from_a_fresh_object(batch: int) -> None:
    data = numbered(10)
    forward = Batches(data, "train", batch=batch, seed=1)
    expected = [drawn(forward, step) for step in range(12)]
    backward = Batches(data, "train", batch=batch, seed=1)
    assert [drawn(backward, step) for step in reversed(range(12))] == expected[::-1]
    for step in (0, 5, 11):
        assert drawn(Batches(data, "train", batch=batch, seed=1), step) == expected[step]


@pytest.mark.parametrize("batch", [1, 3, 4, 7, 10, 23])
def test_every_image_comes_once_an_epoch_whatever_the_batch(batch: int) -> None:
    batches = Batches(numbered(10), "train", batch=batch, seed=0)
    stream = [index for step in range(-(-50 // batch)) for index in drawn(batches, step)]
    for epoch in range(5):
        assert sorted(stream[10 * epoch : 10 * epoch + 10]) == list(range(10))


def test_epochs_and_seeds_differ_in_order() -> None:
    batches = Batches(numbered(30), "train", batch=30, seed=0)
    assert drawn(batches, 0) != drawn(batches, 1)
    assert drawn(batches, 0) != drawn(Batches(numbered(30), "train", batch=30, seed=1), 0)


def test_a_batch_has_its_size_at_the_end_of_an_epoch_and_beyond_the_split() -> None:
    data = numbered(10)
    assert all(len(drawn(Batches(data, "train", batch=7, seed=0), step)) == 7 for step in range(5))
    large = Batches(data, "train", batch=25, seed=0)
    for step in range(4):
        counted = np.bincount(drawn(large, step), minlength=10)
        assert counted.sum() == 25
        assert counted.min() >= 1


def test_only_the_split_is_drawn() -> None:
    data = numbered(12, train=8)
    assert sorted(drawn(Batches(data, "train", batch=8, seed=0), 0)) == list(range(8))
    assert sorted(drawn(Batches(data, "test", batch=4, seed=0), 0)) == list(range(8, 12))


def test_an_empty_split_is_a_sentence() -> None:
    with pytest.raises(MedganError, match="validation split is empty"):
        Batches(numbered(4), "validation", batch=2, seed=0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_value_range_becomes_minus_one_to_one(dtype: Any) -> None:
    top = np.iinfo(dtype).max
    data = replace(numbered(3, dtype=dtype), images=np.array([0, top, top // 2], dtype).reshape(3, 1, 1, 1))
    image = gather(data, np.array([0, 1, 2])).image
    assert image.dtype == torch.float32
    assert image.flatten().tolist()[:2] == [-1.0, 1.0]
    assert abs(float(image[2])) <= 1 / top


def test_normalising_can_be_undone_exactly(prepared: Prepared) -> None:
    batch = gather(prepared, np.array([5, 3, 400]))
    assert batch.image.shape == (3, 1, 16, 16)
    undone = np.rint((batch.image.permute(0, 2, 3, 1).numpy() + 1) * 127.5).astype(np.uint8)
    assert np.array_equal(undone, prepared.images[[5, 3, 400]])


def test_label_mask_and_source_belong_to_the_image(prepared: Prepared) -> None:
    assert prepared.labels is not None
    assert prepared.masks is not None
    indices = prepared.indices("test")[[0, 50, 7]]
    batch = gather(replace(prepared, sources=prepared.images), indices)
    assert batch.label is not None
    assert batch.mask is not None
    assert batch.source is not None
    assert batch.label.tolist() == prepared.labels[indices].tolist()
    assert torch.equal(batch.source, batch.image)
    assert batch.mask.shape == (3, 1, 16, 16)
    assert np.array_equal(batch.mask[:, 0].numpy(), prepared.masks[indices][..., 0])


def test_what_the_data_has_not_is_absent() -> None:
    batch = gather(replace(numbered(2), labels=None), np.array([0]))
    assert (batch.label, batch.source, batch.mask) == (None, None, None)


def test_a_batch_may_be_changed_without_changing_the_data(prepared: Prepared) -> None:
    first = gather(prepared, np.array([0]))
    before = first.image.clone()
    first.image.zero_()
    assert torch.equal(gather(prepared, np.array([0])).image, before)


# data.balance


def unequal(*counts: int) -> Prepared:
    """Images 1 x 1 whose value is their index, so many of each class, in a random order."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    return replace(numbered(sum(counts)), labels=labels, label_names=tuple("abcdefgh"[: len(counts)]))


def shown(data: Prepared, step: int, batch: int, *, seed: int = 0, **share: int) -> list[int]:
    """The images of a balanced batch."""
    image = Batches(data, "train", batch=batch, seed=seed, classes=data.labels, **share).at(step).image
    return [round((float(value) + 1) * 127.5) for value in image.flatten()]


@pytest.mark.parametrize("batch", [1, 2, 8, 9, 30])
@pytest.mark.parametrize("counts", [(90, 9), (50, 3, 1), (7,)])
def test_a_balanced_batch_has_as_many_images_of_each_class(batch: int, counts: tuple[int, ...]) -> None:
    data = unequal(*counts)
    assert data.labels is not None
    total = np.zeros(len(counts), np.int64)
    for step in range(60):
        of_class = np.bincount(data.labels[shown(data, step, batch)], minlength=len(counts))
        assert of_class.sum() == batch and of_class.max() - of_class.min() <= 1
        total += of_class
    assert total.max() - total.min() <= 1


def test_every_image_of_a_class_comes_before_one_comes_again() -> None:
    data = unequal(20, 3)
    assert data.labels is not None
    stream = [image for step in range(30) for image in shown(data, step, 8)]
    for code, count in ((0, 20), (1, 3)):
        of_class = [image for image in stream if data.labels[image] == code]
        seen = np.bincount(of_class, minlength=23)[data.labels == code]
        assert len(of_class) == 120 and set(seen) == {120 // count}


def test_a_balanced_batch_depends_on_seed_and_step_alone() -> None:
    data = unequal(40, 5, 9)
    batches = Batches(data, "train", batch=7, seed=3, classes=data.labels)
    forward = [batches.at(step).image.flatten().tolist() for step in range(20)]
    assert [batches.at(step).image.flatten().tolist() for step in reversed(range(20))] == forward[::-1]
    for step in (0, 11):
        fresh = Batches(data, "train", batch=7, seed=3, classes=data.labels).at(step)
        assert fresh.image.flatten().tolist() == forward[step]
    assert shown(data, 4, 7, seed=3) != shown(data, 4, 7, seed=4)


def test_processes_share_the_rows_of_a_balanced_batch_and_each_has_several_classes() -> None:
    data = unequal(40, 10)
    assert data.labels is not None
    mixed = 0
    for step in range(20):
        whole, parts = shown(data, step, 8), [shown(data, step, 8, rank=rank, size=2) for rank in (0, 1)]
        assert [image for pair in zip(*parts, strict=True) for image in pair] == whole
        mixed += len(set(data.labels[parts[0]])) == 2
    assert mixed > 15  # classes that took turns in this order would give each process one of them


def test_only_the_split_is_drawn_in_equal_shares() -> None:
    data = unequal(30, 30)
    assert data.labels is not None
    splits = np.where((data.labels == 1) & (np.arange(60) % 2 == 0), "test", "train")
    data = replace(data, splits=splits)
    assert {str(splits[image]) for step in range(40) for image in shown(data, step, 8)} == {"train"}


def test_balance_without_classes_is_a_sentence() -> None:
    assert numbered(4).balanced(True).balance and not numbered(4).balanced(False).balance
    with pytest.raises(MedganError, match=r"data.balance is true and these images have no classes; set data.balance"):
        replace(numbered(4), labels=None).balanced(True)
    assert not replace(numbered(4), labels=None).balanced(False).balance


def unpaired(patients: list[str], *, train: int | None = None) -> Prepared:
    """Images and sources 1 x 1 whose value is their index."""
    data = numbered(len(patients), train=train)
    return replace(data, sources=data.images, patients=np.array(patients))


def sources(batches: Batches, step: int) -> list[int]:
    source = batches.at(step).source
    assert source is not None and source.dtype == torch.float32 and source.shape[1:] == (1, 1, 1)
    return [round((float(value) + 1) * 127.5) for value in source.flatten()]


PATIENTS = [*"aaaabbbcccd", *"eee"]  # the last three, of whom nothing may be seen, are of the test split


def test_pairs_stay_together() -> None:
    batches = Batches(unpaired(PATIENTS, train=11), "train", batch=4, seed=0)
    for step in range(20):
        assert sources(batches, step) == drawn(batches, step)


@pytest.mark.parametrize("batch", [1, 4, 30])
def test_unpaired_sources_are_of_other_patients_of_the_split(batch: int) -> None:
    """All of them turn up, beside every image of another patient."""
    data = unpaired(PATIENTS, train=11)
    batches = Batches(data, "train", batch=batch, seed=0, paired=False)
    seen = {
        pair for step in range(2000 // batch) for pair in zip(drawn(batches, step), sources(batches, step), strict=True)
    }
    possible = {(i, j) for i in range(11) for j in range(11) if PATIENTS[i] != PATIENTS[j]}
    assert seen == possible


def test_images_come_in_the_same_order_with_pairs_and_without() -> None:
    data = unpaired(PATIENTS)
    paired, strangers = (Batches(data, "train", batch=5, seed=3, paired=value) for value in (True, False))
    assert [drawn(paired, step) for step in range(9)] == [drawn(strangers, step) for step in range(9)]


def test_unpaired_sources_depend_on_seed_and_step_alone() -> None:
    data = unpaired(PATIENTS * 4)

    def found(seed: int, steps: range) -> list[list[int]]:
        batches = Batches(data, "train", batch=8, seed=seed, paired=False)
        return [sources(batches, step) for step in steps]

    first = found(1, range(10))
    assert found(1, range(9, -1, -1)) == first[::-1]
    assert found(1, range(7, 8)) == first[7:8]
    other = found(2, range(10))
    assert not any(one == two for one, two in zip(first, other, strict=True))
    assert len({tuple(one) for one in first}) == 10


@pytest.mark.parametrize("patients", [["a", "a", "a", "b"], ["a", "b", "b", "b"]])
def test_a_patient_with_most_images_has_the_sources_of_the_few_others(patients: list[str]) -> None:
    batches = Batches(unpaired(patients), "train", batch=16, seed=0, paired=False)
    for step in range(5):
        pairs = zip(drawn(batches, step), sources(batches, step), strict=True)
        assert all(patients[image] != patients[source] for image, source in pairs)


@pytest.mark.parametrize("patients", [["a"], ["a"] * 5, ["a"] * 5 + ["b"]])
def test_a_single_patient_has_no_strangers(patients: list[str]) -> None:
    """Patients of other splits do not help."""
    train = patients.count("a")
    with pytest.raises(MedganError, match="unpaired training needs two patients in the train split"):
        Batches(unpaired(patients, train=train), "train", batch=4, seed=0, paired=False).at(0)
    assert len(Batches(unpaired(patients, train=train), "train", batch=4, seed=0).at(0).image) == 4
