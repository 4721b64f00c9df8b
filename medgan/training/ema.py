"""Exponential moving average of the generators' weights (Karras 2018)."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from medgan.levels import Level


class Ema:
    """Follows `source`; batch statistics are averaged too, since copied ones do not fit averaged weights.

    weight: of `source` at this step.
    """

    def __init__(self, source: nn.ModuleDict, decay: float) -> None:
        self.generators: nn.ModuleDict = copy.deepcopy(source).requires_grad_(False).eval()
        self.weight, self._decay = Level(1.0), decay

    def set_step(self, step: int) -> None:
        """Called before a step (from 0). Early steps average over a tenth of what has been."""
        self.weight.now = 1 - min(self._decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, source: nn.ModuleDict) -> None:
        """Move towards `source`."""
        mine, theirs, weight = list(_floats(self.generators)), list(_floats(source)), self.weight.value
        if isinstance(weight, Tensor):  # which lerp does not take
            moves = torch._foreach_sub(theirs, mine)
            torch._foreach_mul_(moves, weight)
            torch._foreach_add_(mine, moves)
        else:
            torch._foreach_lerp_(mine, theirs, weight)
        for counter, count in zip(self.generators.buffers(), source.buffers(), strict=True):
            if not counter.is_floating_point():
                counter.copy_(count)


def _floats(module: nn.Module) -> Iterable[Tensor]:
    yield from (tensor.detach() for tensor in module.parameters())
    yield from (tensor for tensor in module.buffers() if tensor.is_floating_point())
