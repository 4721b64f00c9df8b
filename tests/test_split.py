"""Splits: by patient, by class, without leaks, and the same on every machine."""

import random
from collections import Counter, defaultdict

import pytest

from medgan.data.split import SPLITS, check_leaks, split_by_patient
from medgan.errors import MedganError


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
    return split_by_patient(patients, labels, digests, validation=validation, test=test, seed=seed)


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
    with pytest.raises(MedganError, match=rf"class 'rare' has {count} patient.*add images or remove the class"):
        divided(table({"common": 30, "rare": count}))


def test_a_class_of_copies_of_one_image_counts_as_one() -> None:
    rows = table({"common": 30}) + [(f"copy-{i}", "rare", "the same bytes") for i in range(9)]
    with pytest.raises(MedganError, match="class 'rare' has 1 patient"):
        divided(rows)


def test_unlabelled_data_is_one_stratum() -> None:
    patients = [f"p{i}" for i in range(10)]
    splits = split_by_patient(patients, [None] * 10, patients, validation=0.2, test=0.2, seed=0)
    assert Counter(splits) == {"train": 6, "validation": 2, "test": 2}
    with pytest.raises(MedganError, match="the data set has 2 patient"):
        split_by_patient(patients[:2], [None] * 2, patients[:2], validation=0.2, test=0.2, seed=0)


@pytest.mark.parametrize("seed", range(8))
def test_byte_identical_images_of_other_patients_stay_together(seed: int) -> None:
    # A chain: a shares with b and b with c, so all three are one, though a and c share nothing.
    rows = [*table({"ill": 12}), ("a", "ill", "x"), ("b", "ill", "x"), ("b", "ill", "y"), ("c", "ill", "y")]
    splits = divided(rows, seed=seed)
    assert len(set(splits[-4:])) == 1


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
    check_leaks(patients, digests, ["train", "train"])
    with pytest.raises(MedganError, match=f"{what} is in both train and test"):
        check_leaks(patients, digests, ["train", "test"])
