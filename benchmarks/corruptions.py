"""Damaged images in an order that a person gives them: what is hardly seen, and what is seen at once."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from medgan.seeds import numpy_generator

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Damaged:
    """Images (N, H, W, C) of 8 bits with their classes (N,), all 0 without any; a seed for what is drawn at random."""

    images: Pixels
    labels: Labels
    seed: int = 0

    def random(self, stream: str) -> np.random.Generator:
        return numpy_generator(self.seed, stream)


Damage = Callable[[Damaged, float], Pixels]


def noisy(of: Damaged, sigma: float) -> Pixels:
    """sigma: grey levels of 255, as everywhere here."""
    return _to_uint8(of.images + sigma * of.random("noise").normal(size=of.images.shape))


def speckled(of: Damaged, sigma: float) -> Pixels:
    return _to_uint8(of.images * (1 + sigma * of.random("speckle").normal(size=of.images.shape)))


def checkered(of: Damaged, amplitude: float) -> Pixels:
    board = np.indices(of.images.shape[1:3]).sum(axis=0) % 2 * 2 - 1
    return _to_uint8(of.images + amplitude * board[..., None])


def blurred(of: Damaged, sigma: float) -> Pixels:
    return _to_uint8(gaussian_filter(of.images.astype(np.float32), (0, sigma, sigma, 0)))


def brightened(of: Damaged, gain: float) -> Pixels:
    return _to_uint8(of.images * gain)


def jpeg(of: Damaged, quality: float) -> Pixels:
    return np.stack([_recompressed(image, int(quality)) for image in of.images])


def elastic(of: Damaged, pixels: float) -> Pixels:
    """Bent smoothly, by at most so many pixels."""
    rng, (height, width) = of.random("elastic"), of.images.shape[1:3]
    return np.stack([_bent(image, rng.normal(size=(2, height, width)), pixels) for image in of.images])


def mirrored(of: Damaged, _: float) -> Pixels:
    return of.images[:, :, ::-1]


def shifted(of: Damaged, pixels: float) -> Pixels:
    return np.roll(of.images, int(pixels), axis=2)


def joined(of: Damaged, axis: float) -> Pixels:
    """Halves of two images of one class: side by side (axis 2) or one above the other (axis 1)."""
    half = [slice(None)] * 4
    half[int(axis)] = slice(of.images.shape[int(axis)] // 2, None)
    images = of.images.copy()
    images[tuple(half)] = of.images[_others_of_class(of)][tuple(half)]
    return images


def hollowed(of: Damaged, radius: float) -> Pixels:
    """An ellipse in the middle, by its share of the side, in its own mean colour: organs are erased."""
    height, width = of.images.shape[1:3]
    y, x = np.mgrid[:height, :width]
    inside = ((y - height / 2) / (radius * height)) ** 2 + ((x - width / 2) / (radius * width)) ** 2 < 1
    images = of.images.copy()
    images[:, inside] = _to_uint8(of.images[:, inside].mean(axis=1, keepdims=True))
    return images


def shuffled(of: Damaged, pieces: float) -> Pixels:
    """Cut into so many squares a side, which change places."""
    rng, count, side = of.random("shuffled"), int(pieces), of.images.shape[1] // int(pieces)
    n, channels = len(of.images), of.images.shape[3]
    cut = of.images.reshape(n, count, side, count, side, channels).swapaxes(2, 3)
    cut = cut.reshape(n, count**2, side, side, channels)
    # No piece would stay where it is only by chance: all are moved on along a random tour.
    tours = rng.permuted(np.tile(np.arange(count**2), (n, 1)), axis=1)
    moved, rows = np.empty_like(cut), np.arange(n)[:, None]
    moved[rows, tours] = cut[rows, np.roll(tours, 1, axis=1)]
    moved = moved.reshape(n, count, count, side, side, channels).swapaxes(2, 3)
    return moved.reshape(of.images.shape)


def boxed(of: Damaged, share: float) -> Pixels:
    """A black box somewhere, by its share of the side."""
    rng, side = of.random("boxes"), of.images.shape[1]
    box, images = int(share * side), of.images.copy()
    corners = rng.integers(side // 8, side - side // 8 - box, size=(len(images), 2))
    for image, (top, left) in zip(images, corners, strict=True):
        image[top : top + box, left : left + box] = 0
    return images


def collapsed(of: Damaged, kept: float) -> Pixels:
    """So many images of each class, again and again."""
    rows = np.arange(len(of.images))
    for code in np.unique(of.labels):
        of_class = np.flatnonzero(of.labels == code)
        rows[of_class] = np.resize(of_class[: int(kept)], len(of_class))
    return of.images[rows]


HARDLY_SEEN: Mapping[str, tuple[Damage, float]] = {
    "noise 4": (noisy, 4),
    "JPEG 20": (jpeg, 20),
    "checkerboard ±3": (checkered, 3),
    "elastic 3 px": (elastic, 3),
}
SEEN_AT_ONCE: Mapping[str, tuple[Damage, float]] = {
    "halves side by side": (joined, 2),
    "halves one above the other": (joined, 1),
    "organs erased": (hollowed, 0.28),
    "quadrants shuffled": (shuffled, 2),
    "sixteen patches shuffled": (shuffled, 4),
    "black boxes": (boxed, 0.25),
}
OTHERS: Mapping[str, tuple[Damage, float]] = {
    "mirrored": (mirrored, 0),
    "shifted 2 px": (shifted, 2),
    "brighter by 5 %": (brightened, 1.05),
    "blur 1 px": (blurred, 1),
    "noise 16": (noisy, 16),
    "speckle 0.2": (speckled, 0.2),
    "checkerboard ±12": (checkered, 12),
    "elastic 8 px": (elastic, 8),
    "ten images a class": (collapsed, 10),
}


def _to_uint8(values: NDArray[np.floating]) -> Pixels:
    pixels: Pixels = np.rint(values).clip(0, 255).astype(np.uint8)
    return pixels


def _recompressed(image: Pixels, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).reshape(image.shape)


def _bent(image: Pixels, noise: NDArray[np.float64], pixels: float) -> Pixels:
    height, width = image.shape[:2]
    smooth = gaussian_filter(noise, (0, height / 8, width / 8))
    smooth *= pixels / np.abs(smooth).max(axis=(1, 2), keepdims=True)
    places = np.mgrid[:height, :width] + smooth
    channels = np.moveaxis(image.astype(np.float32), 2, 0)
    planes = [map_coordinates(channel, places, order=1, mode="nearest") for channel in channels]
    return _to_uint8(np.stack(planes, axis=-1))


def _others_of_class(of: Damaged) -> Labels:
    """Row of another image of the class of each."""
    rng, others = of.random("others"), np.arange(len(of.images))
    for code in np.unique(of.labels):
        tour = rng.permutation(np.flatnonzero(of.labels == code))
        others[tour] = np.roll(tour, 1)
    return others
