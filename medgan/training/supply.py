"""What a step gets from the host: its batches and random numbers, on the device before it begins."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medgan.data.batch import Batch
from medgan.data.loader import Batches
from medgan.data.store import Prepared
from medgan.randomness import Asked, StepRandomness
from medgan.training.processes import this_process
from medgan.training.state import State

_ALIGNMENT = 16  # bytes


@dataclass(frozen=True)
class Turn:
    """An update of the discriminator: what it sees, and what it draws."""

    batch: Batch
    randomness: StepRandomness


class Supply:
    """Draws ahead what the step before has asked for; what a step asks for beyond that, it draws itself."""

    def __init__(self, state: State, prepared: Prepared) -> None:
        config, process = state.gan_config, this_process()
        self._batches = Batches(
            prepared.only(state.gan.spec),
            "train",
            batch=config.batch,
            seed=state.seed,
            paired=state.gan.paired,
            classes=prepared.labels if prepared.balance else None,
            rank=process.rank,
            size=process.size,
        )
        self._state, self._packet, self._last = state, Packet(state.device), list[Turn]()

    def at(self, step: int) -> list[Turn]:
        """The turns of a step."""
        turns = self._state.gan_config.discriminator_steps
        numbers = range(step * turns, (step + 1) * turns)
        asked = dict.fromkeys(each for turn in self._last for each in turn.randomness.values)
        host = [self._host(number, asked) for number in numbers]
        sent = iter(self._packet.sent([tensor for held in host for tensors in held.values() for tensor in tensors]))
        there = [{key: [next(sent) for _ in tensors] for key, tensors in held.items()} for held in host]
        self._last = [self._turn(number, held) for number, held in zip(numbers, there, strict=True)]
        return self._last

    def _host(self, number: int, asked: Iterable[Asked]) -> dict[str | Asked, list[Tensor]]:
        """What a turn needs: the batch by the names of its tensors, and random numbers."""
        randomness = self._randomness(number)
        host: dict[str | Asked, list[Tensor]] = {each: randomness.fresh(each) for each in asked}
        host.update({name: [tensor] for name, tensor in self._batches.at(number).tensors().items()})
        return host

    def _turn(self, number: int, held: Mapping[str | Asked, list[Tensor]]) -> Turn:
        batch = Batch(**{name: tensor for name, (tensor, *_) in held.items() if isinstance(name, str)})
        ready = {asked: tensors for asked, tensors in held.items() if isinstance(asked, Asked)}
        return Turn(batch.to(self._state.device, self._state.dtype), replace(self._randomness(number), ready=ready))

    def _randomness(self, number: int) -> StepRandomness:
        process = this_process()
        return StepRandomness(self._state.seed, number, process.rank, process.size)


class Packet:
    """Takes tensors to a device in one copy; there they keep their place while their shapes stay as they are.

    packed: False where there is nothing to copy, by default on a CPU.
    """

    def __init__(self, device: torch.device, *, packed: bool | None = None) -> None:
        self._device, self._packed = device, device.type != "cpu" if packed is None else packed
        self._shapes: tuple[tuple[torch.Size, torch.dtype], ...] | None = None
        self._hosts: list[Tensor] = []
        self._copied: list[torch.cuda.Event] = []
        self._there = torch.empty(0)

    def sent(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the same on the device, where they hold until the next call."""
        if not self._packed:
            return list(tensors)
        dense = [tensor if _is_dense(tensor) else tensor.contiguous() for tensor in tensors]
        self._make_room(dense)
        host, copied = self._hosts[0], self._copied[0] if self._copied else None
        if copied is not None:
            copied.synchronize()  # this half is of the step before the last: there is hardly anything to wait for
        for place, tensor in zip(_views(host, dense), dense, strict=True):
            place.copy_(tensor)
        self._there.copy_(host, non_blocking=True)
        if copied is not None:
            copied.record()
        self._hosts.reverse()
        self._copied.reverse()
        return _views(self._there, dense)

    def _make_room(self, tensors: Sequence[Tensor]) -> None:
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
        if shapes == self._shapes:
            return
        self._shapes, size, cuda = shapes, sum(_room(tensor) for tensor in tensors), self._device.type == "cuda"
        self._hosts = [torch.empty(size, dtype=torch.uint8, pin_memory=cuda) for _ in range(2)]
        self._copied = [torch.cuda.Event() for _ in range(2)] if cuda else []  # type: ignore[no-untyped-call]
        self._there = torch.empty(size, dtype=torch.uint8, device=self._device)


def _is_dense(tensor: Tensor) -> bool:
    return tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))


def _room(tensor: Tensor) -> int:
    return -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT


def _views(buffer: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Places for tensors one after the other, each in the memory layout of its own."""
    views, start = [], 0
    for tensor in tensors:
        flat = buffer[start : start + tensor.nbytes].view(tensor.dtype)
        views.append(flat.as_strided(tensor.shape, tensor.stride()))
        start += _room(tensor)
    return views
