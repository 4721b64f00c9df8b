"""Augmentation: of what the discriminator sees (Zhao 2020, "Differentiable Augmentation"), and of whole batches.

Under the former real and generated images go through the same random changes, so that a small data set is not learnt by
heart while the generator still learns the unchanged images. Under the latter the generator learns changed images too:
right for pairs, which change together. Nothing here mirrors unless asked: anatomy has sides.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from medgan.data.batch import Batch
from medgan.randomness import Rows


def jitter(batch: Batch, reach: int, rows: Rows) -> Batch:
    """Each image moved by up to `reach` pixels down and across, its source and mask alike (Isola 2017 calls it jitter).

    What comes in is the lowest value.
    """
    if not reach:
        return batch
    shift = rows.integers(-reach, reach + 1, 2, len(batch.image))
    return replace(
        batch,
        image=_shifted(batch.image, shift, reach, fill=-1.0),
        source=None if batch.source is None else _shifted(batch.source, shift, reach, fill=-1.0),
        mask=None if batch.mask is None else _shifted(batch.mask, shift, reach, fill=0.0),
    )


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
    """Move each image by up to an eighth of the side; what comes in is the lowest value, as around most scans."""
    reach = max(1, images.shape[-1] // 8)
    return _shifted(images, rows.integers(-reach, reach + 1, 2, len(images)), reach, fill=-1.0)


def _shifted(images: Tensor, shift: Tensor, reach: int, *, fill: float) -> Tensor:
    """shift: (2, B), rows down and columns across, at most `reach` of either."""
    n, size = len(images), images.shape[-1]
    places = torch.arange(size, device=images.device) + shift[:, :, None].to(images.device) + reach
    down, across = places.unbind(0)
    padded = F.pad(images, (reach,) * 4, value=fill)
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
