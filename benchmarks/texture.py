"""What a network sees in images that people do not: parts that are exactly even, and the power of the finest waves."""

from dataclasses import dataclass

import numpy as np

from medgan.imaging.arrays import Images


@dataclass(frozen=True)
class Texture:
    """even: share of pixels whose 3x3 neighbourhood has one value. finest: power of waves shorter than 3 pixels."""

    even: float
    finest: float

    def decibels(self, real: "Texture") -> float:
        """By how much the finest waves are stronger than those of real images."""
        return 10 * float(np.log10(self.finest / real.finest))


def texture(images: Images) -> Texture:
    """Of images (N, C, H, W) at the levels of the data."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(2, 3))
    even = (windows.max((-1, -2)) == windows.min((-1, -2))).all(axis=1)
    power = np.abs(np.fft.rfft2(images - images.mean(axis=(2, 3), keepdims=True))) ** 2
    rows, columns = np.fft.fftfreq(images.shape[2]), np.fft.rfftfreq(images.shape[3])
    fine = np.hypot(rows[:, None], columns[None]) > 1 / 3
    return Texture(float(even.mean()), float(power[:, :, fine].mean()))
