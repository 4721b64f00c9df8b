"""How many drawn images a network takes for real."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

# Weights (R, n) of the drawn and of the real images in each of R resamples -> a figure (R,).
Figure = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def passing_of(drawn: NDArray[np.float64], real: NDArray[np.float64], alarms: float = 0.05) -> Figure:
    """Share of drawn images whose logit is at most that above which this share of the real ones lie."""
    in_order, drawn_in_order = np.argsort(real, kind="stable"), np.argsort(drawn, kind="stable")

    def figure(of_drawn: NDArray[np.float64], of_real: NDArray[np.float64]) -> NDArray[np.float64]:
        below = np.cumsum(of_real[:, in_order], axis=1)
        place = (below < (1 - alarms) * below[:, -1:] - 1e-9).sum(axis=1)
        threshold = real[in_order][place]
        passed = np.cumsum(of_drawn[:, drawn_in_order], axis=1)
        count = np.searchsorted(drawn[drawn_in_order], threshold, side="right")
        padded = np.concatenate([np.zeros((len(passed), 1)), passed], axis=1)
        return np.take_along_axis(padded, count[:, None], axis=1)[:, 0] / passed[:, -1]

    return figure
