"""What can be judged: anything that draws images from named inputs, torch networks and ONNX files alike."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medgan.data.loader import conditions
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.gans.base import Gan
from medgan.gans.drawing import draw, latents
from medgan.imaging.arrays import Images
from medgan.runtime.generator import OnnxGenerator
from medgan.seeds import derive_seed

Inputs = Mapping[str, NDArray[Any]]
_BATCH = 64


class Generator(Protocol):
    """inputs: what it draws from, of z, label, mask and source. latent_dim: of z, 0 without it."""

    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def latent_dim(self) -> int: ...

    def draw(self, inputs: Inputs, /) -> Images:
        """Images (n, C, H, W) in [-1, 1] of arrays (n, ...) by name; those that it does not take are not looked at."""
        ...


class TorchGenerator:
    """A GAN with the generators that are to draw."""

    def __init__(self, gan: Gan, generators: nn.ModuleDict) -> None:
        self._gan, self._generators = gan, generators
        self.inputs, self.latent_dim = gan.inputs, gan.latent_dim

    def draw(self, inputs: Inputs, /) -> Images:
        tensors = {name: torch.from_numpy(inputs[name]) for name in self.inputs}
        return draw(self._gan, self._generators, tensors)


class ExportedGenerator:
    """An ONNX file, drawing from the very inputs that torch draws from."""

    def __init__(self, onnx: OnnxGenerator) -> None:
        self._onnx = onnx
        self.inputs, self.latent_dim = tuple(onnx.inputs), onnx.latent_dim

    def draw(self, inputs: Inputs, /) -> Images:
        taken = {name: np.ascontiguousarray(inputs[name]) for name in self.inputs}
        count = len(next(iter(taken.values())))
        parts = [
            self._onnx.run(**{name: array[i : i + _BATCH] for name, array in taken.items()})
            for i in range(0, count, _BATCH)
        ]
        return np.concatenate(parts)


def drawn_images(
    generator: Generator, data: Prepared, chosen: NDArray[np.int64], *, seed: int, rows: NDArray[np.int64] | None = None
) -> Images:
    """Images (n, C, H, W) under the conditions of the chosen ones; z comes of the seed alone, whatever draws.

    rows: draw these of them alone.
    Raises MedganError where the data have not what the generator draws from.
    """
    inputs: dict[str, NDArray[Any]] = {name: tensor.numpy() for name, tensor in conditions(data, chosen).items()}
    inputs["z"] = latents(len(chosen), generator.latent_dim, seed=derive_seed(seed, "test")).numpy()
    if missing := sorted(set(generator.inputs) - inputs.keys()):
        raise MedganError(
            f"this generator needs {', '.join(missing)}, which these data have not; draw with another one"
        )
    return generator.draw(inputs if rows is None else {name: array[rows] for name, array in inputs.items()})
