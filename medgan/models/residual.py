"""Residual networks for the relativistic game with R1 and R2 (Huang 2024, "The GAN is dead"), fit for a CPU.

Unlike that paper's, the generator has batch norm, modulated by z and label (Brock 2019, "BigGAN"): without it short
budgets lead nowhere. The discriminator has no norm, since penalties ask for the gradient of each image alone. Maps of
full resolution are the dearest ones on a CPU, so both networks work from half the side down and fold the 2x2
pixels of each place into channels (Shi 2016). That leaves a mesh in what the generator draws; `full_size: smooth`
leaves none, and `grain` gives it the noise of single pixels, which convolutions of smooth maps cannot make.
"""

import math
from itertools import pairwise
from typing import Annotated, Literal, Self, TypeVar

import torch
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.data.spec import ImageSpec

_SLOPE = 0.2
_LAST_WIDTH = 8  # channels of the generator at full size
_GRAIN_INPUTS = 16  # values of z behind the grain; more would only make its matrix larger
_GRAIN_TURNS = (
    1.5  # standard deviation of a phase, in turns: beyond one, sines of two pixels know nothing of each other
)
M = TypeVar("M", nn.Conv2d, nn.Linear)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Residual:
    """width: channels at half the side, doubled at each further halving up to `max_width`, in both networks.

    full_size: how the generator comes to it: folded, from 2x2 pixels in channels, or smooth, by interpolation. grain:
    the generator has noise of single pixels, which follows from z; it needs `full_size: smooth`.
    """

    latent_dim: Annotated[int, Field(ge=1)] = 128
    width: Annotated[int, Field(ge=4)] = 32
    max_width: Annotated[int, Field(ge=4)] = 256
    embedding_dim: Annotated[int, Field(ge=1)] = 32
    full_size: Literal["folded", "smooth"] = "folded"
    grain: bool = False

    @model_validator(mode="after")
    def _grain_has_a_place(self) -> Self:
        if self.grain and self.full_size != "smooth":
            raise ValueError("grain needs full_size: smooth")
        return self

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
        self.enlarge = _Smooth(widths[-1], model, spec.size) if model.full_size == "smooth" else _Folded(widths[-1])
        # Without it nothing would smooth the seams of the 2x2 pixels.
        self.to_image = _initialised(nn.Conv2d(_LAST_WIDTH, spec.channels, 3, padding=1))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        style = z if self.embedding is None else torch.cat([z, self.embedding(label)], dim=1)
        features = self.stem(style).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            features = block(features, style)
        features = self.enlarge(self.norm(features, style), z)
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


class _Folded(nn.Module):
    """Twice the side: (B, inputs, H, W) to (B, _LAST_WIDTH, 2H, 2W), each 2x2 pixels from the channels of one place."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.unfold = _initialised(nn.Conv2d(inputs, 4 * _LAST_WIDTH, 3, padding=1))

    def forward(self, features: Tensor, _z: Tensor) -> Tensor:
        return F.pixel_shuffle(self.unfold(features), 2)


class _Smooth(nn.Module):
    """As _Folded, by bilinear interpolation; with grain, how much of it there is comes from the features.

    The grain is a sine of z times a fixed random matrix: for anybody who does not know that matrix it is white noise,
    and the exported model needs no input beside z.
    """

    phases: Tensor

    def __init__(self, inputs: int, model: Residual, size: int) -> None:
        super().__init__()
        self.narrow = _initialised(nn.Conv2d(inputs, _LAST_WIDTH, 3, padding=1))
        self.amount = _initialised(nn.Conv2d(inputs, _LAST_WIDTH, 3, padding=1)) if model.grain else None
        if self.amount is not None:
            with torch.no_grad():
                self.amount.weight.mul_(0.1)  # there is little of it at first
            known = min(_GRAIN_INPUTS, model.latent_dim)
            turns = torch.randn(known, size * size, generator=torch.Generator().manual_seed(0))
            self.register_buffer("phases", turns * (2 * math.pi * _GRAIN_TURNS / math.sqrt(known)))

    def forward(self, features: Tensor, z: Tensor) -> Tensor:
        enlarged = _doubled(self.narrow(features))
        if self.amount is None:
            return enlarged
        return enlarged + _doubled(self.amount(features)) * self._grain(z, enlarged.shape[-1]).to(enlarged.dtype)

    def _grain(self, z: Tensor, size: int) -> Tensor:
        """(B, 1, size, size). In 16 bits the phases would be whole turns off."""
        with torch.autocast(z.device.type, enabled=False):
            phases = z[:, : len(self.phases)].to(self.phases.dtype) @ self.phases
        return phases.sin().reshape(-1, 1, size, size)


def _doubled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)


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
