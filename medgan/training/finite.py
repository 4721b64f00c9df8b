"""Losses and gradients that are not finite: found on the device and told later, so that no step waits for the host."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from medgan.errors import DivergedError
from medgan.training.processes import this_process

_NAMED = 3


class Finite:
    """Remembers the first step at which each tensor that it was shown had a value that is not finite."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, ...], Tensor] = {}

    def update(
        self,
        step: float | Tensor,
        optimizer: torch.optim.Optimizer,
        losses: Mapping[str, Tensor],
        weights: Sequence[tuple[str, nn.Parameter]],
    ) -> None:
        """optimizer.step(), but with a loss or gradient that is not finite weights and moments stay as they are."""
        graded = [(name, weight.grad) for name, weight in weights if weight.grad is not None]
        gradients = [gradient for _, gradient in graded]
        names = (*(f"loss/{name}" for name in losses), *(f"the gradient of {name}" for name, _ in graded))
        values = [*(loss.detach().float() for loss in losses.values()), *torch._foreach_norm(gradients)]
        bad = this_process().anywhere(~torch.stack(values).isfinite())
        first = self._first.get(names)
        if first is None:
            first = self._first[names] = torch.full((len(names),), -1.0, device=bad.device)
        first.copy_(torch.where(bad & (first < 0), step, first))
        skipped = bad.any()
        if isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW):
            # The fused kernels' own way to leave out a step, meant for loss scaling; neither counter nor moments move.
            optimizer.grad_scale, optimizer.found_inf = None, skipped.float()  # type: ignore[attr-defined]
        elif bool(skipped):  # SGD and RMSprop have no such way: here a GPU is waited for
            return
        optimizer.step()

    def check(self) -> None:
        """Raise DivergedError that names the first step and what was not finite then."""
        not_finite = [
            (int(step), name)
            for names, first in self._first.items()
            for name, step in zip(names, first.tolist(), strict=True)
            if step >= 0
        ]
        if not_finite:
            earliest = min(step for step, _ in not_finite)
            raise diverged(earliest, [name for step, name in not_finite if step == earliest])


def check_finite(step: int, figures: Mapping[str, float]) -> None:
    """Raise DivergedError that names those that are not."""
    if bad := [name for name, value in figures.items() if not math.isfinite(value)]:
        raise diverged(step, bad)


def diverged(step: int, names: Sequence[str]) -> DivergedError:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    verb = "is" if len(names) == 1 else "are"
    return DivergedError(
        f"step {step}: {', '.join(names[:_NAMED])}{more} {verb} not finite, training has diverged; lower gan.lr or "
        "raise gan.r1 and gan.r2"
    )
