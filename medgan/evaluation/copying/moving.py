"""Images moved by a shift and a turn, smoothed, and made small: what the search for copies compares."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from medgan.imaging.arrays import Images

SIDE = 64
_SIGMA = 1 / 32  # sizes of the image


def moved(images: Tensor, right: Tensor, down: Tensor, angle: Tensor) -> Tensor:
    """(n, C, H, W), each turned by an angle (n,) in radians and then shifted by (n,) sizes of the image."""
    cos, sin = angle.cos(), angle.sin()
    rows = torch.stack(
        [
            torch.stack([cos, -sin, -2 * (cos * right - sin * down)], 1),
            torch.stack([sin, cos, -2 * (sin * right + cos * down)], 1),
        ],
        1,
    )
    grid = F.affine_grid(rows, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def smoothed(images: Tensor, sigma: float) -> Tensor:
    """(n, C, H, W) under a Gaussian of so many pixels."""
    radius, channels = max(1, round(3 * sigma)), images.shape[1]
    weights = torch.exp(-(torch.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    weights = (weights / weights.sum()).expand(channels, 1, -1)
    padded = F.pad(images, (radius,) * 4, mode="replicate")
    rows = F.conv2d(padded, weights[:, :, None, :], groups=channels)
    return F.conv2d(rows, weights[:, :, :, None], groups=channels)


def thumbnails(images: Images) -> Tensor:
    """(n, C, H, W) to grey (n, s, s), s at most SIDE, smoothed, so that a shift by part of a pixel changes little else.

    Smoothing also takes away noise and the traces of JPEG, which are all that a disguised copy differs by.
    """
    grey = torch.from_numpy(images.mean(axis=1))
    shrink = _shrinking(grey.shape[-1])
    return shrink @ grey @ shrink.T


@lru_cache
def _shrinking(size: int) -> Tensor:
    """(s, size): means over a thumbnail's pixel, under a Gaussian."""
    side = min(SIDE, size)
    sigma = _SIGMA * size
    apart = torch.arange(size)[:, None] - torch.arange(size)
    weights = torch.exp(-(apart**2) / (2 * sigma**2))
    weights = weights / weights.sum(dim=1, keepdim=True)
    return F.adaptive_avg_pool1d(weights.T[None], side)[0].T.contiguous()
