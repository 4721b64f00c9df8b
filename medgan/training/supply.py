"""What a step gets from the host, on the device before it begins: images or their rows, random numbers, schedules."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medgan.data.batch import Batch
from medgan.data.loader import Batches
from medgan.data.resident import Resident, fits
from medgan.data.store import Prepared
from medgan.randomness import Asked, StepRandomness
from medgan.training.processes import this_process
from medgan.training.state import State

_ALIGNMENT = 16  # bytes


@dataclass(frozen=True)
class Turn:
    """An update of the discriminator: what it sees, and what it draws."""

    batch: Callable[[], Batch]
    randomness: StepRandomness


class Supply:
    """Draws ahead what the step before has asked for; what a step asks for beyond that, it draws itself.

    static: everything comes to one place on the device, schedules too, and images are gathered there where they fit.
    place: that place, which is another one where what a step asks for has changed.
    """

    def __init__(self, state: State, prepared: Prepared, *, static: bool = False) -> None:
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
        self._state, self._static, self._asked = state, static, list[Asked]()
        self._packet = Packet(state.device, packed=static or state.device.type != "cpu")
        self._resident = Resident(self._batches, state.device) if static and fits(self._batches, state.device) else None

    @property
    def place(self) -> int:
        return self._packet.place

    def at(self, step: int) -> list[Turn]:
        """The turns of a step."""
        state, turns = self._state, self._state.gan_config.discriminator_steps
        numbers = range(step * turns, (step + 1) * turns)
        host = [self._host(number) for number in numbers]
        levels = state.levels if self._static else []
        schedules = torch.tensor([level.now for level in levels])
        flat = [tensor for turn in host for tensors in turn.values() for tensor in tensors]
        sent = iter(self._packet.sent([schedules, *flat]))
        for level, value in zip(levels, next(sent), strict=True):
            level.there = value
        there = [{key: [next(sent) for _ in tensors] for key, tensors in turn.items()} for turn in host]
        return [self._turn(number, turn) for number, turn in zip(numbers, there, strict=True)]

    def remember(self, turns: Iterable[Turn]) -> None:
        """Draw ahead from now on what these have asked for; a step that was replayed has asked for nothing."""
        self._asked = list({each: None for turn in turns for each in turn.randomness.values}) or self._asked

    def _host(self, number: int) -> dict[str | Asked, list[Tensor]]:
        """What a turn needs: the batch by the names of its tensors, or its rows, and random numbers."""
        randomness = self._randomness(number)
        host: dict[str | Asked, list[Tensor]] = {each: randomness.fresh(each) for each in self._asked}
        if self._resident is None:
            shown = self._batches.at(number).tensors()
        else:
            shown = self._resident.places(*self._batches.rows(number))
        host.update({name: [tensor] for name, tensor in shown.items()})
        return host

    def _turn(self, number: int, there: Mapping[str | Asked, list[Tensor]]) -> Turn:
        shown = {name: tensor for name, (tensor, *_) in there.items() if isinstance(name, str)}
        ready = {asked: tensors for asked, tensors in there.items() if isinstance(asked, Asked)}
        device, dtype = self._state.device, self._state.dtype

        def batch() -> Batch:
            return (self._resident.batch(**shown) if self._resident else Batch(**shown)).to(device, dtype)

        return Turn(batch, replace(self._randomness(number), ready=ready))

    def _randomness(self, number: int) -> StepRandomness:
        process = this_process()
        return StepRandomness(self._state.seed, number, process.rank, process.size)


class Packet:
    """Takes tensors to a device in one copy; the same shapes come to the same place.

    packed: False where there is nothing to copy. place: the number of the last one.
    """

    def __init__(self, device: torch.device, *, packed: bool) -> None:
        self._device, self._packed = device, packed
        self._rooms: dict[tuple[object, ...], _Room] = {}
        self.place = 0

    def sent(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the same on the device, where they hold until the next call."""
        if not self._packed:
            return list(tensors)
        dense = [tensor if _is_dense(tensor) else tensor.contiguous() for tensor in tensors]
        shapes = tuple((tensor.shape, tensor.stride(), tensor.dtype) for tensor in dense)
        if shapes not in self._rooms:
            self._rooms[shapes] = _Room(sum(_bytes(tensor) for tensor in dense), self._device)
        self.place = list(self._rooms).index(shapes)
        return self._rooms[shapes].sent(dense)


class _Room:
    """Bytes on the device, and twice on the host, where one half is filled while the other is still being copied."""

    def __init__(self, size: int, device: torch.device) -> None:
        cuda = device.type == "cuda"
        self._hosts = [torch.empty(size, dtype=torch.uint8, pin_memory=cuda) for _ in range(2)]
        self._copied = [torch.cuda.Event() for _ in range(2)] if cuda else []  # type: ignore[no-untyped-call]
        self._there = torch.empty(size, dtype=torch.uint8, device=device)

    def sent(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        for event in self._copied[:1]:
            event.synchronize()  # of the step before the last: there is hardly anything to wait for
        for place, tensor in zip(_views(self._hosts[0], tensors), tensors, strict=True):
            place.copy_(tensor)
        self._there.copy_(self._hosts[0], non_blocking=True)
        for event in self._copied[:1]:
            event.record()
        self._hosts.reverse()
        self._copied.reverse()
        return _views(self._there, tensors)


def _is_dense(tensor: Tensor) -> bool:
    return tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))


def _bytes(tensor: Tensor) -> int:
    return -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT


def _views(buffer: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Places for tensors one after the other, each in the memory layout of its own."""
    views, start = [], 0
    for tensor in tensors:
        flat = buffer[start : start + tensor.nbytes].view(tensor.dtype)
        views.append(flat.as_strided(tensor.shape, tensor.stride()))
        start += _bytes(tensor)
    return views
