"""Differentiable augmentation of what the discriminator sees (Zhao 2020, "Differentiable Augmentation").

Real and generated images go through the same random changes, so that a small data set is not learnt by heart while the
generator still learns the unchanged images. Nothing here mirrors unless asked: anatomy has sides.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from medgan.randomness import Rows


def augmented(images: Tensor, kinds: Sequence[str], rows: Rows) -> Tensor:
    """images (B, C, H, W) in [-1, 1] after each change in turn; random numbers come from `rows`."""
    for kind in kinds:
        images = AUGMENTATIONS[kind](images, rows)
    return images


def _uniform(images: Tensor, rows: Rows) -> Tensor:
    """(B, 1, 1, 1) in [0, 1)."""
    return rows.uniform(len(images)).view(-1, 1, 1, 1).to(images)


def _brightness(images: Tensor, rows: Rows) -> Tensor:
    return images + _uniform(images, rows) - 0.5


def _contrast(images: Tensor, rows: Rows) -> Tensor:
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (_uniform(images, rows) + 0.5) + mean


def _saturation(images: Tensor, rows: Rows) -> Tensor:
    mean = images.mean(dim=1, keepdim=True)
    return (images - mean) * (2 * _uniform(images, rows)) + mean


def _mirror(images: Tensor, rows: Rows) -> Tensor:
    return torch.where(_uniform(images, rows) < 0.5, images.flip(3), images)


def _translation(images: Tensor, rows: Rows) -> Tensor:
    """By up to an eighth of the side; what comes in is the lowest value, as around most medical images."""
    n, size = len(images), images.shape[-1]
    reach = max(1, size // 8)
    shift = rows.integers(-reach, reach + 1, 2, n)[:, :, None].to(images.device)
    down, across = (torch.arange(size, device=images.device) + shift + reach).unbind(0)
    padded = F.pad(images, (reach,) * 4, value=-1.0)
    batch = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, down[:, :, None], across[:, None, :]].permute(0, 3, 1, 2)


def _cutout(images: Tensor, rows: Rows) -> Tensor:
    """A square of nearly half the side, set to the middle of the range."""
    n, size = len(images), images.shape[-1]
    half = size // 4
    centre = rows.integers(0, size, 2, n)[:, :, None].to(images.device)
    down, across = ((torch.arange(size, device=images.device) - centre).abs() < half).unbind(0)
    return images.masked_fill((down[:, :, None] & across[:, None, :])[:, None], 0.0)


AUGMENTATIONS: dict[str, Callable[[Tensor, Rows], Tensor]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "translation": _translation,
    "cutout": _cutout,
    "mirror": _mirror,
}
