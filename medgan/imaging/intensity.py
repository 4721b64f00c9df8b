"""What stored values mean, in the unit of the data, and which of them are the ends of the networks' range."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgan.errors import MedganError


@dataclass(frozen=True)
class Intensity:
    """A stored value means slope * stored + intercept, in `unit`; the values `low` and `high` mean -1 and 1.

    unit: of values, such as "HU"; "" where it is unknown. Slope and intercept as in DICOM: files hold no negative
    numbers. Raises MedganError unless all are finite, low is below high, and the slope is above 0.
    """

    low: float
    high: float
    unit: str = ""
    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise MedganError(f"intensity goes from {self.low} to {self.high}; give two finite values, the lower first")
        if not (math.isfinite(self.intercept) and math.isfinite(self.slope) and self.slope > 0):
            raise MedganError(f"intensity has slope {self.slope} and intercept {self.intercept}; give a slope above 0")

    @classmethod
    def windowed(cls, low: float, high: float, unit: str = "", *, step: float = 1.0) -> "Intensity":
        """Store a window as uint16 that starts at 0, in steps of `step`, or of more where it has over 65,536."""
        return cls(low, high, unit, slope=max(step, (high - low) / _MOST), intercept=low)

    @classmethod
    def of_json(cls, text: str) -> "Intensity":
        """Read what an exported file says."""
        tree: Mapping[str, Any] = json.loads(text)
        return cls(**tree)

    @property
    def bounds(self) -> tuple[float, float]:
        """The stored values that mean -1 and 1."""
        return _whole((self.low - self.intercept) / self.slope), _whole((self.high - self.intercept) / self.slope)

    @property
    def levels(self) -> int:
        """How many stored values there are from -1 to 1."""
        low, high = self.bounds
        return round(high - low) + 1

    def share(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Stored values of any shape as shares of the range: 0 at low, 1 at high."""
        low, high = self.bounds
        shares: NDArray[np.float64] = (stored.astype(np.float64) - low) / (high - low)
        return shares

    def picture(self, stored: NDArray[Any]) -> NDArray[np.uint8]:
        """Stored values of any shape in 8 bits, 0 at low and 255 at high: for judges and people."""
        if stored.dtype == np.uint8 and self.bounds == (0, 255):
            return stored
        return np.rint(self.share(stored) * 255).astype(np.uint8)

    def stored(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """Values in the unit, of any shape, as they are stored: clipped to the window, rounded."""
        low, high = self.bounds
        raw = (np.asarray(values, np.float64) - self.intercept) / self.slope
        clipped: NDArray[np.uint16] = np.rint(raw.clip(low, high)).astype(np.uint16)
        return clipped

    def values(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images in [-1, 1] as values in the unit."""
        return (self.low + (images.astype(np.float64) + 1) / 2 * (self.high - self.low)).astype(np.float32)


def _whole(end: float) -> float:
    """Without what a division leaves behind: else the level 65,535 would lie outside 65,534.999999."""
    nearest = float(round(end))
    return nearest if abs(end - nearest) < _DUST else end


_DUST = 1e-6  # levels
_MOST = np.iinfo(np.uint16).max
EIGHT_BITS = Intensity(0, 255)
SIXTEEN_BITS = Intensity(0, _MOST)
