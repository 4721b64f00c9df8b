"""Exponential moving average of the generators' weights (Karras 2018)."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Ema:
    """Follows `source`; batch statistics are averaged too, since copied ones do not fit averaged weights."""

    def __init__(self, source: nn.ModuleDict, decay: float) -> None:
        self.generators: nn.ModuleDict = copy.deepcopy(source).requires_grad_(False).eval()
        self._decay = decay

    @torch.no_grad()
    def update(self, source: nn.ModuleDict, step: int) -> None:
        """Move towards `source` after a step (from 0). Early steps average over a tenth of what has been."""
        weight = 1 - min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(_floats(self.generators)), list(_floats(source)), weight)
        for mine, theirs in zip(self.generators.buffers(), source.buffers(), strict=True):
            if not mine.is_floating_point():
                mine.copy_(theirs)


def _floats(module: nn.Module) -> Iterable[Tensor]:
    yield from (tensor.detach() for tensor in module.parameters())
    yield from (tensor for tensor in module.buffers() if tensor.is_floating_point())
