"""U-Nets that translate one image into another (Ronneberger 2015), and discriminators of what they draw (Isola 2017).

`PublishedUNet` is the generator and discriminator of a published T1 to T2 lab on IXI, layer by layer; `UNet` is lighter
and better.
"""

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.2


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PublishedUNet:
    """ending: of the discriminator, a 4x4 convolution or one of 1x1 with stride 4, which looks at one corner of four.

    The published pictures of the layers show the latter for cGAN; CycleGAN has the former. For 64x64 images both give
    one logit.
    """

    ending: Literal["4x4", "1x1"] = "4x4"

    def generator(self, inputs: int, outputs: int) -> nn.Module:
        return _PublishedGenerator(inputs, outputs)

    def discriminator(self, channels: int, size: int) -> nn.Module:
        last = nn.Conv2d(512, 1, 4) if self.ending == "4x4" else nn.Conv2d(512, 1, 1, stride=4)
        return nn.Sequential(*_halvings(channels, 64, 128, 256, 512), last)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class UNet:
    """width: channels at half the side, doubled at each of `levels` further halvings up to `max_width`."""

    width: Annotated[int, Field(ge=4)] = 32
    max_width: Annotated[int, Field(ge=4)] = 256
    levels: Annotated[int, Field(ge=1, le=5)] = 3
    discriminator_width: Annotated[int, Field(ge=4)] = 32

    def generator(self, inputs: int, outputs: int) -> nn.Module:
        return _Generator([min(self.width * 2**k, self.max_width) for k in range(self.levels + 1)], inputs, outputs)

    def discriminator(self, channels: int, size: int) -> nn.Module:
        """The published one, narrower and for any size: one logit an image, from a 4x4 map that knows each place.

        On aligned images it beat patches (Isola 2017) that share their weights. No norm, since gradients may be
        penalised.
        """
        widths = [self.discriminator_width * min(2**k, 8) for k in range(size.bit_length() - 3)]
        return nn.Sequential(*_halvings(channels, *widths), nn.Conv2d(widths[-1], 1, 4))


def _halvings(*widths: int) -> list[nn.Module]:
    """Layers of a discriminator: from so many channels to the next, at half the side."""
    return [
        layer for a, b in pairwise(widths) for layer in (nn.Conv2d(a, b, 3, stride=2, padding=1), nn.LeakyReLU(_SLOPE))
    ]


class _PublishedGenerator(nn.Module):
    """Five halvings and five doublings; instance norm without scale and shift (PyTorch's default)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        down, up = (inputs, 64, 128, 256, 512, 512), ((512, 512), (1024, 256), (512, 128), (256, 64))
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.InstanceNorm2d(b), nn.LeakyReLU(_SLOPE))
            for a, b in pairwise(down)
        )
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1), nn.InstanceNorm2d(b), nn.ReLU())
            for a, b in up
        )
        self.to_image = nn.Conv2d(128, outputs, 3, padding=1)

    def forward(self, source: Tensor) -> Tensor:
        skips = [source]
        for block in self.down:
            skips.append(block(skips[-1]))
        features: Tensor = skips.pop()
        for block in self.up:
            features = torch.cat([block(features), skips.pop()], dim=1)
        image: Tensor = self.to_image(F.interpolate(features, scale_factor=2.0))
        return image.tanh()


class _Generator(nn.Module):
    """Maps of full resolution are the dearest on a CPU, so it starts and ends with 2x2 pixels as channels."""

    def __init__(self, widths: list[int], inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = _Pair(4 * inputs, widths[0])
        self.down = nn.ModuleList(_Pair(a, b) for a, b in pairwise(widths))
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_Pair(2 * a, a) for a, _ in pairwise(widths))
        self.to_image = nn.Conv2d(widths[0], 4 * outputs, 3, padding=1)

    def forward(self, source: Tensor) -> Tensor:
        skips = [self.first(F.pixel_unshuffle(source, 2))]
        for block in self.down:
            skips.append(block(F.max_pool2d(skips[-1], 2)))
        features: Tensor = skips.pop()
        for narrow, block in zip(reversed(self.narrow), reversed(self.up), strict=True):
            enlarged = F.interpolate(narrow(features), scale_factor=2.0)
            features = block(torch.cat([enlarged, skips.pop()], dim=1))
        return F.pixel_shuffle(self.to_image(features), 2).tanh()


class _Pair(nn.Sequential):
    """Twice convolution, batch norm, SiLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            *(
                layer
                for a in (inputs, outputs)
                for layer in (nn.Conv2d(a, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU())
            )
        )
