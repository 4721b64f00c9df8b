"""All randomness comes from (seed, stream, step): nothing reads a global generator, so a resumed run repeats itself."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch


def derive_seed(seed: int, stream: str, step: int = 0) -> int:
    """A 63-bit seed that depends on all three; streams such as "order" or "z" never share numbers."""
    digest = hashlib.sha256(f"{seed}/{stream}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def numpy_generator(seed: int, stream: str, step: int = 0) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, stream, step))


def torch_generator(seed: int, stream: str, step: int = 0) -> torch.Generator:
    """Always on the CPU, so that one seed draws the same z on every device."""
    return torch.Generator().manual_seed(derive_seed(seed, stream, step))


@dataclass(frozen=True)
class StepRandomness:
    """The random numbers of one training step; each stream can be read once or many times with the same result.

    rank, size: of the process among those that share the batch.
    """

    seed: int
    step: int
    rank: int = 0
    size: int = 1

    def generator(self, stream: str) -> torch.Generator:
        """Of this process alone."""
        own = stream if self.size == 1 else f"{stream}/{self.rank} of {self.size}"
        return torch_generator(self.seed, own, self.step)

    def normal(self, stream: str, n: int, *shape: int) -> torch.Tensor:
        """(n, *shape), standard normal: this process's rows of what one process would draw for the whole batch."""
        whole = torch.randn(n * self.size, *shape, generator=torch_generator(self.seed, stream, self.step))
        return whole[self.rank :: self.size]
