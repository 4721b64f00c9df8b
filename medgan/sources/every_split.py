"""Groups that change their split so that every class is in every split: an assignment problem, solved exactly."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from medgan.data.spec import SPLITS
from medgan.errors import MedganError


def moves(
    assigned: Mapping[str, str], classes: Mapping[str, Collection[str]], *, staying: Collection[str], seed: int
) -> dict[str, str]:
    """The new split of each group that must move, none where every class is in every split already.

    assigned: the split of each group. classes: of whose images a group has some. staying: groups that must not move.
    Few groups move, and which ones hangs on nothing but (seed, name): each move has a price of its own from 1 to 1.5,
    and the sum is the least. Raises MedganError where no assignment has every class in every split.
    """
    holders: dict[str, list[str]] = defaultdict(list)
    for group in sorted(assigned):
        for label in classes[group]:
            holders[label].append(group)
    missing = sorted(label for label in holders if {assigned[group] for group in holders[label]} != set(SPLITS))
    if not missing:
        return {}
    movable = _concerned(assigned, classes, holders, missing)
    demands = [
        (split, [group for group in holders[label] if group in movable])
        for label in sorted({label for group in movable for label in classes[group]})
        for split in SPLITS
        if not any(assigned[group] == split and group not in movable for group in holders[label])
    ]
    found = _cheapest(sorted(movable), assigned, demands, staying=staying, seed=seed)
    if found is None:
        named = ", ".join(f"'{label}' ({len(holders[label])} groups)" for label in missing)
        raise MedganError(
            f"no split has every class in each of {', '.join(SPLITS)}: too few groups hold {named}, and they hold "
            "other rare classes too; add images of more patients, leave a class out (data.options.classes) or merge it"
        )
    return {group: split for group, split in found.items() if split != assigned[group]}


def _concerned(
    assigned: Mapping[str, str],
    classes: Mapping[str, Collection[str]],
    holders: Mapping[str, Sequence[str]],
    missing: Sequence[str],
) -> set[str]:
    """Groups of the missing classes, and of each class that is not in every split without those, and so on.

    Whatever these groups do, all other classes stay in every split: moving more groups could not help.
    """
    labels, movable = list(missing), set[str]()
    for label in labels:  # grows on the way
        fresh = set(holders[label]) - movable
        movable |= fresh
        beside = sorted({other for group in fresh for other in classes[group]} - set(labels))
        labels += [
            other
            for other in beside
            if {assigned[group] for group in holders[other] if group not in movable} != set(SPLITS)
        ]
    return movable


def _cheapest(
    groups: Sequence[str],
    assigned: Mapping[str, str],
    demands: Sequence[tuple[str, Sequence[str]]],
    *,
    staying: Collection[str],
    seed: int,
) -> dict[str, str] | None:
    """The split of each of these groups; None where the demands, (split, groups of which it needs one), contradict."""
    rank = {group: index for index, group in enumerate(groups)}
    column = {(group, split): rank[group] * len(SPLITS) + SPLITS.index(split) for group in groups for split in SPLITS}
    needs = [[column[group, split] for group in chosen] for split, chosen in demands]
    once = [[column[group, split] for split in SPLITS] for group in groups]
    rows = [(row, index) for row, columns in enumerate([*once, *needs]) for index in columns]
    matrix = coo_array((np.ones(len(rows)), tuple(zip(*rows, strict=True))), (len(once) + len(needs), len(column)))
    most = np.concatenate([np.ones(len(once)), np.full(len(needs), np.inf)])
    highest = np.array([group not in staying or assigned[group] == split for group, split in column], float)
    prices = np.array([0.0 if assigned[group] == split else _price(seed, group, split) for group, split in column])
    solved = milp(
        prices,
        integrality=np.ones(len(column)),
        bounds=Bounds(0.0, highest),
        constraints=LinearConstraint(matrix.tocsr(), 1.0, most),
        options={"mip_rel_gap": 0.0},
    )
    if solved.x is None:
        return None
    return {group: split for (group, split), index in column.items() if solved.x[index] > 0.5}


def _price(seed: int, group: str, split: str) -> float:
    digest = hashlib.sha256(f"{seed}/{group}/{split}".encode()).digest()
    return 1 + int.from_bytes(digest[:6], "big") / 2**49
