"""Scores of pairs where there are none: a drawn image against some real one. To be read, never to decide."""

import numpy as np
import torch
from numpy.typing import NDArray

from medgan.scores.figures import PairFigures, StandardScores
from medgan.scores.images import Embedder, ImageSet
from medgan.scores.paired import standard
from medgan.seeds import numpy_generator

# Enough for a mean to two digits.
_MOST_PAIRS = 500
_CHUNK = 512


def batch_pairs(images: ImageSet, real: ImageSet, *, seed: int) -> StandardScores:
    """Score each image against a real one at random, as published comparisons of generators do (piq, on [0, 1]).

    It says how alike any two images of the data are: a generator that draws one mean image scores best.
    """
    rng = numpy_generator(seed, "batch-pairs")
    rows = rng.choice(len(images), size=min(_MOST_PAIRS, len(images)), replace=False)
    return standard(
        images.images[rows], real.images[rng.choice(len(real), size=len(rows), replace=len(rows) > len(real))]
    )


def nearest_real(embedder: Embedder, images: ImageSet, real: ImageSet, *, seed: int) -> StandardScores:
    """Score each image against the real one whose features are nearest: what of it a real image of its kind has."""
    rows = numpy_generator(seed, "nearest-real").choice(len(images), size=min(_MOST_PAIRS, len(images)), replace=False)
    return standard(
        images.images[rows], real.images[_nearest(images.features(embedder)[rows], real.features(embedder))]
    )


def pair_figures(
    embedder: Embedder, generated: ImageSet, training: ImageSet, real: ImageSet, *, seed: int
) -> PairFigures | None:
    """Both, of generated images and of real training images; None for images that piq does not take."""
    if real.images.shape[1] not in (1, 3):
        return None
    return PairFigures(
        batch_pairs=batch_pairs(generated, real, seed=seed),
        batch_pairs_real=batch_pairs(training, real, seed=seed),
        nearest_real=nearest_real(embedder, generated, real, seed=seed),
        nearest_real_real=nearest_real(embedder, training, real, seed=seed),
    )


def _nearest(features: NDArray[np.float32], among: NDArray[np.float32]) -> NDArray[np.int64]:
    """Row of the nearest of the others for each (n,)."""
    others = torch.from_numpy(among)
    parts = [torch.cdist(part, others).argmin(dim=1) for part in torch.from_numpy(features).split(_CHUNK)]  # type: ignore[no-untyped-call]
    return torch.cat(parts).numpy()
