"""Which raw values the images of a data set are made of, and what they mean."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgan.errors import MedganError


@dataclass(frozen=True)
class Intensity:
    """The raw values `low` and `high` mean -1 and 1. unit: of raw values, such as "HU"; "" where it is unknown.

    Raises MedganError unless both are finite and low is below high.
    """

    low: float
    high: float
    unit: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise MedganError(f"intensity goes from {self.low} to {self.high}; give two finite values, the lower first")

    def share(self, raw: NDArray[Any]) -> NDArray[np.float64]:
        """Raw values of any shape as shares of the range: 0 at low, 1 at high."""
        shares: NDArray[np.float64] = (raw.astype(np.float64) - self.low) / (self.high - self.low)
        return shares

    def picture(self, raw: NDArray[Any]) -> NDArray[np.uint8]:
        """Raw values of any shape in 8 bits, 0 at low and 255 at high: for judges and people."""
        if raw.dtype == np.uint8 and (self.low, self.high) == (0, 255):
            return raw
        return np.rint(self.share(raw) * 255).astype(np.uint8)


EIGHT_BITS = Intensity(0, 255)
SIXTEEN_BITS = Intensity(0, 65535)
