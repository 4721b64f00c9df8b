"""Leave-one-out 1-nearest-neighbour accuracy (Lopez-Paz and Oquab 2017, Xu et al. 2018), on features and on pixels."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from medgan.data.stored import ImageRows
from medgan.evaluation.intervals import Units, mean_of, mean_of_drawn, mean_of_real, measured
from medgan.evaluation.two_sample import NearestNeighbours, Neighbours
from medgan.scores.images import Embedder, ImageSet

_GRID = 32
_CHUNK = 512


def nearest_neighbours(drawn: ImageSet, real: ImageSet, embedder: Embedder, *, seed: int) -> NearestNeighbours:
    """Of sets of one size; images above 32x32 are averaged to that. No neighbour is of the image's own patient."""
    units = Units.of(drawn.patients, real.patients, len(drawn), len(real))
    return NearestNeighbours(
        features=_neighbours(drawn.features(embedder), real.features(embedder), units, seed=seed),
        pixels=_neighbours(_thumbnails(drawn.images), _thumbnails(real.images), units, seed=seed),
    )


def _neighbours(drawn: NDArray[np.float32], real: NDArray[np.float32], units: Units, *, seed: int) -> Neighbours:
    """drawn, real: vectors (n, D)."""
    ones = np.concatenate([units.drawn, units.drawn.max() + 1 + units.real])
    vectors = torch.from_numpy(np.concatenate([drawn, real]))
    of_drawn = _nearest(vectors, torch.from_numpy(ones)) < len(drawn)
    hits = of_drawn[: len(drawn)], ~of_drawn[len(drawn) :]
    return Neighbours(
        accuracy=measured(mean_of(*hits), units, seed=seed),
        drawn=measured(mean_of_drawn(hits[0]), units, seed=seed),
        real=measured(mean_of_real(hits[1]), units, seed=seed),
    )


def _nearest(vectors: torch.Tensor, units: torch.Tensor) -> NDArray[np.int64]:
    """Index of the nearest vector of another unit (n,), by Euclidean distance."""
    nearest = []
    for start in range(0, len(vectors), _CHUNK):
        rows = slice(start, start + _CHUNK)
        distance = torch.cdist(vectors[rows], vectors)
        distance[units[rows, None] == units[None]] = torch.inf
        nearest.append(distance.argmin(dim=1))
    return torch.cat(nearest).numpy()


def _thumbnails(images: ImageRows) -> NDArray[np.float32]:
    """(N, C, H, W) -> (N, D)."""
    parts = []
    for start in range(0, len(images), _CHUNK):
        part = torch.from_numpy(np.ascontiguousarray(images[start : start + _CHUNK]))
        if part.shape[-1] > _GRID:
            part = F.adaptive_avg_pool2d(part, _GRID)
        parts.append(part.flatten(1).numpy())
    return np.concatenate(parts)
