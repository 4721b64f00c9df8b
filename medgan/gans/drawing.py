"""Images from a GAN in training or after it, to be scored or looked at."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medgan.gans.base import Gan
from medgan.imaging.arrays import to_uint8
from medgan.imaging.grids import grid
from medgan.randomness import torch_generator

GRID_COLUMNS = 8
_ERROR_GAIN = 4


def sample_grid(gan: Gan, generators: nn.ModuleDict, conditions: Mapping[str, Tensor]) -> NDArray[np.uint8]:
    """Rows of GRID_COLUMNS images under these conditions, four rows where there are none; the same z at every call.

    Where the generator is given a mask or a source, each row of images stands below the row of what it was given.
    With a "target" among the conditions two rows follow: the targets, and the absolute error, four times as bright.
    """
    n = len(next(iter(conditions.values()))) if conditions else 4 * GRID_COLUMNS
    images = generate(gan, generators, n, conditions, seed=0)
    above = [conditions["mask"][:, :1].numpy() * 2 - 1] if "mask" in gan.inputs else []
    if "source" in gan.inputs:
        source = conditions["source"].numpy()
        if source.shape != images.shape:  # three channels are taken for colour; of others, the first
            source = source.mean(axis=1, keepdims=True) if source.shape[1] == 3 else source[:, :1]
        above.append(source)
    target = conditions["target"].numpy() if "target" in conditions and "source" in gan.inputs else None
    below = [] if target is None else [target, np.abs(images - target) * _ERROR_GAIN - 1]
    rows = [to_uint8(np.broadcast_to(array, images.shape)) for array in (*above, images, *below)]
    stacked = np.stack([row.reshape(-1, GRID_COLUMNS, *row.shape[1:]) for row in rows], axis=1)
    return grid(stacked.reshape(-1, *rows[0].shape[1:]), columns=GRID_COLUMNS)


def generate(
    gan: Gan, generators: nn.ModuleDict, n: int, conditions: Mapping[str, Tensor], *, seed: int
) -> NDArray[np.float32]:
    """(n, C, H, W) in [-1, 1], in float32 arithmetic; the same seed gives the same images.

    conditions: (n, ...) each; those that the generator does not take are not looked at.
    """
    return draw(gan, generators, {"z": latents(n, gan.latent_dim, seed=seed), **conditions})


def latents(n: int, latent_dim: int, *, seed: int) -> Tensor:
    """z (n, latent_dim), standard normal."""
    return torch.randn(n, latent_dim, generator=torch_generator(seed, "draw"))


@torch.no_grad()
def draw(gan: Gan, generators: nn.ModuleDict, inputs: Mapping[str, Tensor], *, batch: int = 100) -> NDArray[np.float32]:
    """Images of these inputs (n, ...), as `generate` gives them; the generators need not be in evaluation mode."""
    weight = next(generators.parameters())
    taken = {name: inputs[name] for name in gan.inputs}
    was_training = generators.training
    generators.eval()
    drawn = []
    for i in range(0, len(next(iter(taken.values()))), batch):
        part = {name: tensor[i : i + batch].to(weight.device) for name, tensor in taken.items()}
        part = {name: t.to(weight.dtype) if t.is_floating_point() else t for name, t in part.items()}
        drawn.append(gan.draw(generators, part).float().cpu().numpy())
    generators.train(was_training)
    return np.concatenate(drawn)
