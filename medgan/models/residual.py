"""Residual networks for the relativistic game with R1 and R2 (Huang 2024, "The GAN is dead"), fit for a CPU.

Unlike that paper's, the generator has batch norm, modulated by z and label (Brock 2019, "BigGAN"): without it short
budgets lead nowhere. The discriminator has no norm, since penalties ask for the gradient of each image alone. Maps of
full resolution are the dearest ones on a CPU, so both networks work from half the side down and fold the 2x2
pixels of each place into channels (Shi 2016).
"""

import math
from itertools import pairwise
from typing import Annotated, TypeVar

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.data.spec import ImageSpec

_SLOPE = 0.2
_LAST_WIDTH = 8  # channels of the generator at full size
M = TypeVar("M", nn.Conv2d, nn.Linear)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Residual:
    """width: channels at half the side, doubled at each further halving up to `max_width`, in both networks."""

    latent_dim: Annotated[int, Field(ge=1)] = 128
    width: Annotated[int, Field(ge=4)] = 32
    max_width: Annotated[int, Field(ge=4)] = 256
    embedding_dim: Annotated[int, Field(ge=1)] = 32

    def generator(self, spec: ImageSpec) -> nn.Module:
        return Generator(self, spec)

    def discriminator(self, spec: ImageSpec) -> nn.Module:
        return Discriminator(self, spec)

    def widths(self, size: int) -> list[int]:
        """Channels from 4x4 (first) to half the side (last)."""
        levels = int(math.log2(size)) - 2
        return [min(self.width * 2**level, self.max_width) for level in reversed(range(levels))]


class Generator(nn.Module):
    def __init__(self, model: Residual, spec: ImageSpec) -> None:
        super().__init__()
        widths = model.widths(spec.size)
        self.embedding = nn.Embedding(spec.classes, model.embedding_dim) if spec.classes else None
        style = model.latent_dim + (model.embedding_dim if spec.classes else 0)
        self.stem = _initialised(nn.Linear(style, 16 * widths[0]))
        self.blocks = nn.ModuleList(_Up(a, b, style) for a, b in pairwise(widths))
        self.norm = _ModulatedNorm(widths[-1], style)
        self.unfold = _initialised(nn.Conv2d(widths[-1], 4 * _LAST_WIDTH, 3, padding=1))
        # Without it nothing would smooth the seams of the 2x2 pixels.
        self.to_image = _initialised(nn.Conv2d(_LAST_WIDTH, spec.channels, 3, padding=1))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        style = z if self.embedding is None else torch.cat([z, self.embedding(label)], dim=1)
        features = self.stem(style).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            features = block(features, style)
        features = F.pixel_shuffle(self.unfold(self.norm(features, style)), 2)
        image: Tensor = self.to_image(F.leaky_relu(features, _SLOPE))
        return image.tanh()


class Discriminator(nn.Module):
    """Label by projection (Miyato 2018)."""

    def __init__(self, model: Residual, spec: ImageSpec) -> None:
        super().__init__()
        widths = list(reversed(model.widths(spec.size)))
        self.first = _initialised(nn.Conv2d(4 * spec.channels, widths[0], 3, padding=1))
        self.blocks = nn.Sequential(*(_Down(a, b) for a, b in pairwise(widths)))
        self.to_logit = _initialised(nn.Conv2d(widths[-1], 1, 4))
        self.embedding = nn.Embedding(spec.classes, widths[-1]) if spec.classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, widths[-1] ** -0.5)

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        features = F.leaky_relu(self.blocks(self.first(F.pixel_unshuffle(image, 2))), _SLOPE)
        logits: Tensor = self.to_logit(features).flatten()
        if self.embedding is not None:
            logits = logits + (self.embedding(label) * features.mean(dim=(2, 3))).sum(dim=1)
        return logits


class _Up(nn.Module):
    """Twice the side: (B, inputs, H, W) to (B, outputs, 2H, 2W)."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.first_norm, self.second_norm = _ModulatedNorm(inputs, style), _ModulatedNorm(outputs, style)
        self.first = _initialised(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
        self.second = _initialised(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = _initialised(nn.Conv2d(inputs, outputs, 1))

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        # Enlarged as late as it can be, which is cheaper, and not by a transposed convolution, which leaves a mesh.
        hidden = self.second_norm(self.first(self.first_norm(features, style)), style)
        added: Tensor = self.second(F.interpolate(hidden, scale_factor=2.0))
        return added + F.interpolate(self.skip(features), scale_factor=2.0)


class _Down(nn.Module):
    """Half the side; the sum of two paths keeps the variance of one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = _initialised(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1))
        self.skip = _initialised(nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, features: Tensor) -> Tensor:
        added: Tensor = self.convolution(F.leaky_relu(features, _SLOPE))
        added = added + self.skip(F.avg_pool2d(features, 2))
        return added * math.sqrt(0.5)


class _ModulatedNorm(nn.Module):
    """Batch norm whose scale and shift come from z and label, then leaky ReLU."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.modulation = nn.Linear(style, 2 * width)
        nn.init.normal_(self.modulation.weight, 0.0, 0.02)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.modulation(style)[:, :, None, None].chunk(2, dim=1)
        return F.leaky_relu(self.norm(features) * (1 + scale) + shift, _SLOPE)


def _initialised(module: M) -> M:
    """He's rule."""
    nn.init.kaiming_normal_(module.weight, a=_SLOPE)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module
