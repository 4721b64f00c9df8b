"""Parts of drawn and real images alike in their classes, no patient in two of them."""

import numpy as np
from numpy.typing import NDArray

from medgan.scores.discerning import Rows, Sides
from medgan.scores.images import ImageSet
from medgan.seeds import numpy_generator


def parted(drawn: ImageSet, real: ImageSet, rows: Sides, *, share: float, seed: int) -> tuple[Sides, Sides]:
    """Two parts of these rows, of which the first holds about that share, with as many images of either side.

    And as many of each class, for the few that one side has more of are left out. Sets with the same patients and
    labels are parted alike. Where there are too few patients for two parts, images of one stand in both.
    """
    firsts = [_first(images, chosen, share, seed) for images, chosen in ((drawn, rows.drawn), (real, rows.real))]
    parts = (Sides(rows.drawn[firsts[0]], rows.real[firsts[1]]), Sides(rows.drawn[~firsts[0]], rows.real[~firsts[1]]))
    first, second = (_matched(part, drawn.labels, real.labels) for part in parts)
    return first, second


def _first(images: ImageSet, rows: Rows, share: float, seed: int) -> NDArray[np.bool_]:
    """Which of the rows (n,) are in the first part."""
    same = np.zeros(len(rows), np.int64)
    labels = same if images.labels is None else images.labels[rows]
    own = np.arange(len(rows))
    patients = own if images.patients is None else np.unique(images.patients[rows], return_inverse=True)[1]
    for units, classes in ((patients, labels), (own, labels), (own, same)):
        first = _balanced(units, classes, share, numpy_generator(seed, "parts"))
        if first.any() and not first.all():
            break
    return first


def _balanced(
    units: NDArray[np.int64], classes: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Take units, largest first, each to the part that then has its share of every class more nearly."""
    counts = np.zeros((units.max() + 1, classes.max() + 1))
    np.add.at(counts, (units, classes), 1)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    first, lead = np.zeros(len(counts), np.bool_), np.zeros(counts.shape[1])
    for unit in order:
        to_first, to_second = lead + (1 - share) * counts[unit], lead - share * counts[unit]
        first[unit] = (to_first**2).sum() <= (to_second**2).sum()
        lead = to_first if first[unit] else to_second
    return first[units]


def _matched(part: Sides, drawn: NDArray[np.int64] | None, real: NDArray[np.int64] | None) -> Sides:
    """As many of either side, by class where both know classes and have one in common."""
    if drawn is not None and real is not None:
        ours, theirs = drawn[part.drawn], real[part.real]
        keys = np.intersect1d(ours, theirs)
        pairs = [(part.drawn[ours == key], part.real[theirs == key]) for key in keys]
    else:
        pairs = []
    pairs = pairs or [(part.drawn, part.real)]
    cut = [(a[: min(len(a), len(b))], b[: min(len(a), len(b))]) for a, b in pairs]
    return Sides(*(np.sort(np.concatenate(side)) for side in zip(*cut, strict=True)))
