"""Train / validation / test by patient, stratified by class, checked for leaks."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from medgan.data.spec import SPARE, SPLITS
from medgan.errors import MedganError


def split_by_patient(
    patients: Sequence[str],
    labels: Sequence[str | None],
    digests: Sequence[str],
    *,
    validation: float,
    test: float,
    seed: int,
    published: Sequence[bool | None] | None = None,
) -> list[str]:
    """The split of each image. Patients that share a byte-identical image count as one patient.

    Within each class, groups are ordered by a hash of (seed, patient), so adding a patient moves no other across
    a boundary by more than the shares themselves shift. published: whether a published protocol tests on the image;
    where it says so, `test` is not looked at. Raises MedganError where a class cannot fill every split.
    """
    groups = _merge_duplicates(patients, digests)
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    strata: dict[str, list[str]] = defaultdict(list)
    for group, indices in members.items():
        # Sorted: a tie must not be broken by the order of the images.
        strata[Counter(sorted(labels[i] or "" for i in indices)).most_common(1)[0][0]].append(group)

    tested = {groups[i] for i, is_test in enumerate(published or ()) if is_test}
    assigned: dict[str, str] = {}
    for label, names in strata.items():
        if len(names) < len(SPLITS):
            what = f"class '{label}'" if label else "the data set"
            raise MedganError(
                f"{what} has {len(names)} patient(s) with distinct images, and each of {', '.join(SPLITS)} needs one; "
                "add images or remove the class"
            )
        ordered = sorted(
            names, key=lambda name: (name not in tested, hashlib.sha256(f"{seed}/{name}".encode()).digest())
        )
        # One at least in each split, train included: shares of a small class may all round up.
        wanted = sum(name in tested for name in ordered) if tested else round(test * len(ordered))
        n_test = max(1, min(wanted, len(ordered) - 2))
        n_validation = max(1, min(round(validation * len(ordered)), len(ordered) - n_test - 1))
        for rank, name in enumerate(ordered):
            later = "validation" if rank < n_test + n_validation else "train"
            assigned[name] = "test" if rank < n_test else later
    splits = [assigned[group] for group in groups]
    check_leaks(patients, digests, splits)
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


def check_leaks(patients: Sequence[str], digests: Sequence[str], splits: Sequence[str]) -> None:
    """Raise MedganError if a patient or a byte-identical image appears in two splits."""
    for what, keys in (("patient", patients), ("image", digests)):
        seen: dict[str, str] = {}
        for key, split in zip(keys, splits, strict=True):
            if seen.setdefault(key, split) != split:
                raise MedganError(f"{what} '{key}' is in both {seen[key]} and {split}; run prepare again")


def _merge_duplicates(patients: Sequence[str], digests: Sequence[str]) -> list[str]:
    """A group name an image: union-find over patients that own the same digest."""
    parent = {patient: patient for patient in patients}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    owner: dict[str, str] = {}
    for patient, digest in zip(patients, digests, strict=True):
        first, second = root(owner.setdefault(digest, patient)), root(patient)
        # The smaller name wins, whatever the order of the images.
        parent[max(first, second)] = min(first, second)
    return [root(patient) for patient in patients]
