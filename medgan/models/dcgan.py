"""DCGAN (Radford 2016), unconditional or class-conditional, at any power of two from 16 pixels.

With `discriminator_norm: spectral` it is SNGAN (Miyato 2018) on the same layers.
"""

import math
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from medgan.data.spec import ImageSpec
from medgan.models.layers import (
    Activation,
    Conditioning,
    LabelPlanes,
    activation,
    label_vector,
    spectrally_normalise,
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DCGAN:
    """width: channels at the highest resolution, doubled at each halving up to `max_width`.

    depth: 3x3 convolutions that are added to each level; 0 as published.
    conditioning, embedding_dim: how the label enters, and the size of its vector.
    upsample: "transposed" as published, or "nearest" + 3x3 convolution, which leaves no checkerboard.
    stem: from z to 4x4 by a transposed convolution, or by a linear layer with bias.
    activation, output: of the generator; sigmoid is stretched to [-1, 1].
    discriminator_norm: "batch" as published, "spectral"; "none" where gradients are penalised, because batch
    statistics make one image's gradient depend on the others. first_norm: normalise the first layer too.
    """

    latent_dim: Annotated[int, Field(ge=1)] = 100
    width: Annotated[int, Field(ge=4)] = 64
    max_width: Annotated[int, Field(ge=4)] = 512
    depth: Annotated[int, Field(ge=0, le=4)] = 0
    conditioning: Conditioning = "projection"
    embedding_dim: Annotated[int, Field(ge=1)] = 32
    stem: Literal["transposed", "linear"] = "transposed"
    upsample: Literal["transposed", "nearest"] = "transposed"
    activation: Activation = "relu"
    output: Literal["tanh", "sigmoid"] = "tanh"
    discriminator_norm: Literal["batch", "spectral", "none"] = "batch"
    first_norm: bool = True

    def generator(self, spec: ImageSpec) -> nn.Module:
        return _initialise(Generator(self, spec), normed=True)

    def discriminator(self, spec: ImageSpec) -> nn.Module:
        network = _initialise(Discriminator(self, spec), normed=self.discriminator_norm == "batch")
        if self.discriminator_norm == "spectral":
            spectrally_normalise(network)
        return network

    def widths(self, size: int) -> list[int]:
        """Channels from 4x4 (first) to size/2 (last)."""
        levels = int(math.log2(size)) - 2
        return [min(self.width * 2**level, self.max_width) for level in reversed(range(levels))]


class Generator(nn.Module):
    def __init__(self, model: DCGAN, spec: ImageSpec) -> None:
        super().__init__()
        widths = model.widths(spec.size)
        self.label = label_vector(model.conditioning, spec.classes, model.embedding_dim) if spec.classes else None
        inputs = model.latent_dim + (self.label.embedding_dim if self.label is not None else 0)
        self.stem = nn.Sequential(_stem(model.stem, inputs, widths[0]), *_normed(model, widths[0]))
        self.levels = nn.Sequential()
        for a, b in pairwise(widths):
            level = nn.Sequential(_upsampling(model.upsample, a, b, bias=False), *_normed(model, b))
            for _ in range(model.depth):
                level.extend([nn.Conv2d(b, b, 3, padding=1, bias=False), *_normed(model, b)])
            self.levels.append(level)
        self.to_image = _upsampling(model.upsample, widths[-1], spec.channels, bias=model.upsample == "nearest")
        self.output = model.output

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if self.label is not None:
            z = torch.cat([z, self.label(label)], dim=1)
        values: Tensor = self.to_image(self.levels(self.stem(z)))
        return values.tanh() if self.output == "tanh" else 2 * values.sigmoid() - 1


class Discriminator(nn.Module):
    def __init__(self, model: DCGAN, spec: ImageSpec) -> None:
        super().__init__()
        projects = bool(spec.classes) and model.conditioning == "projection"
        self.planes = (
            LabelPlanes(model.conditioning, spec.classes, model.embedding_dim, spec.size)
            if spec.classes and not projects
            else None
        )
        widths = list(reversed(model.widths(spec.size)))
        normed = model.discriminator_norm == "batch"
        self.features = nn.Sequential()
        inputs = spec.channels + (self.planes.channels if self.planes is not None else 0)
        for index, (a, b) in enumerate(pairwise([inputs, *widths])):
            with_norm = normed and (index > 0 or model.first_norm)
            self.features.append(
                _discriminating(nn.Conv2d(a, b, 4, stride=2, padding=1, bias=not with_norm), with_norm)
            )
            for _ in range(model.depth):
                self.features.append(_discriminating(nn.Conv2d(b, b, 3, padding=1, bias=not normed), normed))
        # A 4x4 convolution over a 4x4 map: one number an image.
        self.to_logit = nn.Conv2d(widths[-1], 1, 4, bias=not normed)
        self.embedding = nn.Embedding(spec.classes, widths[-1]) if projects else None

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        if self.planes is not None and label is not None:
            image = torch.cat([image, self.planes(label).to(image.dtype)], dim=1)
        features = self.features(image)
        logits: Tensor = self.to_logit(features).flatten()
        if self.embedding is not None:
            pooled = features.mean(dim=(2, 3))
            logits = logits + (self.embedding(label) * pooled).sum(dim=1)
        return logits


def _stem(kind: str, inputs: int, width: int) -> nn.Module:
    """(B, inputs) to (B, width, 4, 4)."""
    if kind == "linear":
        return nn.Sequential(nn.Linear(inputs, 16 * width), nn.Unflatten(1, (width, 4, 4)))
    return nn.Sequential(nn.Unflatten(1, (inputs, 1, 1)), nn.ConvTranspose2d(inputs, width, 4, bias=False))


def _normed(model: DCGAN, width: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(width), activation(model.activation)]


def _discriminating(convolution: nn.Conv2d, normed: bool) -> nn.Module:
    norm = [nn.BatchNorm2d(convolution.out_channels)] if normed else []
    return nn.Sequential(convolution, *norm, nn.LeakyReLU(0.2))


def _upsampling(kind: str, inputs: int, outputs: int, *, bias: bool) -> nn.Module:
    if kind == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
    return nn.Sequential(nn.Upsample(scale_factor=2.0), nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias))


def _initialise(network: nn.Module, *, normed: bool) -> nn.Module:
    """The published N(0, 0.02) weights without batch norm vanish through five layers; He's rule keeps them alive."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if normed:
                nn.init.normal_(module.weight, 0.0, 0.02)
            else:
                nn.init.kaiming_normal_(module.weight, a=0.2)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, 0.0, 1.0 / math.sqrt(module.embedding_dim))
    return network
