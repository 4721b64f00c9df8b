"""Which images are judged together: those of a class, because classes differ more than good images from bad ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# A covariance of D dimensions of fewer than 2 D images is mostly noise.
_IMAGES_A_DIMENSION = 2

Rows = NDArray[np.int64]


def groups(labels: NDArray[np.int64] | None, names: Sequence[str], *, n: int, dimensions: int) -> dict[str, Rows]:
    """Rows of n images by the name of their group, for scores on features of so many dimensions.

    labels: class indices (n,) into `names`; without them all images are one group. A class with fewer than twice as
    many images as dimensions is judged together with others like it, or with the smallest of those that have enough.
    """
    everything = {"all images": np.arange(n)}
    if labels is None:
        return everything
    counts = np.bincount(labels, minlength=len(names))
    enough = _IMAGES_A_DIMENSION * dimensions
    alone = sorted((code for code in range(len(names)) if counts[code] >= enough), key=lambda code: -counts[code])
    rest = [code for code in range(len(names)) if 0 < counts[code] < enough]
    while rest and alone and counts[rest].sum() < enough:
        rest.append(alone.pop())
    if not alone:
        return everything
    parts = [[code] for code in sorted(alone)] + ([sorted(rest)] if rest else [])
    return {" and ".join(names[code] for code in part): np.flatnonzero(np.isin(labels, part)) for part in parts}
