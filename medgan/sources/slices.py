"""Which slices of a volume are images, and what they are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgan.imaging.intensity import Intensity
from medgan.imaging.nifti import Plane, Volume

_LEAST_SIDE, _MOST_SIDE = 8, 8192  # pixels
_BACKGROUND = 0.1  # share of the window: what is below it is background


@dataclass(frozen=True)
class Ends:
    """The values of a volume that are stored as the ends of `intensity`."""

    low: float
    high: float
    intensity: Intensity

    def stored(self, values: NDArray[np.float64]) -> NDArray[np.uint16]:
        """(H, W) values as they are stored: clipped to the ends."""
        share = (values - self.low) / (self.high - self.low)
        return self.intensity.stored(self.intensity.low + share * (self.intensity.high - self.intensity.low))


def ends_of(volume: Volume, intensity: Intensity, percentiles: tuple[float, float] | None) -> Ends:
    """Those of the window, or percentiles of the volume. Raises ValueError where all between those is one value."""
    if percentiles is None:
        return Ends(intensity.low, intensity.high, intensity)
    low, high = volume.percentiles(*percentiles)
    if low == high:
        if volume.voxels.min() == volume.voxels.max():
            raise ValueError(f"it is constant: all of its voxels are {low:g}")
        raise ValueError(f"its percentiles {percentiles[0]:g} and {percentiles[1]:g} are both {low:g}; widen them")
    return Ends(low, high, intensity)


def chosen(which: str, count: int) -> list[int]:
    """Indices of slices. which: "middle", "all" or "every N"."""
    if which == "middle":
        return [count // 2]
    step = 1 if which == "all" else int(which.removeprefix("every "))
    return list(range(min(step, count) // 2, count, step))


def largest(mask: Volume, plane: Plane, labels: tuple[int, ...]) -> list[int]:
    """Index of the slice with the most voxels in the mask. Raises ValueError where there is none."""
    sizes = [int(planes_of(mask, plane, index, labels).sum()) for index in range(mask.count(plane))]
    if not any(sizes):
        raise ValueError("its mask is empty, and the slice of the largest mask is wanted")
    return [int(np.argmax(sizes))]


def planes_of(mask: Volume, plane: Plane, index: int, labels: tuple[int, ...]) -> NDArray[np.uint8]:
    """(H, W, M) of 0 and 1 of a slice of a mask: a plane a label, or one of all that is not 0.

    Where voxels are integers with a slope, as nibabel stores floats, a value is what the nearest of them means.
    """
    values, near = mask.slice(plane, index), 0.51 * min(1, mask.step)
    planes = [np.abs(values - label) <= near for label in labels] or [np.abs(values) > near]
    return np.stack(planes, axis=2).astype(np.uint8)


def foreground(stored: NDArray[np.uint16], intensity: Intensity) -> float:
    """Share of a slice that lies above the lowest tenth of the window; 0 where the slice is of one value."""
    if stored.min() == stored.max():
        return 0.0
    return float((intensity.share(stored) > _BACKGROUND).mean())


def squared(array: NDArray[Any], pixel: tuple[float, float], *, exact: bool) -> NDArray[Any]:
    """(H, W, C) uint8 or uint16 whose pixels have a height and width, with squares of the smaller of both.

    exact: nothing between the values that are there (nearest pixel), else Lanczos' filter.
    Raises ValueError for a result that has no size of a picture.
    """
    height, width = (round(n * size / min(pixel)) for n, size in zip(array.shape, pixel, strict=False))
    if max(height, width) > _MOST_SIDE:
        raise ValueError(f"its pixels are {pixel[0]:g} x {pixel[1]:g} mm: squares of them would be {width}x{height}")
    if (height, width) == array.shape[:2]:
        return array
    filter_ = Image.Resampling.NEAREST if exact else Image.Resampling.LANCZOS
    kind = np.uint8 if array.dtype == np.uint8 else np.float32  # Pillow resamples 16 bits as floats only
    resized = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane, kind)).resize((width, height), filter_))
        for plane in array.transpose(2, 0, 1)
    ]
    rounded: NDArray[Any] = np.rint(np.stack(resized, axis=2)).clip(array.min(), array.max()).astype(array.dtype)
    return rounded


def check_side(array: NDArray[Any], plane: Plane) -> None:
    height, width = array.shape[:2]
    if min(height, width) < _LEAST_SIDE:
        raise ValueError(f"its {plane} slices have {width}x{height} pixels, and {_LEAST_SIDE} a side are the least")
