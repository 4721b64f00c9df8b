"""Several comparisons at once: the more there are, the surer each must be (Holm 1979)."""

from collections.abc import Sequence

import numpy as np


def holm(ps: Sequence[float]) -> list[tuple[float, float]]:
    """Of each p-value the share of the level that is left for it, and the p-value adjusted."""
    adjusted: dict[int, tuple[float, float]] = {}
    least = 0.0
    for rank, index in enumerate(np.argsort(ps, kind="stable")):
        left = len(ps) - rank
        least = max(least, min(1.0, left * ps[index]))
        adjusted[int(index)] = (1 / left, least)
    return [adjusted[index] for index in range(len(ps))]
