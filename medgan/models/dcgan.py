"""DCGAN (Radford 2016), unconditional or class-conditional, at any power of two from 16 pixels."""

import math
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from medgan.data.spec import ImageSpec


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DCGAN:
    """width: channels at the highest resolution, doubled at each halving up to `max_width`.

    embedding_dim: size of the label vector that is joined to z (the discriminator compares its features with a label
    vector: projection, Miyato 2018). upsample: "transposed" as published, or "nearest" + 3x3 convolution, which leaves
    no checkerboard. discriminator_norm: "batch" as published; "none" where gradients are penalised, because batch
    statistics make one image's gradient depend on the others.
    """

    latent_dim: Annotated[int, Field(ge=1)] = 100
    width: Annotated[int, Field(ge=4)] = 64
    max_width: Annotated[int, Field(ge=4)] = 512
    embedding_dim: Annotated[int, Field(ge=1)] = 32
    upsample: Literal["transposed", "nearest"] = "transposed"
    discriminator_norm: Literal["batch", "none"] = "batch"

    def generator(self, spec: ImageSpec) -> nn.Module:
        return _initialise(Generator(self, spec))

    def discriminator(self, spec: ImageSpec) -> nn.Module:
        return _initialise(Discriminator(self, spec))

    def widths(self, size: int) -> list[int]:
        """Channels from 4x4 (first) to size/2 (last)."""
        levels = int(math.log2(size)) - 2
        return [min(self.width * 2**level, self.max_width) for level in reversed(range(levels))]


class Generator(nn.Module):
    def __init__(self, model: DCGAN, spec: ImageSpec) -> None:
        super().__init__()
        widths = model.widths(spec.size)
        self.embedding = nn.Embedding(spec.classes, model.embedding_dim) if spec.classes else None
        inputs = model.latent_dim + (model.embedding_dim if spec.classes else 0)
        self.stem = nn.Sequential(
            nn.ConvTranspose2d(inputs, widths[0], 4, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(_upsampling(model.upsample, a, b, bias=False), nn.BatchNorm2d(b), nn.ReLU())
                for a, b in pairwise(widths)
            )
        )
        self.to_image = nn.Sequential(_upsampling(model.upsample, widths[-1], spec.channels, bias=True), nn.Tanh())

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(label)], dim=1)
        image: Tensor = self.to_image(self.blocks(self.stem(z[:, :, None, None])))
        return image


class Discriminator(nn.Module):
    def __init__(self, model: DCGAN, spec: ImageSpec) -> None:
        super().__init__()
        widths = [spec.channels, *reversed(model.widths(spec.size))]
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            normed = model.discriminator_norm == "batch"
            layers.append(nn.Conv2d(a, b, 4, stride=2, padding=1, bias=not normed))
            if normed:
                layers.append(nn.BatchNorm2d(b))
            layers.append(nn.LeakyReLU(0.2))
        self.features = nn.Sequential(*layers)
        # A 4x4 convolution over a 4x4 map: one number an image.
        self.to_logit = nn.Conv2d(widths[-1], 1, 4)
        self.embedding = nn.Embedding(spec.classes, widths[-1]) if spec.classes else None

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        features = self.features(image)
        logits: Tensor = self.to_logit(features).flatten()
        if self.embedding is not None:
            pooled = features.mean(dim=(2, 3))
            logits = logits + (self.embedding(label) * pooled).sum(dim=1)
        return logits


def _upsampling(kind: str, inputs: int, outputs: int, *, bias: bool) -> nn.Module:
    if kind == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
    return nn.Sequential(nn.Upsample(scale_factor=2.0), nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias))


def _initialise(network: nn.Module) -> nn.Module:
    """The published N(0, 0.02) weights without batch norm vanish through five layers; He's rule keeps them alive."""
    normed = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
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
