"""Several comparisons at once: the more there are, the surer each must be (Holm 1979)."""

from collections.abc import Sequence

import numpy as np

LEVEL = 0.05


def holm(ps: Sequence[float]) -> list[tuple[float, float]]:
    """Of each p-value the share of LEVEL that decides on it, and the p-value adjusted.

    From the first one on that is not below its share, in the order of their size, nothing is rejected: these all have
    the share of that one.
    """
    found: dict[int, tuple[float, float]] = {}
    least, stopped = 0.0, None
    for rank, index in enumerate(np.argsort(ps, kind="stable")):
        left = len(ps) - rank
        least = max(least, min(1.0, left * ps[index]))
        if stopped is None and least >= LEVEL:
            stopped = 1 / left
        found[int(index)] = (stopped or 1 / left, least)
    return [found[index] for index in range(len(ps))]
