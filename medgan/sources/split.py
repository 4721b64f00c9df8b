"""Train / validation / test by patient, stratified by class, checked for leaks."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from scipy.cluster.hierarchy import DisjointSet

from medgan.data.spec import SPARE, SPLITS
from medgan.errors import MedganError
from medgan.sources.every_split import moves

_LOG = logging.getLogger(__name__)


def split_by_patient(
    patients: Sequence[str],
    labels: Sequence[str | None],
    keys: Mapping[str, Sequence[str | None]],
    *,
    validation: float,
    test: float,
    seed: int,
    published: Sequence[bool | None] | None = None,
) -> list[str]:
    """The split of each image. Patients count as one if two of their images share a key of any kind.

    keys: what else keeps images together, by its name in errors: {"image": digests of the content, "near-copy": the
    first of those that look the same}, a key an image; None shares nothing. Each group belongs to the class that most
    of its images have; within a class, groups are ordered by a hash of (seed, smallest patient), so that one more moves
    at most one other across each boundary. A class that misses a split then, since few groups are mostly of it, gets a
    group there (see `moves`).
    published: whether a published protocol tests on the image. Where it tests on any, those alone are the test split,
    with one group of each class that it leaves out. Raises MedganError where a class cannot be in every split.
    """
    groups = _groups(patients, keys)
    counts: dict[str, Counter[str]] = {group: Counter() for group in sorted(set(groups))}
    for group, label in zip(groups, labels, strict=True):
        counts[group][label or ""] += 1
    tested = {groups[i] for i, is_test in enumerate(published or ()) if is_test}
    _check_enough(counts, tested)
    strata: dict[str, list[str]] = defaultdict(list)
    for group, counted in counts.items():
        strata[min(counted, key=lambda label: (-counted[label], label))].append(group)

    assigned: dict[str, str] = {}
    for names in strata.values():
        ordered = sorted(
            names, key=lambda name: (name not in tested, hashlib.sha256(f"{seed}/{name}".encode()).digest())
        )
        already = len(tested.intersection(names)) if tested else None
        ends = _ends(len(ordered), validation=validation, test=test, tested=already)
        for rank, name in enumerate(ordered):
            assigned[name] = "test" if rank < ends[0] else "validation" if rank < ends[1] else "train"
    if moved := moves(assigned, counts, staying=tested, seed=seed):
        assigned |= moved
        _LOG.info(f"{len(moved):,} of {len(counts):,} groups change their split so that every class is in every one")
    splits = [assigned[group] for group in groups]
    check_leaks({"patient": patients, **keys}, splits)
    return splits


def limit_training(
    splits: Sequence[str], labels: Sequence[str | None], patients: Sequence[str], *, per_class: int, seed: int
) -> list[str]:
    """All but `per_class` training images of each class become SPARE; patients stay together as far as they can."""
    order = sorted(
        (i for i, split in enumerate(splits) if split == "train"),
        key=lambda i: (hashlib.sha256(f"{seed}/{patients[i]}/few".encode()).digest(), i),
    )
    taken, limited = Counter[str | None](), list(splits)
    for i in order:
        taken[labels[i]] += 1
        if taken[labels[i]] > per_class:
            limited[i] = SPARE
    return limited


def check_leaks(keys: Mapping[str, Sequence[str | None]], splits: Sequence[str]) -> None:
    """Raise MedganError if a key, such as a patient or a byte-identical image, appears in two splits."""
    for what, of_images in keys.items():
        seen: dict[str, str] = {}
        for key, split in zip(of_images, splits, strict=True):
            if key is not None and seen.setdefault(key, split) != split:
                raise MedganError(f"{what} '{key}' is in both {seen[key]} and {split}; run prepare again")


def _check_enough(counts: Mapping[str, Collection[str]], tested: Collection[str]) -> None:
    """Raise MedganError where a class is in too few groups. counts: the classes of each group. tested: as published."""
    holders = Counter(label for of_group in counts.values() for label in of_group)
    free = Counter(label for group, of_group in counts.items() if group not in tested for label in of_group)
    few = []
    for label, number in sorted(holders.items()):
        what = f"class '{label}'" if label else "the data set"
        if number < len(SPLITS):
            few.append(f"{what} has {number} group(s)")
        elif free[label] < len(SPLITS) - 1:
            few.append(f"{what} has {free[label]} group(s) outside the published test images")
    if few:
        remedy = ", leave the class out (data.options.classes) or merge it with another" if any(holders) else ""
        raise MedganError(
            f"{', '.join(few)}, and each of {', '.join(SPLITS)} needs one (a group: all images of a patient, and of "
            f"those who share an image or a near-copy); add images of more patients{remedy}"
        )


def _ends(count: int, *, validation: float, test: float, tested: int | None) -> tuple[int, int]:
    """Ranks where test ends and where validation does, of so many groups of a class.

    tested: groups that a published protocol tests on. One at least in each split: shares of a small class may all round
    up. One group more moves each end by one at most: where both shares round up at once, validation does one earlier.
    """
    first, second = _rounded(count, validation, test, tested)
    return first, second if tested is not None else max(second, _rounded(count + 1, validation, test)[1] - 1)


def _rounded(count: int, validation: float, test: float, tested: int | None = None) -> tuple[int, int]:
    if count < len(SPLITS):
        end = count - 1 if tested is None else tested
        return end, end
    n_test = max(1, min(round(test * count), count - 2) if tested is None else tested)
    return n_test, n_test + max(1, min(round(validation * count), count - n_test - 1))


def _groups(patients: Sequence[str], keys: Mapping[str, Sequence[str | None]]) -> list[str]:
    """A group an image, named after the smallest of its patients, whatever the order of the images."""
    sets = DisjointSet(("patient", patient) for patient in patients)
    for kind, of_images in keys.items():
        for patient, key in zip(patients, of_images, strict=True):
            if key is not None:
                sets.add((kind, key))
                sets.merge(("patient", patient), (kind, key))
    roots = [sets["patient", patient] for patient in patients]
    smallest: dict[tuple[str, str], str] = {}
    for root, patient in zip(roots, patients, strict=True):
        smallest[root] = min(patient, smallest.get(root, patient))
    return [smallest[root] for root in roots]
