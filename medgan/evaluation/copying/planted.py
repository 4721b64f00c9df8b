"""Copies as a copyist would hide them: what the audit of copies is tried on, each time, on the very data."""

import io
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from PIL import Image

from medgan.evaluation.copying.moving import moved, smoothed
from medgan.imaging.arrays import Images, to_uint8

# Of 256, in images whose values lie in [-1, 1].
_GREY = 2 / 255
Rng = np.random.Generator


def _exact(images: Images, _rng: Rng) -> Images:
    return images


def _noise(images: Images, rng: Rng) -> Images:
    return _noisy(images, rng, 8)


def _noisy(images: Images, rng: Rng, levels: float) -> Images:
    noisy: Images = images + np.float32(levels * _GREY) * rng.standard_normal(images.shape, dtype=np.float32)
    return noisy


def _mirror(images: Images, _rng: Rng) -> Images:
    mirrored: Images = images[..., ::-1]
    return mirrored


def _gain(images: Images, rng: Rng) -> Images:
    gain, offset = _uniform(rng, images, middle=1, reach=0.05), _uniform(rng, images, middle=0, reach=0.05)
    changed: Images = (images.T + 1) * gain.numpy() - 1 + offset.numpy()
    return changed.T


def _place(images: Images, rng: Rng, *, pixels: int, degrees: float) -> Images:
    shift = torch.from_numpy(rng.integers(-pixels, pixels + 1, (2, len(images))) / images.shape[-1]).float()
    angle = torch.deg2rad(_uniform(rng, images, middle=0, reach=degrees))
    placed: Images = moved(torch.from_numpy(np.ascontiguousarray(images)), shift[0], shift[1], angle).numpy()
    return placed


def _blur(images: Images, _rng: Rng) -> Images:
    blurred: Images = smoothed(torch.from_numpy(np.ascontiguousarray(images)), images.shape[-1] / 64).numpy()
    return blurred


def _jpeg(images: Images, _rng: Rng) -> Images:
    read = []
    for picture in to_uint8(images):
        file = io.BytesIO()
        Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(file, "JPEG", quality=50)
        read.append(np.asarray(Image.open(file), np.float32).reshape(picture.shape))
    pictures: Images = np.stack(read).transpose(0, 3, 1, 2)
    return pictures / np.float32(127.5) - 1


def _uniform(rng: Rng, images: Images, *, middle: float, reach: float) -> torch.Tensor:
    return torch.from_numpy(rng.uniform(middle - reach, middle + reach, len(images)).astype(np.float32))


def _together(images: Images, rng: Rng) -> Images:
    for way in (_mirror, _gain, partial(_place, pixels=2, degrees=3.0)):
        images = way(images, rng)
    return _noisy(images, rng, 4)


WAYS: Mapping[str, Callable[[Images, Rng], Images]] = {
    "exact": _exact,
    "noise 8": _noise,
    "shift 2 px": partial(_place, pixels=2, degrees=0.0),
    "mirror": _mirror,
    "turn 3 degrees": partial(_place, pixels=0, degrees=3.0),
    "gain": _gain,
    "blur": _blur,
    "JPEG 50": _jpeg,
    "all at once": _together,
}
"""Images (n, C, H, W) in [-1, 1] and random numbers to images that hide what they copy, not yet quantised."""
