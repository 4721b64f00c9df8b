"""MSC-GAN: a generator with an image at each scale, and a discriminator a scale, told where the lesion is and which.

After multi-scale conditional lesion synthesis; growth by fading as in Karras 2018 ("Progressive Growing of GANs"),
the mask by spatially-adaptive normalisation (Park 2019, "SPADE").
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.data.spec import ImageSpec
from medgan.levels import Level
from medgan.models.layers import OneHot


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class MSCGAN:
    """width: channels at the highest resolution, doubled at each halving up to `max_width`.

    smallest: side of the first image. region_width: hidden channels between the lesion's region and its modulation.
    """

    latent_dim: Annotated[int, Field(ge=1)] = 64
    width: Annotated[int, Field(ge=4)] = 32
    max_width: Annotated[int, Field(ge=4)] = 256
    smallest: Literal[8, 16, 32, 64] = 16
    region_width: Annotated[int, Field(ge=4)] = 32
    embedding_dim: Annotated[int, Field(ge=1)] = 32

    def scales(self, spec: ImageSpec) -> list[int]:
        """Sides of the images, smallest first."""
        sides = [min(self.smallest, spec.size)]
        while sides[-1] < spec.size:
            sides.append(2 * sides[-1])
        return sides

    def widths(self, size: int, largest: int) -> list[int]:
        """Channels of the maps from 4x4 to `size`; `width` is that of `largest`."""
        sides = [2**power for power in range(2, int(math.log2(size)) + 1)]
        return [min(self.width * largest // side, self.max_width) for side in sides]

    def generator(self, spec: ImageSpec) -> "Generator":
        return Generator(self, spec)

    def discriminator(self, spec: ImageSpec, side: int) -> "Discriminator":
        return Discriminator(self, spec, side)


class Generator(nn.Module):
    def __init__(self, model: MSCGAN, spec: ImageSpec) -> None:
        super().__init__()
        self.scales = model.scales(spec)
        widths = model.widths(spec.size, spec.size)
        self.embedding = nn.Embedding(spec.classes, model.embedding_dim) if spec.classes else None
        self.kinds = OneHot(spec.classes)
        inputs = model.latent_dim + (model.embedding_dim if spec.classes else 0)
        self.stem = nn.Linear(inputs, 16 * widths[0])
        # A plane a class: the mask where it is this class, zero elsewhere; unlabelled lesions are of one kind.
        planes = max(1, spec.classes) * spec.mask_channels
        self.blocks = nn.ModuleList(_Block(a, b, planes, model.region_width) for a, b in pairwise(widths))
        self.to_image = nn.ModuleDict(
            {str(side): _convolution(model.widths(side, spec.size)[-1], spec.channels) for side in self.scales}
        )

    def forward(self, z: Tensor, mask: Tensor, label: Tensor | None, alphas: Sequence[Level]) -> list[Tensor]:
        """Images of each scale up to the last with alpha > 0, which fades in over the one before it."""
        if self.embedding is not None and label is not None:
            z = torch.cat([z, self.embedding(label)], dim=1)
            mask = (self.kinds(label)[:, :, None, None, None] * mask[:, None]).flatten(1, 2)
        features = self.stem(z).unflatten(1, (-1, 4, 4))
        images: list[Tensor] = []
        for block in self.blocks:
            features = block(features, mask)
            side = features.shape[-1]
            if side not in self.scales:
                continue
            image = self.to_image[str(side)](F.leaky_relu(features, 0.2)).tanh()
            alpha = alphas[len(images)]
            if images and alpha.now < 1:
                image = alpha.value * image + (1 - alpha.value) * F.interpolate(images[-1], scale_factor=2.0)
            images.append(image)
            if len(images) == len(alphas) or alphas[len(images)].now == 0:
                break
        return images


class Discriminator(nn.Module):
    """Of one scale: image and mask (B, C + M, side, side), label by projection (Miyato 2018)."""

    def __init__(self, model: MSCGAN, spec: ImageSpec, side: int) -> None:
        super().__init__()
        widths = list(reversed(model.widths(side, spec.size)))
        self.features = nn.Sequential(_convolution(spec.channels + spec.mask_channels, widths[0]), nn.LeakyReLU(0.2))
        for a, b in pairwise(widths):
            self.features.extend([_convolution(a, b, kernel=4, stride=2), nn.LeakyReLU(0.2)])
        self.to_logit = nn.Conv2d(widths[-1], 1, 4)
        self.embedding = nn.Embedding(spec.classes, widths[-1]) if spec.classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, widths[-1] ** -0.5)

    def forward(self, image: Tensor, mask: Tensor, label: Tensor | None) -> Tensor:
        features = self.features(torch.cat([image, mask.to(image.dtype)], dim=1))
        logits: Tensor = self.to_logit(features).flatten()
        if self.embedding is not None:
            logits = logits + (self.embedding(label) * features.mean(dim=(2, 3))).sum(dim=1)
        return logits


def shrunk(image: Tensor, side: int) -> Tensor:
    """(B, C, H, W) averaged down to this side."""
    return F.avg_pool2d(image, image.shape[-1] // side) if image.shape[-1] > side else image


class _Block(nn.Module):
    """Twice the side: normalised, modulated by the lesion's region, then convolved."""

    def __init__(self, inputs: int, outputs: int, planes: int, region_width: int) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, bias=False)  # the norm would cancel it
        self.norm = nn.BatchNorm2d(outputs, affine=False)
        self.region = _convolution(planes, region_width)
        self.modulation = _convolution(region_width, 2 * outputs)
        nn.init.normal_(self.modulation.weight, 0.0, 0.02)
        self.scale, self.shift = nn.Parameter(torch.ones(outputs)), nn.Parameter(torch.zeros(outputs))
        self.second = _convolution(outputs, outputs)

    def forward(self, features: Tensor, region: Tensor) -> Tensor:
        features = self.norm(self.first(F.interpolate(features, scale_factor=2.0)))
        hidden = F.leaky_relu(self.region(shrunk(region, features.shape[-1])), 0.2)
        scale, shift = self.modulation(hidden).chunk(2, dim=1)
        features = features * (self.scale[:, None, None] + scale) + self.shift[:, None, None] + shift
        added: Tensor = self.second(F.leaky_relu(features, 0.2))
        return features + added


def _convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=bias)
    nn.init.kaiming_normal_(convolution.weight, a=0.2)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution
