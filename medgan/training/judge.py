"""How generated images are scored in training, and shown."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgan.data.batch import Batch
from medgan.files import writing
from medgan.gans.drawing import generate, sample_grid
from medgan.imaging.grids import save_image
from medgan.training.finite import check_finite
from medgan.training.state import Best, Row, State


@dataclass(frozen=True)
class Judge:
    """How generated images are scored: what to draw, and a callable, lower is better.

    conditions: label, mask and source (n, ...) of n validation images, as far as the data has them.
    score: (n, C, H, W) float32 in [-1, 1] -> float. It is given, so that training knows nothing of evaluation.
    examples: conditions of the sample grid, GRID_COLUMNS a row.
    held_out: the first real images, for what the discriminator says of images that it never saw.
    """

    n: int
    conditions: Mapping[str, Tensor]
    score: Callable[[NDArray[np.float32]], float]
    examples: Mapping[str, Tensor]
    held_out: Batch | None = None


def score(state: State, judge: Judge) -> None:
    """Raw and averaged weights on the same z: in short runs the average lags behind."""
    row: Row = {"step": state.step, "time": time.time()}
    for weights, generators in (("raw", state.gan.generators), ("ema", state.ema.generators)):
        drawn = generate(state.gan, generators, judge.n, judge.conditions, seed=state.seed)
        value = judge.score(drawn)
        row[f"validation/{weights}"] = value
        if weights == "raw" and judge.held_out is not None:
            # These are the weights that the discriminator plays against.
            held_out = judge.held_out.to(state.device, state.dtype)
            images = torch.from_numpy(drawn[: len(held_out.image)]).to(held_out.image)
            row |= state.gan.held_out_figures(held_out, images)
        check_finite(state.step, row)
        if value < state.best.score and state.gan.complete:
            tensors = {name: tensor.detach().clone() for name, tensor in generators.state_dict().items()}
            state.best = Best(value, state.step, weights, tensors)
    if state.best.step:
        row["validation/best"] = state.best.score
    state.rows.append(row)


def save_samples(state: State, judge: Judge, directory: Path) -> None:
    picture = sample_grid(state.gan, state.ema.generators, judge.examples)
    path = directory / "samples" / f"step-{state.step:06d}.png"
    with writing(path, "checkpoints are whole"):
        save_image(path, picture)
