"""Train / validation / test by patient, stratified by class, checked for leaks."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from scipy.cluster.hierarchy import DisjointSet

from medgan.data.spec import SPARE, SPLITS
from medgan.errors import MedganError


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
    first of those that look the same}, a key an image; None shares nothing. Within each class, groups are ordered by a
    hash of (seed, smallest patient), so adding a patient moves no other across a boundary by more than the shares
    themselves shift. published: whether a published protocol tests on the image; where it says so, `test` is not looked
    at. Raises MedganError where a class cannot fill every split.
    """
    groups = _groups(patients, keys)
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
