"""Splits of many random data sets: what must hold for each of them, whatever the patients, copies and classes."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medgan.data.spec import SPLITS
from medgan.errors import MedganError
from medgan.sources.every_split import moves
from medgan.sources.split import _ends, split_by_patient


@dataclass(frozen=True)
class Row:
    """An image. digest, look: shared by identical images, and by near-copies."""

    patient: str
    label: str
    digest: str
    look: str | None = None
    tested: bool | None = None


def grouped(rows: Sequence[Row]) -> list[int]:
    """The number of each image's group, found another way than by the code under test."""
    shared: dict[tuple[str, str], int] = {}
    edges = [
        (index, shared.setdefault((kind, key), index))
        for index, row in enumerate(rows)
        for kind, key in (("patient", row.patient), ("digest", row.digest), ("look", row.look))
        if key is not None
    ]
    graph = coo_array((np.ones(len(edges)), tuple(zip(*edges, strict=True))), (len(rows),) * 2)
    found: list[int] = connected_components(graph, directed=False)[1].tolist()
    return found


def holders(rows: Sequence[Row]) -> dict[str, set[int]]:
    """Groups that have images of each class."""
    found: dict[str, set[int]] = defaultdict(set)
    for row, group in zip(rows, grouped(rows), strict=True):
        found[row.label].add(group)
    return found


def divided(rows: Sequence[Row], *, share: float = 0.2, seed: int = 0) -> list[str]:
    return split_by_patient(
        [row.patient for row in rows],
        [row.label for row in rows],
        {"image": [row.digest for row in rows], "near-copy": [row.look for row in rows]},
        validation=share,
        test=share,
        seed=seed,
        published=[row.tested for row in rows],
    )


def made(rng: np.random.Generator, *, published: bool = False, pure: bool = False) -> list[Row]:
    """Patients of one class mostly, and of rare ones besides; some images are copies or near-copies of others'.

    pure: one class a patient and group. Classes that are in too few groups are left out.
    """
    classes, rare = [f"class-{i}" for i in range(rng.integers(1, 4))], [f"rare-{i}" for i in range(rng.integers(0, 4))]
    rows: list[Row] = []
    for patient in range(rng.integers(8, 60)):
        main, tested = str(rng.choice(classes)), bool(rng.random() < 0.3) if published else None
        for _ in range(rng.integers(1, 7)):
            label = str(rng.choice(rare)) if rare and not pure and rng.random() < 0.06 else main
            rows.append(Row(f"p{patient}", label, f"d{len(rows)}", tested=tested))
    for index in rng.permutation(len(rows))[: len(rows) // 15]:
        like = rows[rng.integers(len(rows))]
        if not pure or like.label == rows[index].label:
            same = {"digest": like.digest} if rng.random() < 0.5 else {"look": f"look-{rng.integers(6)}"}
            if not pure or "digest" in same:
                rows[index] = replace(rows[index], **same)
    while few := {label for label, groups in holders(rows).items() if len(groups) < 3 or len(free(rows, groups)) < 2}:
        rows = [row for row in rows if row.label not in few]
    return rows


def free(rows: Sequence[Row], groups: set[int]) -> set[int]:
    """Those of these groups that no published protocol tests on."""
    return groups - {group for row, group in zip(rows, grouped(rows), strict=True) if row.tested}


def by_group(rows: Sequence[Row], splits: Sequence[str]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for group, split in zip(grouped(rows), splits, strict=True):
        found[group].add(split)
    return found


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("seed", range(60))
def test_no_group_is_in_two_splits_and_every_class_is_in_every_split(seed: int, published: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = made(rng, published=published)
    splits = divided(rows, share=float(rng.choice([0.1, 0.17, 0.3])), seed=seed)
    assert all(len(found) == 1 for found in by_group(rows, splits).values())
    seen = {(row.label, split) for row, split in zip(rows, splits, strict=True)}
    assert seen == {(label, split) for label in holders(rows) for split in SPLITS}
    assert all(split == "test" for row, split in zip(rows, splits, strict=True) if row.tested)


@pytest.mark.parametrize("seed", range(40))
def test_the_order_of_the_images_moves_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = made(rng, published=seed % 2 == 0)
    expected, order = divided(rows), rng.permutation(len(rows))
    assert divided([rows[i] for i in order]) == [expected[i] for i in order]


def newcomer(rng: np.random.Generator, rows: Sequence[Row]) -> Row:
    """An image of a new patient or an old one, alone or as a copy, a near-copy, or both, of others."""
    row = Row(f"new-{rng.integers(10)}", str(rng.choice(sorted({row.label for row in rows}))), "new")
    if rng.random() < 0.5:
        row = replace(row, patient=rows[rng.integers(len(rows))].patient)
    if rng.random() < 0.3:
        row = replace(row, digest=rows[rng.integers(len(rows))].digest)
    looks = [row.look for row in rows if row.look]
    return replace(row, look=looks[rng.integers(len(looks))]) if looks and rng.random() < 0.3 else row


def moved(rows: Sequence[Row], more: Row, seed: int) -> tuple[Counter[tuple[str, frozenset[str]]], int]:
    """How many other groups an image moves, by (class of most of its images, splits); and how many it joins."""
    before, after = divided(rows, seed=seed), divided([*rows, more], seed=seed)
    old, new = grouped(rows), grouped([*rows, more])
    joined = {group for group, now in zip(old, new, strict=False) if now == new[-1]}
    labels: dict[int, Counter[str]] = defaultdict(Counter)
    for row, group in zip(rows, old, strict=True):
        labels[group][row.label] += 1
    changes = {
        group: (min(labels[group], key=lambda label: (-labels[group][label], label)), frozenset({then, now}))
        for group, then, now in zip(old, before, after, strict=False)
        if then != now and group not in joined
    }
    return Counter(changes.values()), len(joined)


@pytest.mark.parametrize("seed", range(150))
def test_one_image_more_moves_at_most_one_other_group_a_boundary_and_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = made(rng, pure=True)
    for _ in range(4):
        boundaries, joined = moved(rows, newcomer(rng, rows), seed)
        assert all("validation" in boundary for _, boundary in boundaries)
        # An image that makes one group of several takes as many places as it joins groups.
        assert max(boundaries.values(), default=0) <= max(1, joined)


@pytest.mark.parametrize("seed", range(80))
def test_where_classes_are_lent_groups_it_moves_one_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = made(rng)
    more = newcomer(rng, rows)
    if min(map(len, holders([*rows, more]).values())) >= 3:
        boundaries, joined = moved(rows, more, seed)
        assert max(boundaries.values(), default=0) <= max(1, joined) + 1


def test_a_class_that_is_nobodys_majority_is_in_every_split() -> None:
    """Five of 100 patients have one image of it among six."""
    rows = [
        Row(f"p{patient}", "rare" if index == 0 and patient < 5 else "common", f"{patient}-{index}")
        for patient in range(100)
        for index in range(6)
    ]
    absent = 0
    for seed in range(40):
        by_majority = divided([replace(row, label="common") for row in rows], seed=seed)
        splits = divided(rows, seed=seed)
        assert {split for row, split in zip(rows, splits, strict=True) if row.label == "rare"} == set(SPLITS)
        changed = sum(then != now for then, now in zip(by_majority, splits, strict=True))
        was = {split for row, split in zip(rows, by_majority, strict=True) if row.label == "rare"}
        assert changed == 6 * (len(SPLITS) - len(was))  # as many groups as splits that missed it
        absent += was != set(SPLITS)
    assert absent > 5


def test_a_published_test_set_that_takes_all_of_a_class_is_a_sentence() -> None:
    rows = [Row(f"p{i}", "ab"[i % 2], f"d{i}", tested=i % 2 == 0 or i < 6) for i in range(20)]
    with pytest.raises(MedganError, match=r"class 'a' has 0 group\(s\) outside the published test images"):
        divided(rows)
    assert [split == "test" for split in divided([*rows, Row("x", "a", "x", tested=False), Row("y", "a", "y")])] == [
        *(bool(row.tested) for row in rows),
        *(False, False),
    ]


def possible(groups: Sequence[str], classes: dict[str, set[str]], assigned: dict[str, str]) -> int | None:
    """The fewest moves after which every class is in every split, by trying all; None where there are none."""
    wanted = {(label, split) for of_group in classes.values() for label in of_group for split in SPLITS}
    fewest = None
    for splits in itertools.product(SPLITS, repeat=len(groups)):
        if wanted == {(label, split) for group, split in zip(groups, splits, strict=True) for label in classes[group]}:
            number = sum(assigned[group] != split for group, split in zip(groups, splits, strict=True))
            fewest = number if fewest is None else min(fewest, number)
    return fewest


@pytest.mark.parametrize("seed", range(60))
def test_an_assignment_is_found_wherever_there_is_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = [f"g{i}" for i in range(rng.integers(3, 7))]
    labels = {label: rng.choice(groups, size=3, replace=False).tolist() for label in "abcd"[: rng.integers(1, 5)]}
    classes = {group: {label for label, of_label in labels.items() if group in of_label} for group in groups}
    assigned = {group: str(rng.choice(SPLITS)) for group in groups}
    fewest = possible(groups, classes, assigned)
    if fewest is None:
        with pytest.raises(MedganError, match="no split has every class in each of train, validation, test"):
            moves(assigned, classes, staying=(), seed=seed)
        return
    made_moves = moves(assigned, classes, staying=(), seed=seed)
    now = assigned | made_moves
    assert all({now[group] for group in of_label} == set(SPLITS) for of_label in labels.values())
    assert len(made_moves) == fewest or fewest > 2


@pytest.mark.parametrize("validation", [0.01, 0.1, 0.17, 0.25, 0.33, 0.49])
@pytest.mark.parametrize("test", [0.01, 0.17, 0.3])
def test_a_group_more_moves_each_end_by_one_at_most(validation: float, test: float) -> None:
    ends = [_ends(count, validation=validation, test=test, tested=None) for count in range(1, 1500)]
    steps = {after - before for pair in itertools.pairwise(ends) for before, after in zip(*pair, strict=True)}
    assert steps == {0, 1}
    assert all(0 < first < second < count for count, (first, second) in enumerate(ends, start=1) if count >= 3)
