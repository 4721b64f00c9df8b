"""Which validation images a score in training looks at, and what stands for a split in pictures."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medgan.data.loader import conditions, gather
from medgan.data.store import Prepared
from medgan.gans.drawing import GRID_COLUMNS
from medgan.imaging.arrays import Images
from medgan.imaging.grids import by_class
from medgan.seeds import derive_seed
from medgan.training.judge import Judge

# Enough for a mean; more would cost the discriminator's time at each evaluation.
_HELD_OUT = 500


def chosen_images(prepared: Prepared, n: int, seed: int) -> NDArray[np.int64]:
    """Indices of n validation images, the same ones for every score."""
    return prepared.take("validation", n, derive_seed(seed, "judge"))


def judge_of(prepared: Prepared, chosen: NDArray[np.int64], score: Callable[[Images], float]) -> Judge:
    """A judge of images that are generated under the conditions of these, as far as the networks look at them."""
    return Judge(
        len(chosen),
        conditions(prepared, chosen),
        score,
        example_conditions(prepared, "validation"),
        gather(prepared, chosen[:_HELD_OUT]),
    )


def example_conditions(prepared: Prepared, split: str) -> dict[str, Tensor]:
    """Conditions of the `examples` of a split, and where they have a source their targets: what `sample_grid` takes."""
    chosen = examples(prepared, split)
    inputs = conditions(prepared, chosen)
    paired = "source" in inputs and prepared.paired
    return inputs | ({"target": gather(prepared, chosen).image} if paired else {})


def examples(prepared: Prepared, split: str) -> NDArray[np.int64]:
    """Indices of the images that stand for a split in pictures: a row a class, or four rows."""
    classes = len(prepared.label_names)
    return np.array(by_class(prepared.labels, prepared.splits == split, classes=classes, columns=GRID_COLUMNS))
