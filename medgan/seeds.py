"""One seed for each stream and step. Without torch, which takes seconds to import and which data do not need."""

import hashlib

import numpy as np


def derive_seed(seed: int, stream: str, step: int = 0) -> int:
    """A 63-bit seed that depends on all three; streams such as "order" or "z" never share numbers."""
    digest = hashlib.sha256(f"{seed}/{stream}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def numpy_generator(seed: int, stream: str, step: int = 0) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, stream, step))
