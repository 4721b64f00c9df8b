"""Splits: by patient, by class, without leaks, and the same on every machine."""

import random
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from medgan.data.spec import SPARE, SPLITS
from medgan.errors import MedganError
from medgan.sources.split import check_leaks, limit_training, split_by_patient


def table(patients: dict[str, int], images: int = 3) -> list[tuple[str, str, str]]:
    """(patient, label, digest) of so many patients a class, each image distinct."""
    return [
        (f"{label}-{patient}", label, f"{label}-{patient}-{image}")
        for label, count in patients.items()
        for patient in range(count)
        for image in range(images)
    ]


def divided(
    rows: list[tuple[str, str, str]], *, validation: float = 0.2, test: float = 0.2, seed: int = 0
) -> list[str]:
    patients, labels, digests = zip(*rows, strict=True)
    return split_by_patient(patients, labels, {"image": digests}, validation=validation, test=test, seed=seed)


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_is_in_two_splits(seed: int) -> None:
    rows = table({"ill": 20, "healthy": 7})
    seen: dict[str, set[str]] = defaultdict(set)
    for (patient, _, _), split in zip(rows, divided(rows, seed=seed), strict=True):
        seen[patient].add(split)
    assert all(len(splits) == 1 for splits in seen.values())


@pytest.mark.parametrize(("validation", "test"), [(0.2, 0.2), (0.1, 0.3), (0.25, 0.05)])
def test_every_class_has_its_share_of_every_split(validation: float, test: float) -> None:
    rows = table({"ill": 200, "healthy": 40})
    counted = Counter(
        (label, split)
        for (_, label, _), split in zip(rows, divided(rows, validation=validation, test=test), strict=True)
    )
    for label, count in (("ill", 200), ("healthy", 40)):
        assert counted[label, "validation"] == 3 * round(validation * count)
        assert counted[label, "test"] == 3 * round(test * count)
        assert counted[label, "train"] == 3 * (count - round(validation * count) - round(test * count))


@pytest.mark.parametrize("count", [3, 4, 5])
def test_a_tiny_class_still_fills_every_split(count: int) -> None:
    rows = table({"rare": count, "common": 100}, images=1)
    rare = [split for (_, label, _), split in zip(rows, divided(rows), strict=True) if label == "rare"]
    assert set(rare) == set(SPLITS)


@pytest.mark.parametrize("share", [0.39, 0.399])
def test_shares_that_round_up_leave_training_images(share: float) -> None:
    rows = table({"rare": 4}, images=1)
    assert "train" in divided(rows, validation=share, test=share)


@pytest.mark.parametrize("count", [1, 2])
def test_a_class_too_small_for_three_splits_is_named(count: int) -> None:
    with pytest.raises(MedganError, match=rf"class 'rare' has {count} group.*add images .*leave the class out .*merge"):
        divided(table({"common": 30, "rare": count}))


def test_a_class_of_copies_of_one_image_counts_as_one() -> None:
    rows = table({"common": 30}) + [(f"copy-{i}", "rare", "the same bytes") for i in range(9)]
    with pytest.raises(MedganError, match="class 'rare' has 1 group"):
        divided(rows)


def test_unlabelled_data_is_one_stratum() -> None:
    patients = [f"p{i}" for i in range(10)]
    splits = split_by_patient(patients, [None] * 10, {}, validation=0.2, test=0.2, seed=0)
    assert Counter(splits) == {"train": 6, "validation": 2, "test": 2}
    with pytest.raises(MedganError, match="the data set has 2 group"):
        split_by_patient(patients[:2], [None] * 2, {}, validation=0.2, test=0.2, seed=0)


@pytest.mark.parametrize("seed", range(8))
def test_byte_identical_images_of_other_patients_stay_together(seed: int) -> None:
    # A chain: a shares with b and b with c, so all three are one, though a and c share nothing.
    rows = [*table({"ill": 12}), ("a", "ill", "x"), ("b", "ill", "x"), ("b", "ill", "y"), ("c", "ill", "y")]
    splits = divided(rows, seed=seed)
    assert len(set(splits[-4:])) == 1


def test_any_number_of_kinds_of_keys_keeps_images_together() -> None:
    """A chain over two kinds; keys of two kinds that read alike, and keys that are missing, join nothing."""
    patients = [f"p{index:02}" for index in range(30)]
    digests: list[str | None] = [f"d{index}" for index in range(30)]
    looks: list[str | None] = [None] * 30
    digests[4] = digests[20]
    looks[20] = looks[9] = "alike"
    looks[7], digests[8] = "d8", "d8"
    joined = 0
    for seed in range(20):
        splits = split_by_patient(
            patients, [None] * 30, {"image": digests, "look": looks}, validation=0.3, test=0.3, seed=seed
        )
        assert splits[4] == splits[20] == splits[9]
        joined += splits[7] == splits[8]
    assert joined < 20
    with pytest.raises(MedganError, match="look 'alike' is in both test and train"):
        check_leaks({"look": looks}, ["test" if index == 9 else "train" for index in range(30)])


def test_the_order_of_the_images_changes_nothing() -> None:
    rows = [*table({"ill": 15, "healthy": 9}), ("z", "ill", "ill-3-0"), ("a", "healthy", "healthy-2-1")]
    expected = dict(zip(rows, divided(rows), strict=True))
    for seed in range(5):
        shuffled = random.Random(seed).sample(rows, len(rows))
        assert dict(zip(shuffled, divided(shuffled), strict=True)) == expected


def test_a_patient_with_images_of_two_equally_frequent_classes_does_not_depend_on_order() -> None:
    rows = table({"ill": 6, "healthy": 6}, images=1)
    rows += [(f"mixed-{i}", label, f"{i}-{label}") for i in range(4) for label in ("ill", "healthy")]
    expected = dict(zip(rows, divided(rows), strict=True))
    backwards = rows[::-1]
    assert dict(zip(backwards, divided(backwards), strict=True)) == expected


def test_the_seed_decides() -> None:
    rows = table({"ill": 40})
    assert divided(rows, seed=3) == divided(rows, seed=3)
    assert divided(rows, seed=3) != divided(rows, seed=4)


def test_one_more_patient_moves_few_others() -> None:
    rows = table({"ill": 100}, images=1)
    before = dict(zip(rows, divided(rows), strict=True))
    more = [*rows, ("newcomer", "ill", "newcomer")]
    after = dict(zip(more, divided(more), strict=True))
    assert sum(before[row] != after[row] for row in rows) <= 2


@pytest.mark.parametrize(
    ("patients", "digests", "what"),
    [(["a", "a"], ["x", "y"], "patient 'a'"), (["a", "b"], ["x", "x"], "image 'x'")],
)
def test_leaks_are_found(patients: list[str], digests: list[str], what: str) -> None:
    keys = {"patient": patients, "image": digests}
    check_leaks(keys, ["train", "train"])
    with pytest.raises(MedganError, match=f"{what} is in both train and test"):
        check_leaks(keys, ["train", "test"])


# data.train_per_class

MIXED = [*table({"ill": 30, "healthy": 12, "rare": 4}), *table({"once": 20}, images=1)]


def limited(rows: list[tuple[str, str, str]], per_class: int, *, seed: int = 0) -> list[str]:
    patients, labels, _ = zip(*rows, strict=True)
    return limit_training(divided(rows), labels, patients, per_class=per_class, seed=seed)


def in_train(rows: list[tuple[str, str, str]], splits: list[str]) -> set[tuple[str, str, str]]:
    return {row for row, split in zip(rows, splits, strict=True) if split == "train"}


@pytest.mark.parametrize("per_class", [1, 2, 5, 8, 20, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_each_class_keeps_so_many_training_images_or_all_that_it_has(per_class: int, seed: int) -> None:
    available = Counter(label for _, label, _ in in_train(MIXED, divided(MIXED)))
    kept = Counter(label for _, label, _ in in_train(MIXED, limited(MIXED, per_class, seed=seed)))
    assert kept == {label: min(per_class, count) for label, count in available.items()}
    assert len(set(available.values())) > 2  # classes of several sizes


@pytest.mark.parametrize("per_class", [1, 5, 1000])
def test_a_limit_turns_training_images_spare_and_moves_no_other(per_class: int) -> None:
    changes = Counter(zip(divided(MIXED), limited(MIXED, per_class), strict=True))
    assert changes.keys() <= {(split, split) for split in SPLITS} | {("train", SPARE)}
    assert (("train", SPARE) in changes) == (per_class < 1000)


def test_a_limit_does_not_write_into_the_splits_that_it_is_given() -> None:
    splits = ["train"] * 4
    assert Counter(limit_training(splits, ["a"] * 4, list("wxyz"), per_class=1, seed=0)) == {"train": 1, SPARE: 3}
    assert splits == ["train"] * 4


def test_the_seed_decides_which_training_images_stay() -> None:
    assert limited(MIXED, 5, seed=3) == limited(MIXED, 5, seed=3)
    assert limited(MIXED, 5, seed=3) != limited(MIXED, 5, seed=4)


def test_a_higher_limit_keeps_what_a_lower_one_kept() -> None:
    kept = [in_train(MIXED, limited(MIXED, per_class)) for per_class in (1, 2, 5, 8, 1000)]
    assert all(fewer < more for fewer, more in pairwise(kept))


@pytest.mark.parametrize("per_class", [1, 4, 6, 7, 20])
@pytest.mark.parametrize("seed", range(3))
def test_a_limit_divides_one_patient_a_class_at_most(per_class: int, seed: int) -> None:
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (patient, label, _), split in zip(MIXED, limited(MIXED, per_class, seed=seed), strict=True):
        seen[label, patient].add(split)
    divided_patients = Counter(label for (label, _), splits in seen.items() if len(splits) > 1)
    assert all(count == 1 for count in divided_patients.values())
    # Three images a patient: where that fits, nobody is divided.
    assert set(divided_patients) <= (set() if per_class % 3 == 0 else {"ill", "healthy", "rare"})


def test_a_limit_is_counted_within_each_class_of_a_patient_with_several() -> None:
    rows = [(f"p{i}", label, f"{i}-{label}") for i in range(20) for label in ("ill", "healthy")]
    kept = in_train(rows, limited(rows, 4))
    assert Counter(label for _, label, _ in kept) == {"ill": 4, "healthy": 4}
    assert len({patient for patient, _, _ in kept}) == 4  # all images of four patients, not one each of eight


def test_the_patients_that_stay_do_not_depend_on_the_order_of_the_images() -> None:
    expected = {patient for patient, _, _ in in_train(MIXED, limited(MIXED, 7))}
    for seed in range(5):
        shuffled = random.Random(seed).sample(MIXED, len(MIXED))
        assert {patient for patient, _, _ in in_train(shuffled, limited(shuffled, 7))} == expected


def test_without_labels_the_limit_is_of_all_images() -> None:
    patients = [f"p{i // 2}" for i in range(40)]
    splits = ["train"] * 30 + ["validation"] * 6 + ["test"] * 4
    counted = Counter(limit_training(splits, [None] * 40, patients, per_class=7, seed=0))
    assert counted == {"train": 7, SPARE: 23, "validation": 6, "test": 4}
