"""A network that has learnt on one half of drawn and real images answers for the other half."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medgan.scores.discerning import Material, Sides, learn_to_discern
from medgan.scores.images import ImageSet
from medgan.scores.parting import parted

_KEPT, _MOST_KEPT = 0.2, 500  # share of the learning half, and images a side


@dataclass(frozen=True)
class Examined:
    """drawn, real: logits of being drawn, of the rows that were answered for. steps: of the training."""

    rows: Sides
    drawn: NDArray[np.float64]
    real: NDArray[np.float64]
    steps: int


def examine(
    drawn: ImageSet, real: ImageSet, *, steps: int, seed: int, progress: Callable[[int], None] | None = None
) -> Examined:
    """Learn for so many steps at most.

    Images of one patient stay in one half. Drawn images, which have no patients, go with the real ones of their rows,
    under whose labels and masks they were drawn.
    """
    sets = (drawn if drawn.patients is not None else _with_patients_of(drawn, real), real)
    everything = Sides(*(np.arange(len(images)) for images in sets))
    learning, rows = parted(*sets, everything, share=0.5, seed=seed)
    share = min(_KEPT, 2 * _MOST_KEPT / len(learning))
    kept, learning = parted(*sets, learning, share=share, seed=seed)
    learnt = learn_to_discern(
        Material(drawn.images, real.images, learning, kept), steps=steps, seed=seed, progress=progress
    )
    return Examined(rows, learnt.logits(drawn.images, rows.drawn), learnt.logits(real.images, rows.real), learnt.steps)


def _with_patients_of(drawn: ImageSet, real: ImageSet) -> ImageSet:
    return ImageSet(drawn.images, labels=drawn.labels, patients=real.patients)
