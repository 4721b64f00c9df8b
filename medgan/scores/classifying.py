"""Classifiers that learn from real and drawn images; a validation set says which of their weights are the best."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.config.judging import CHECKS
from medgan.data.stored import ImageRows
from medgan.device import autocast, resolve_precision
from medgan.gans.augment import augmented
from medgan.randomness import StepRandomness
from medgan.scores.extractor import to_tensor
from medgan.scores.supervised import fit_supervised
from medgan.seeds import derive_seed, numpy_generator

LEARNING_RATE = 1e-2  # of PlainCnn
_WIDTHS = (8, 16, 32, 64)
_BATCH = 256


class PlainCnn(nn.Module):
    """Four convolutions, halved in between, then the mean and maximum over space.

    Images (B, C, H, W) in [-1, 1] to logits (B, classes). Strides instead of maxima took three times as many steps.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in pairwise((channels, *_WIDTHS))
        )
        self.to_logits = nn.Linear(2 * _WIDTHS[-1], classes)

    def forward(self, image: Tensor) -> Tensor:
        features = image
        for number, layer in enumerate(self.layers):
            features = layer(F.max_pool2d(features, 2) if number else features)
        return self.to_logits(torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Labelled:
    """Images (N, C, H, W) in [-1, 1] and their class indices (N,)."""

    images: ImageRows
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Lessons:
    """How a classifier learns. steps: all of them are taken. augment: names of random changes of what it is shown."""

    steps: int
    batch: int
    learning_rate: float
    augment: Sequence[str] = ()

    @property
    def plain(self) -> "Lessons":
        """Without random changes."""
        return replace(self, augment=())


@dataclass(frozen=True)
class Classified:
    """The classifier at its best look at the validation images.

    course: the step and the balanced accuracy of each look.
    """

    network: nn.Module
    course: tuple[tuple[int, float], ...]

    @property
    def validation(self) -> float:
        """The best balanced accuracy on validation images."""
        return max(value for _, value in self.course)


def learn_classes(
    build: Callable[[], nn.Module],
    material: Labelled,
    rows: NDArray[np.int64],
    validation: Labelled,
    lessons: Lessons,
    *,
    seed: int,
) -> Classified:
    """Train a classifier on these rows of the material, a row as often as it stands there.

    All steps are taken, so that every training costs the same; the weights of the best look are kept. Whatever a
    network draws at random, such as dropout, comes of the seed too.
    """
    best: nn.Module | None = None
    course: list[tuple[int, float]] = []
    every = max(1, lessons.steps // CHECKS)
    count = min(lessons.batch, len(rows))

    def loss(network: nn.Module, step: int) -> Tensor:
        chosen = rows[_shuffled(len(rows), step, count, seed)]
        images = to_tensor(material.images[chosen])
        images = augmented(images, lessons.augment, StepRandomness(seed, step), "classify-augment")
        images = images.contiguous(memory_format=torch.channels_last)
        wanted = torch.from_numpy(material.labels[chosen]).to(images.device)
        with autocast(resolve_precision("auto")):
            logits = network(images)
        return F.cross_entropy(logits.float(), wanted)

    def check(network: nn.Module, done: int) -> bool:
        nonlocal best
        if done % every and done != lessons.steps:
            return False
        value = balanced(classified(network, validation.images).argmax(axis=1), validation.labels)
        network.train()
        if best is None or value > max(before for _, before in course):
            best = copy.deepcopy(network)
        course.append((done, value))
        return False

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "classify"))
        fit_supervised(
            build,
            loss,
            steps=lessons.steps,
            learning_rate=lessons.learning_rate,
            seed=derive_seed(seed, "classifier"),
            check=check,
        )
    assert best is not None
    return Classified(best.eval(), tuple(course))


@torch.no_grad()
def classified(network: nn.Module, images: ImageRows) -> NDArray[np.float32]:
    """(N, classes): the probability of each class, in evaluation mode."""
    network.eval()
    parts = []
    for start in range(0, len(images), _BATCH):
        with autocast(resolve_precision("auto")):
            logits = network(to_tensor(images[start : start + _BATCH]))
        parts.append(logits.float().softmax(dim=1).cpu().numpy())
    return np.concatenate(parts)


def balanced(called: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Mean over the classes that are there of the share of their images that are called so."""
    return float(np.mean([(called[labels == kind] == kind).mean() for kind in np.unique(labels)]))


def _shuffled(rows: int, step: int, count: int, seed: int) -> NDArray[np.int64]:
    """Places of a batch in endless shuffled epochs; an epoch's tail is left out."""
    epoch, place = divmod(step, rows // count)
    return numpy_generator(seed, "classify-order", epoch).permutation(rows)[place * count : (place + 1) * count]
