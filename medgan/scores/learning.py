"""How the extractor behind fid_domain is trained.

Labelled data train it as a classifier; unlabelled data by instance discrimination (Chen et al. 2020, SimCLR).
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from medgan.config.judging import FeaturesConfig
from medgan.data.store import Prepared
from medgan.data.stored import ImageRows, StoredImages
from medgan.errors import MedganError
from medgan.fingerprint import code_digest, fingerprint
from medgan.randomness import torch_generator
from medgan.scores.extractor import DIMENSIONS, WIDTHS, Extractor, to_tensor
from medgan.scores.fidelity import agreement
from medgan.scores.images import ImageSet
from medgan.scores.pretext import twins_loss, view
from medgan.scores.supervised import fit_supervised
from medgan.seeds import derive_seed, numpy_generator

# Frozen with the extractor's recipe.
_BLOCK_VARIANCE = 10.0
_SPREAD_FLOOR = 2.0
_LEARNING_RATE = 3e-3
_CALIBRATION_IMAGES = 4000
# Of the root of all variance; of 0.5, 1 and 2 that with which halves of two images joined stand out most.
_KERNEL_WIDTH = 0.5


def extractor_of(
    prepared: Prepared, config: FeaturesConfig, *, seed: int, progress: Callable[[int], None] | None = None
) -> Extractor:
    """The extractor of these data: from training images, those that generators may not learn from included.

    One class is trained without labels: a single logit has nothing to learn.
    """
    learnable, classes = prepared.learnable(), prepared.spec.classes
    labels = prepared.labels if classes > 1 else None
    return train_extractor(
        StoredImages(prepared, learnable),
        None if labels is None else labels[learnable],
        classes=classes,
        steps=config.steps,
        batch=config.batch,
        seed=derive_seed(seed, "features"),
        progress=progress,
    )


def extractor_fingerprint(prepared: Prepared, config: FeaturesConfig, seed: int, threads: int) -> str:
    """Digest all that decides the bits of the extractor, and what `write_extractor` says of it."""
    return fingerprint(
        {
            "data": prepared.md5,
            "features": config.model_dump(mode="json", exclude={"weights"}),
            "seed": seed,
            "threads": threads,
            "code": code_digest([__name__]),
        }
    )


def write_extractor(path: Path, extractor: Extractor, prepared: Prepared) -> None:
    """Write the extractor, and beside it as JSON what it is and how well it knows the classes of validation images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    extractor.save(path)
    about: dict[str, str | float] = {"extractor": extractor.name, "digest": extractor.digest, "data_md5": prepared.md5}
    if extractor.classes:
        validation = ImageSet.stored(prepared, prepared.indices("validation"))
        about["validation_accuracy"] = round(agreement(extractor, validation), 4)
    path.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n")


def train_extractor(
    images: ImageRows,
    labels: NDArray[np.int64] | None,
    *,
    classes: int,
    steps: int,
    batch: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Extractor:
    """An extractor in evaluation mode, from training images (N, C, H, W) in [-1, 1] and labels (N,) in [0, classes).

    On shifted, slightly noisy images. Without labels, half a batch of images is seen twice, shifted
    and brightened differently, and each must find its twin: rotation prediction (the other task tried) left features
    blind to speckle and to missing classes. Raises MedganError if images or labels cannot be used.
    """
    if labels is not None and classes < 2:
        raise MedganError(f"{classes} class is nothing to learn; train the extractor without labels")
    if labels is not None and (len(labels) != len(images) or labels.min() < 0 or labels.max() >= classes):
        raise MedganError(
            f"{len(images)} images need as many labels in [0, {classes}), not {np.unique(labels).tolist()}"
        )
    count = min(len(images), batch if labels is not None else max(2, batch // 2))

    def loss(extractor: Extractor, step: int) -> Tensor:
        rng, noise = numpy_generator(seed, "extractor-batch", step), torch_generator(seed, "extractor-noise", step)
        chosen = rng.choice(len(images), size=count, replace=False)
        x = to_tensor(images[chosen])
        if labels is None:
            return twins_loss(extractor(torch.cat([view(x, rng, noise, gain=0.2) for _ in range(2)])))
        wanted = torch.from_numpy(labels[chosen]).long().to(x.device)
        return F.cross_entropy(extractor(view(x, rng, noise, gain=0)), wanted)

    extractor = fit_supervised(
        lambda: Extractor(images.shape[1], images.shape[2], 0 if labels is None else classes),
        loss,
        steps=steps,
        learning_rate=_LEARNING_RATE,
        seed=derive_seed(seed, "extractor"),
        progress=progress,
    )
    _fix_units(extractor, images, labels)
    return extractor


@torch.no_grad()
def _fix_units(extractor: Extractor, images: ImageRows, labels: NDArray[np.int64] | None) -> None:
    """Fix what the features are measured in: directions in which images of one class differ, and how much they do.

    Within classes, because what tells classes apart is most of the variance, and no generator fails at it. Each depth
    weighs as much as another, and all places as much as all depths. Within a block, a dimension that varies less than
    twice the median is taken to vary that much. Standardising each fully let those that are all but constant decide: a
    generator that drew better lesions scored worse, because of the noise in its background.
    """
    every = math.ceil(len(images) / _CALIBRATION_IMAGES)
    parts = [extractor.blocks(batch) for batch in extractor.batches(images, every=every)]
    blocks = [torch.cat(block).cpu() for block in zip(*parts, strict=True)]
    extractor.centre.copy_(torch.cat([block.mean(dim=0) for block in blocks]))
    classes = torch.zeros(len(blocks[0]), dtype=torch.int64) if labels is None else torch.from_numpy(labels[::every])
    scaled, scales = [], []
    for block, variance in zip(blocks, (*[_BLOCK_VARIANCE] * len(WIDTHS), len(WIDTHS) * _BLOCK_VARIANCE), strict=True):
        within = _within_classes(block, classes.long())
        spread = within.std(dim=0)
        spread = spread.clamp_min(max(_SPREAD_FLOOR * float(spread.median()), 1e-6))
        scales.append(spread * math.sqrt(block.shape[1] / variance))
        scaled.append(within / scales[-1])
    halves = (torch.cat(scaled[:-1], dim=1), scaled[-1])
    axes = torch.block_diag(*(_principal_axes(half, DIMENSIONS // 2) for half in halves))  # type: ignore[no-untyped-call]
    extractor.projection.copy_(axes / torch.cat(scales)[:, None])
    extractor.width.copy_(_KERNEL_WIDTH * (torch.cat(halves, dim=1) @ axes).var(dim=0).sum().sqrt())


def _principal_axes(rows: Tensor, count: int) -> Tensor:
    """(D, count): orthonormal directions of the largest variance, each with its largest entry above 0."""
    _, axes = torch.linalg.eigh(rows.double().T @ rows.double())
    axes = axes[:, -count:].flip(1).float()
    signed: Tensor = axes * axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
    return signed


def _within_classes(rows: Tensor, labels: Tensor) -> Tensor:
    """Rows less the mean of their class."""
    sums = torch.zeros(int(labels.max()) + 1, rows.shape[1]).index_add_(0, labels, rows)
    return rows - (sums / torch.bincount(labels).clamp_min(1)[:, None])[labels]
