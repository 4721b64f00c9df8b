"""Several processes on one batch (`torchrun`): each takes its rows, and gradients are averaged between them."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from medgan.errors import MedganError

_PATIENCE = timedelta(hours=12)  # the others wait while the first one evaluates


@dataclass(frozen=True)
class Process:
    """One among those that share a batch. The first one alone evaluates, saves and logs."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Say whether it is true in any process; all must ask."""
        if self.size == 1:
            return flag
        voted = torch.tensor(int(flag))  # on the CPU, where nothing waits for a GPU
        distributed.all_reduce(voted, distributed.ReduceOp.MAX)
        return bool(voted)

    def anywhere(self, flags: Tensor) -> Tensor:
        """Say flag by flag whether it is true in any process; all must ask."""
        if self.size == 1:
            return flags
        votes = flags.to(torch.uint8)
        distributed.all_reduce(votes, distributed.ReduceOp.MAX)
        return votes.bool()

    def mean(self, values: Tensor) -> Tensor:
        """Average each value over all processes; all must ask."""
        if self.size == 1:
            return values
        sums = values.clone()
        distributed.all_reduce(sums, distributed.ReduceOp.SUM)
        return sums / self.size

    def wait(self) -> None:
        """Wait until every process is here."""
        self.any(False)


def this_process() -> Process:
    if distributed.is_available() and distributed.is_initialized():
        return Process(distributed.get_rank(), distributed.get_world_size())
    return Process()


@contextmanager
def joined() -> Iterator[Process]:
    """Meet the processes that torchrun started, for as long as the context lasts; alone without it."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # Of weights of one channel, whose layout has two names.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
    try:
        yield this_process()
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


@contextmanager
def peer_failure_as_error() -> Iterator[None]:
    """Turn an exchange that breaks off because another process has ended, which says why itself, into a MedganError."""
    try:
        yield
    except RuntimeError as error:
        if this_process().size > 1 and any(words in str(error) for words in ("Connection closed", "Connection reset")):
            raise MedganError(f"process {this_process().rank}: another process has ended, see what it says") from None
        raise


def check_shareable(networks: nn.Module, batch: int, size: int) -> None:
    """Raise MedganError where several processes would not train what one would."""
    if batch % size:
        raise MedganError(f"gan.batch: {batch} cannot be shared by {size} processes; make it a multiple of {size}")
    normed = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in networks.modules())
    if normed and not torch.cuda.is_available():
        raise MedganError(
            f"these networks have batch norm, and {size} processes on CPUs would each norm their own rows; run "
            "one process, or take a gan.model without batch norm"
        )
    if any(len(buffer) for name, buffer in networks.named_buffers() if name.startswith("memory_")):
        raise MedganError("gan.buffer remembers images of one process; set gan.buffer: 0, or run one process")


class _Losses(nn.Module):
    """One side's losses as a module, so that DistributedDataParallel knows when its gradients come."""

    def __init__(self, networks: nn.Module, losses: Callable[..., Any]) -> None:
        super().__init__()
        self.networks, self._losses = networks, losses

    def forward(self, *arguments: Any) -> Any:
        return self._losses(*arguments)


def shared(networks: nn.Module, losses: Callable[..., Any], *, grows: bool) -> Callable[..., Any]:
    """`losses`, whose backward then gives `networks` the gradients of the whole batch.

    Penalties go through `torch.autograd.grad` on images, which touches no weight's gradient: DistributedDataParallel,
    which counts those, sees the one backward at the end. grows: some networks may have no gradient yet.
    """
    if this_process().size == 1 or not any(True for _ in networks.parameters()):
        return losses
    return DistributedDataParallel(_Losses(networks, losses), forward_sync_buffers=False, find_unused_parameters=grows)
