"""Training of small networks that judge: one-cycle Adam on a loss that the caller says."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from medgan.device import resolve_device

Network = TypeVar("Network", bound=nn.Module)


def fit_supervised(
    build: Callable[[], Network],
    loss: Callable[[Network, int], Tensor],
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    progress: Callable[[int], None] | None = None,
    check: Callable[[Network, int], bool] | None = None,
) -> Network:
    """A trained network in evaluation mode.

    build: makes it; its initial weights depend on `seed` alone. It stays on the device, where `to_tensor` puts images.
    loss: of the network on the batch of a step, counted from 0. learning_rate: at its highest. progress: is told how
    many steps are done.
    check: sees the network after each of them and says whether it has learnt enough; it ends the training then.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build()
    network.to(resolve_device())
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=learning_rate, total_steps=steps)
    for step in range(steps):
        value = loss(network, step)
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        learnt = check is not None and check(network, step + 1)
        if progress:
            progress(steps if learnt else step + 1)
        if learnt:
            break
    return network.eval()
