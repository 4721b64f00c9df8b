"""The audit of copies: drawn images against held-out ones, and the audit itself against planted copies."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from medgan.data.store import Prepared
from medgan.data.stored import ImageRows, StoredImages
from medgan.evaluation.copying.counting import Thresholds, alarm, chance, share, verdict
from medgan.evaluation.copying.figures import ClassShare, CopyAudit, Membership, Pair, Power
from medgan.evaluation.copying.halving import Scored, halves
from medgan.evaluation.copying.matching import Done, Library, Matches
from medgan.evaluation.copying.membership import membership
from medgan.evaluation.copying.planted import WAYS
from medgan.imaging.arrays import Images, quantised
from medgan.seeds import numpy_generator

_PLANTED = 100  # images, each hidden in each way
_MEMBERS = 1000  # images a side of the membership test
_RESAMPLINGS = 50  # honest sets, and mixtures of each kind
_CLOSEST = 10


def queries(data: Prepared, drawn: int, held_out: int) -> int:
    """How many images `audit` looks at, as its `done` counts them."""
    train = len(data.indices("train"))
    return drawn + held_out + len(WAYS) * min(_PLANTED, train) + min(_MEMBERS, train) + min(_MEMBERS, held_out)


@torch.no_grad()
def audit(
    drawn: Images, held_out: NDArray[np.int64], data: Prepared, *, seed: int, done: Done = lambda _: None
) -> CopyAudit:
    """Look for training images among drawn ones (n, C, H, W), which are quantised to the levels of the data.

    held_out: indices of test images, at least two, which set the thresholds, each in the class of its nearest training
    image, since a generator may draw another class than it was asked for. done: takes how many of `queries` are done.
    """
    learnt = data.indices("train")
    library = Library(StoredImages(data, learnt))
    classes = data.labels[learnt] if data.labels is not None else np.zeros(len(learnt), np.int64)
    counts = _Counter(done)

    def scored(images: ImageRows) -> tuple[Matches, Scored]:
        matches = library.match(images, counts.next(len(images)))
        return matches, Scored(matches.score, classes[matches.index])

    (matches, ours), (matches_held, honest) = scored(drawn), scored(StoredImages(data, held_out))
    rng = numpy_generator(seed, "planted")
    originals = np.sort(rng.permutation(learnt)[:_PLANTED])
    sources = StoredImages(data, originals)[:]
    planted = {name: scored(quantised(way(sources, rng), data.levels))[1] for name, way in WAYS.items()}

    kinds = max(1, len(data.label_names))
    thresholds = honest.thresholds(data.patients[held_out], kinds)
    counted = ours.counted(thresholds)
    false_alarms, alarms, mixtures = _tried(honest, planted, kinds, data.patients[held_out], seed)
    closest, beside = _closest(thresholds, (matches, ours), (matches_held, honest), learnt, held_out)
    return CopyAudit(
        verdict=verdict(counted, alarms),
        found=share(counted),
        p=chance(counted),
        false_alarms=false_alarms,
        alarms=alarms,
        power={name: Power(copies.below(thresholds), mixtures[name]) for name, copies in planted.items()},
        membership=_members(drawn, held_out, data, counts, seed),
        by_class=dict(_by_class(thresholds, ours, data.label_names)),
        closest=closest,
        held_out=beside,
    )


class _Counter:
    """Adds up what several searches have done."""

    def __init__(self, done: Done) -> None:
        self._done, self._before = done, 0

    def next(self, length: int) -> Done:
        before, self._before = self._before, self._before + length
        return lambda count: self._done(before + count)


def _tried(
    honest: Scored, planted: dict[str, Scored], kinds: int, patients: NDArray[np.int64], seed: int
) -> tuple[float, float, dict[str, float]]:
    """Audit halves of the held-out images by the other halves, alone and with copies.

    Returns the share of held-out images taken for copies, the share of halves that raise an alarm, and by the way of
    hiding the share of halves that do when a tenth of them are copies.
    """
    taken: list[float] = []
    alarms: list[bool] = []
    caught: dict[str, list[bool]] = {name: [] for name in planted}
    for half in halves(honest, patients, kinds, times=_RESAMPLINGS, seed=seed):
        taken.append(half.honest.below(half.thresholds))
        alarms.append(alarm(half.honest.counted(half.thresholds)))
        for name, copies in planted.items():
            caught[name].append(alarm(half.mixed(copies).counted(half.thresholds)))
    return float(np.mean(taken)), float(np.mean(alarms)), {name: float(np.mean(sets)) for name, sets in caught.items()}


def _members(drawn: Images, held_out: NDArray[np.int64], data: Prepared, counts: _Counter, seed: int) -> Membership:
    library, rng = Library(drawn), numpy_generator(seed, "members")
    sides = [np.sort(rng.permutation(indices)[:_MEMBERS]) for indices in (data.indices("train"), held_out)]
    ours, theirs = (library.match(StoredImages(data, side), counts.next(len(side))).score for side in sides)
    labels = data.labels if data.labels is not None else np.zeros(len(data.images), np.int64)
    return membership(ours, theirs, labels[sides[0]], labels[sides[1]])


def _by_class(thresholds: Thresholds, ours: Scored, names: tuple[str, ...]) -> Iterator[tuple[str, ClassShare]]:
    for code, name in enumerate(names):
        own = ours[np.flatnonzero(ours.classes == code)]
        yield name, ClassShare(len(own), share(own.counted(thresholds)))


def _closest(
    thresholds: Thresholds,
    ours: tuple[Matches, Scored],
    theirs: tuple[Matches, Scored],
    learnt: NDArray[np.int64],
    held_out: NDArray[np.int64],
) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """The drawn pairs that lie farthest below their threshold, and beside each one a held-out pair of its class."""
    (matches, drawn), (matches_held, honest) = ours, theirs
    nearest = np.argsort(drawn.score - thresholds.values[thresholds.group[drawn.classes]], kind="stable")[:_CLOSEST]
    order = np.argsort(honest.score, kind="stable")
    closest, beside, shown = [], [], set[int]()
    for row in nearest:
        closest.append(_pair(matches, int(row), int(row), learnt))
        left = [int(other) for other in order if int(other) not in shown]
        if left:
            same = [other for other in left if honest.classes[other] == drawn.classes[row]]
            other = (same or left)[0]
            shown.add(other)
            beside.append(_pair(matches_held, other, int(held_out[other]), learnt))
    return tuple(closest), tuple(beside)


def _pair(matches: Matches, row: int, image: int, learnt: NDArray[np.int64]) -> Pair:
    right, down = matches.shift[row]
    return Pair(
        image=image,
        training=int(learnt[matches.index[row]]),
        score=float(matches.score[row]),
        mirrored=bool(matches.mirrored[row]),
        shift=(float(right), float(down)),
        angle=float(matches.angle[row]),
    )
