"""Transformer GAN: generator and discriminator of self-attention blocks (Jiang 2021, "TransGAN"; Lee 2022, "ViTGAN").

Tokens are pixels of a map. The generator starts at 8x8 and doubles by pixel-shuffle; z and label modulate each layer
norm, as in ViTGAN. Larger maps attend within windows of 8x8 and, in turn, within grids of 8x8 pixels that are spread
over the whole map (Tu 2022, "MaxViT"), so that every pixel reaches every other. A depthwise convolution in each block
tells tokens where they are (Chu 2023).
"""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.data.spec import ImageSpec
from medgan.models.layers import to_float32

_START = 8  # side of the generator's first map, of the discriminator's last one, and of a window
_HEAD = 32
_NARROWEST = 32


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Transformer:
    """width: of tokens at 8x8, halved at each doubling down to 32; blocks: at each resolution, of either network."""

    latent_dim: Annotated[int, Field(ge=1)] = 128
    width: Annotated[int, Field(ge=32, multiple_of=32)] = 192
    blocks: Annotated[int, Field(ge=1)] = 2
    embedding_dim: Annotated[int, Field(ge=1)] = 32

    def generator(self, spec: ImageSpec) -> nn.Module:
        return Generator(self, spec)

    def discriminator(self, spec: ImageSpec) -> nn.Module:
        return Discriminator(self, spec)

    def levels(self, largest: int) -> list[tuple[int, int]]:
        """(side, width) of the maps from 8x8 to the largest side."""
        sides = [_START]
        while sides[-1] < largest:
            sides.append(2 * sides[-1])
        return [(side, max(_NARROWEST, self.width * _START // side // 32 * 32)) for side in sides]


class Generator(nn.Module):
    def __init__(self, model: Transformer, spec: ImageSpec) -> None:
        super().__init__()
        levels = model.levels(spec.size // 2)
        side, width = levels[0]
        self.embedding = nn.Embedding(spec.classes, model.embedding_dim) if spec.classes else None
        inputs = model.latent_dim + (model.embedding_dim if spec.classes else 0)
        self.style = nn.Sequential(nn.Linear(inputs, model.width), nn.GELU(), nn.Linear(model.width, model.width))
        self.stem = nn.Linear(inputs, side * side * width)
        self.first = (width, side, side)
        self.levels = nn.ModuleList(_Level(model, side, width, model.width) for side, width in levels)
        # To four times the channels, which pixel-shuffle lays out as a map of twice the side.
        self.widen = nn.ModuleList(nn.Conv2d(a, 4 * b, 1) for (_, a), (_, b) in pairwise(levels))
        self.norm = _Norm(levels[-1][1])
        # 3x3: with 1x1 each token would draw its own patch, and their seams would show.
        self.to_image = nn.Conv2d(levels[-1][1], 4 * spec.channels, 3, padding=1)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(label)], dim=1)
        style = self.style(z)
        tokens = self.stem(z).unflatten(1, self.first)
        for index, blocks in enumerate(self.levels):
            if index:
                tokens = F.pixel_shuffle(self.widen[index - 1](tokens), 2)
            tokens = blocks(tokens, style)
        return F.pixel_shuffle(self.to_image(self.norm(tokens)), 2).tanh()


class Discriminator(nn.Module):
    def __init__(self, model: Transformer, spec: ImageSpec) -> None:
        super().__init__()
        # Patches of 4x4 pixels, where there are enough: a token more costs the discriminator thrice.
        self.patch = 4 if spec.size >= 4 * _START else 2
        levels = list(reversed(model.levels(spec.size // self.patch)))
        self.stem = nn.Conv2d(self.patch**2 * spec.channels, levels[0][1], 3, padding=1)
        self.levels = nn.ModuleList(_Level(model, side, width, 0) for side, width in levels)
        self.merge = nn.ModuleList(nn.Conv2d(4 * a, b, 1) for (_, a), (_, b) in pairwise(levels))
        width = levels[-1][1]
        self.head = nn.Sequential(nn.Flatten(1), nn.Linear(_START * _START * width, width), nn.GELU())
        self.to_logit = nn.Linear(width, 1)
        self.embedding = nn.Embedding(spec.classes, width) if spec.classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, width**-0.5)

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        tokens = self.stem(F.pixel_unshuffle(image, self.patch))
        for index, blocks in enumerate(self.levels):
            if index:
                tokens = self.merge[index - 1](F.pixel_unshuffle(tokens, 2))
            tokens = blocks(tokens, None)
        features = self.head(tokens)
        logits: Tensor = self.to_logit(features).flatten()
        if self.embedding is not None:
            logits = logits + (self.embedding(label) * features).sum(dim=1)
        return logits


class _Level(nn.Module):
    """Blocks at one resolution: windows and grids in turn."""

    def __init__(self, model: Transformer, side: int, width: int, style: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(side, width, style, grid=n % 2 == 1) for n in range(model.blocks))

    def forward(self, tokens: Tensor, style: Tensor | None) -> Tensor:
        for block in self.blocks:
            tokens = block(tokens, style)
        return tokens


class _Block(nn.Module):
    """Position, attention, perceptron; each added to its input (B, C, H, W)."""

    def __init__(self, side: int, width: int, style: int, *, grid: bool) -> None:
        super().__init__()
        self.side, self.grid, self.heads = side, grid, width // _HEAD
        self.position = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norms = nn.ModuleList([_Norm(width, style), _Norm(width, style)])
        self.to_qkv = nn.Conv2d(width, 3 * width, 1)
        self.mixed = nn.Conv2d(width, width, 1)
        self.perceptron = nn.Sequential(nn.Conv2d(width, 4 * width, 1), nn.GELU(), nn.Conv2d(4 * width, width, 1))
        for last in (self.mixed, self.perceptron[2]):
            nn.init.normal_(last.weight, 0.0, 0.02)  # type: ignore[arg-type]

    def forward(self, tokens: Tensor, style: Tensor | None) -> Tensor:
        tokens = tokens + self.position(tokens)
        tokens = tokens + self.mixed(self._attended(self.to_qkv(self.norms[0](tokens, style))))
        added: Tensor = self.perceptron(self.norms[1](tokens, style))
        return tokens + added

    def _attended(self, qkv: Tensor) -> Tensor:
        """(B, 3C, H, W) to (B, C, H, W); each group of 8x8 tokens attends to itself."""
        n, heads = self.side // _START, self.heads
        # A window's tokens are neighbours, those of a grid lie n apart: only the reading of rows and columns differs.
        split = (_START, n, _START, n) if self.grid else (n, _START, n, _START)
        order = (0, 4, 6, 1, 3, 5, 2) if self.grid else (0, 3, 5, 1, 4, 6, 2)
        tokens = qkv.reshape(-1, 3 * heads, _HEAD, *split).permute(order)  # B, n, n, 3 heads, 8, 8, head
        q, k, v = tokens.reshape(-1, 3, heads, _START**2, _HEAD).unbind(1)
        with torch.autocast(qkv.device.type, enabled=False):
            # In fp32: the CPU's bf16 kernel goes backward three times slower.
            mixed = F.scaled_dot_product_attention(to_float32(q), to_float32(k), to_float32(v))
        mixed = mixed.reshape(-1, n, n, heads, _START, _START, _HEAD)
        back = (0, 3, 6, 4, 1, 5, 2) if self.grid else (0, 3, 6, 1, 4, 2, 5)
        return mixed.permute(back).reshape(-1, heads * _HEAD, self.side, self.side)


class _Norm(nn.Module):
    """Layer norm over channels, scaled and shifted by the style where there is one."""

    def __init__(self, width: int, style: int = 0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=style == 0)
        self.modulation = nn.Linear(style, 2 * width) if style else None
        if self.modulation is not None:
            nn.init.normal_(self.modulation.weight, 0.0, 0.02)

    def forward(self, tokens: Tensor, style: Tensor | None = None) -> Tensor:
        normed: Tensor = self.norm(tokens.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if self.modulation is None or style is None:
            return normed
        scale, shift = self.modulation(style)[:, :, None, None].chunk(2, dim=1)
        modulated: Tensor = normed * (1 + scale) + shift
        return modulated
