"""All randomness comes from (seed, stream, step): nothing reads a global generator, so a resumed run repeats itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Generator, Tensor

from medgan.seeds import derive_seed


def torch_generator(seed: int, stream: str, step: int = 0) -> Generator:
    """Always on the CPU, so that one seed draws the same z on every device."""
    return torch.Generator().manual_seed(derive_seed(seed, stream, step))


class Draw(Protocol):
    """What random numbers are wanted. Equal ones are the same draw."""

    def __call__(self, generator: Generator, n: int, step: int) -> Tensor:
        """(n, ...): a row for each image of the batch of this step."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Normal:
    """(n, *shape) float32, standard normal."""

    shape: tuple[int, ...]

    def __call__(self, generator: Generator, n: int, step: int) -> Tensor:
        return torch.randn(n, *self.shape, generator=generator)


@dataclass(frozen=True)
class Uniform:
    """(n,) float32 in [0, 1)."""

    def __call__(self, generator: Generator, n: int, step: int) -> Tensor:
        return torch.rand(n, generator=generator)


@dataclass(frozen=True)
class Integers:
    """(n, count) int64 from low up to, not with, high."""

    low: int
    high: int
    count: int

    def __call__(self, generator: Generator, n: int, step: int) -> Tensor:
        return torch.randint(self.low, self.high, (self.count, n), generator=generator).T


@dataclass(frozen=True)
class Asked:
    """Draws that are taken from a stream one after the other, n rows each."""

    stream: str
    draws: tuple[Draw, ...]
    n: int


@dataclass(frozen=True)
class StepRandomness:
    """The random numbers of one training step: a value, however often and in whatever order it is read.

    rank, size: of the process among those that share the batch; of what one process would draw for all rows, it has
    every size-th. ready: what was drawn before the step; the rest is drawn when it is asked for, and kept in `values`.
    """

    seed: int
    step: int
    rank: int = 0
    size: int = 1
    ready: Mapping[Asked, list[Tensor]] = field(default_factory=dict)
    values: dict[Asked, list[Tensor]] = field(default_factory=dict)

    def draw(self, stream: str, draw: Draw, n: int) -> Tensor:
        """Return a single draw, (n, ...)."""
        return self.drawn(stream, (draw,), n)[0]

    def drawn(self, stream: str, draws: Iterable[Draw], n: int) -> list[Tensor]:
        """Take these draws from the stream in turn, (n, ...) each."""
        asked = Asked(stream, tuple(draws), n)
        if asked not in self.values:
            self.values[asked] = self.ready[asked] if asked in self.ready else self.fresh(asked)
        return self.values[asked]

    def fresh(self, asked: Asked) -> list[Tensor]:
        """Draw them now, on the CPU."""
        generator = torch_generator(self.seed, asked.stream, self.step)
        n = asked.n * self.size
        return [draw(generator, n, self.step)[self.rank :: self.size] for draw in asked.draws]
