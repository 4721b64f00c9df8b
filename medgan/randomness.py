"""All randomness comes from (seed, stream, step): nothing reads a global generator, so a resumed run repeats itself."""

from dataclasses import dataclass

import torch

from medgan.seeds import derive_seed


def torch_generator(seed: int, stream: str, step: int = 0) -> torch.Generator:
    """Always on the CPU, so that one seed draws the same z on every device."""
    return torch.Generator().manual_seed(derive_seed(seed, stream, step))


@dataclass(frozen=True)
class Rows:
    """Random numbers for the rows of a batch: of what one process would draw for all of them, those of this process."""

    generator: torch.Generator
    rank: int = 0
    size: int = 1

    def normal(self, n: int, *shape: int) -> torch.Tensor:
        """(n, *shape)."""
        return torch.randn(n * self.size, *shape, generator=self.generator)[self.rank :: self.size]

    def uniform(self, n: int) -> torch.Tensor:
        """(n,) in [0, 1)."""
        return torch.rand(n * self.size, generator=self.generator)[self.rank :: self.size]

    def integers(self, low: int, high: int, count: int, n: int) -> torch.Tensor:
        """(count, n) from low up to, not with, high."""
        drawn = torch.randint(low, high, (count, n * self.size), generator=self.generator)
        return drawn[:, self.rank :: self.size]


@dataclass(frozen=True)
class StepRandomness:
    """The random numbers of one training step; each stream can be read once or many times with the same result.

    rank, size: of the process among those that share the batch.
    """

    seed: int
    step: int
    rank: int = 0
    size: int = 1

    def rows(self, stream: str) -> Rows:
        return Rows(torch_generator(self.seed, stream, self.step), self.rank, self.size)
