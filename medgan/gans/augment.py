"""Augmentation: of what the discriminator sees (Zhao 2020, "Differentiable Augmentation"), and of whole batches.

Under the former real and generated images go through the same random changes, so that a small data set is not learnt by
heart while the generator still learns the unchanged images. Under the latter the generator learns changed images too:
right for pairs, which change together. Nothing here mirrors unless asked: anatomy has sides.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from medgan.data.batch import Batch
from medgan.randomness import Draw, Integers, StepRandomness, Uniform


def jitter(batch: Batch, reach: int, randomness: StepRandomness) -> Batch:
    """Each image moved by up to `reach` pixels down and across, its source and mask alike (Isola 2017 calls it jitter).

    What comes in is the lowest value.
    """
    if not reach:
        return batch
    shift = randomness.draw("jitter", _shift(reach), len(batch.image))
    return replace(
        batch,
        image=_shifted(batch.image, shift, reach, fill=-1.0),
        source=None if batch.source is None else _shifted(batch.source, shift, reach, fill=-1.0),
        mask=None if batch.mask is None else _shifted(batch.mask, shift, reach, fill=0.0),
    )


def augmented(images: Tensor, kinds: Sequence[str], randomness: StepRandomness, stream: str) -> Tensor:
    """images (B, C, H, W) in [-1, 1] after each change in turn."""
    if not kinds:
        return images
    draws = [AUGMENTATIONS[kind].draw(images.shape[-1]) for kind in kinds]
    for kind, drawn in zip(kinds, randomness.drawn(stream, draws, len(images)), strict=True):
        images = AUGMENTATIONS[kind].change(images, drawn.to(images.device))
    return images


@dataclass(frozen=True)
class Augmentation:
    """A change of images (B, C, H, W) by random numbers, and which ones it takes where images have this side."""

    draw: Callable[[int], Draw]
    change: Callable[[Tensor, Tensor], Tensor]


def _uniform(side: int) -> Uniform:
    return Uniform()


def _share(images: Tensor, uniform: Tensor) -> Tensor:
    """(B, 1, 1, 1) in [0, 1), in the type of the images."""
    return uniform.view(-1, 1, 1, 1).to(images)


def _brightness(images: Tensor, uniform: Tensor) -> Tensor:
    return images + _share(images, uniform) - 0.5


def _contrast(images: Tensor, uniform: Tensor) -> Tensor:
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (_share(images, uniform) + 0.5) + mean


def _saturation(images: Tensor, uniform: Tensor) -> Tensor:
    mean = images.mean(dim=1, keepdim=True)
    return (images - mean) * (2 * _share(images, uniform)) + mean


def _mirror(images: Tensor, uniform: Tensor) -> Tensor:
    return torch.where(_share(images, uniform) < 0.5, images.flip(3), images)


def _reach(side: int) -> int:
    return max(1, side // 8)


def _shift(reach: int) -> Integers:
    """Rows down and columns across."""
    return Integers(-reach, reach + 1, 2)


def _translation(images: Tensor, shift: Tensor) -> Tensor:
    """Move each image by up to an eighth of the side; what comes in is the lowest value, as around most scans."""
    return _shifted(images, shift, _reach(images.shape[-1]), fill=-1.0)


def _shifted(images: Tensor, shift: Tensor, reach: int, *, fill: float) -> Tensor:
    """shift: (B, 2), rows down and columns across, at most `reach` of either."""
    n, size = len(images), images.shape[-1]
    places = torch.arange(size, device=images.device) + shift.T[:, :, None].to(images.device) + reach
    down, across = places.unbind(0)
    padded = F.pad(images, (reach,) * 4, value=fill)
    batch = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, down[:, :, None], across[:, None, :]].permute(0, 3, 1, 2)


def _centre(side: int) -> Integers:
    return Integers(0, side, 2)


def _cutout(images: Tensor, centre: Tensor) -> Tensor:
    """A square of nearly half the side, set to the middle of the range."""
    size = images.shape[-1]
    places = torch.arange(size, device=images.device)
    down, across = ((places - centre.T[:, :, None]).abs() < size // 4).unbind(0)
    return images.masked_fill((down[:, :, None] & across[:, None, :])[:, None], 0.0)


AUGMENTATIONS: dict[str, Augmentation] = {
    "brightness": Augmentation(_uniform, _brightness),
    "contrast": Augmentation(_uniform, _contrast),
    "saturation": Augmentation(_uniform, _saturation),
    "translation": Augmentation(lambda side: _shift(_reach(side)), _translation),
    "cutout": Augmentation(_centre, _cutout),
    "mirror": Augmentation(_uniform, _mirror),
}
