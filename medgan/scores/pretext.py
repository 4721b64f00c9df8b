"""What the extractor is shown, and its task where there are no labels: to tell images apart."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_NOISE = 0.02
_SHIFT = 2
_TEMPERATURE = 0.2


def view(image: Tensor, rng: np.random.Generator, noise: torch.Generator, *, gain: float) -> Tensor:
    """(B, C, H, W) in [-1, 1] -> the same, shifted together, noisy, and each brightened by 1 - gain to 1 + gain."""
    shift = rng.integers(-_SHIFT, _SHIFT + 1, size=2).tolist()
    gains = torch.from_numpy(rng.uniform(1 - gain, 1 + gain, size=(len(image), 1, 1, 1))).to(image)
    brightened = (torch.roll(image, shift, (2, 3)) + 1) * gains - 1
    return brightened + _NOISE * torch.randn(image.shape, generator=noise).to(image)


def twins_loss(embedding: Tensor) -> Tensor:
    """Instance discrimination (Chen et al. 2020): row i of (2B, E) must find row i + B among all others."""
    unit = F.normalize(embedding, dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    similarity = (unit @ unit.T / _TEMPERATURE).masked_fill(itself, -1e9)
    return F.cross_entropy(similarity, torch.arange(len(unit), device=unit.device).roll(len(unit) // 2))
