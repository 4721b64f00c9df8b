"""A fresh network learns to tell drawn images from real ones (classifier two-sample test: Lopez-Paz and Oquab 2017)."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from medgan.data.stored import ImageRows
from medgan.device import autocast, resolve_precision
from medgan.scores.extractor import to_tensor
from medgan.scores.supervised import fit_supervised
from medgan.seeds import derive_seed, numpy_generator

Rows = NDArray[np.int64]

_WIDTHS = (16, 32, 64, 128)
_GRID = 32
_FINE_GAIN = 8.0  # by which fine detail is made as large as the image
SIDE = 32  # images of each side in a batch
_LEARNING_RATE = 3e-3
_DECAY = 0.99
_CHECKS, _BETWEEN_CHECKS = 20, 10  # at most, and steps at least
_STATISTICS_BATCHES = 16  # at most; an epoch is enough
# Kept-back answers this good need no more steps, where there are enough of them to mean it.
_LEARNT, _ENOUGH = 0.02, 100
_SCALES = np.geomspace(0.01, 10, 61)


class Discerner(nn.Module):
    """Plain convolutions; images (B, C, H, W) in [-1, 1] to logits (B,) of being drawn.

    It is shown the image, what differs in it from the mean of 3x3 pixels, and the size of this difference, as those who
    look for traces of editing do (Fridrich and Kodovsky 2012): it reads every pixel before strides, which pass over a
    checkerboard, and learns noise in a third of the steps. Layers of stride 2 bring larger images to 32x32, narrow
    ones first, so that cost grows with the number of pixels at most.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        halvings = max(0, math.ceil(math.log2(size / _GRID)))
        stem = [max(8, _WIDTHS[0] >> left) for left in reversed(range(max(1, halvings)))]
        widths = (3 * channels, *stem, *_WIDTHS[1:])
        strides = (2 if halvings else 1, *[2] * (len(widths) - 2))
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, stride, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
                for (a, b), stride in zip(pairwise(widths), strides, strict=True)
            )
        )
        self.to_logit = nn.Linear(_WIDTHS[-1], 1)

    def forward(self, image: Tensor) -> Tensor:
        surrounding = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
        fine = _FINE_GAIN * (image - surrounding)
        features = self.layers(torch.cat([image, fine, fine.abs()], dim=1))
        return self.to_logit(features.mean(dim=(2, 3)))[:, 0]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Sides:
    """Rows of the drawn and of the real images."""

    drawn: Rows
    real: Rows

    def __len__(self) -> int:
        return len(self.drawn) + len(self.real)


@dataclass(frozen=True)
class Discerned:
    """A network that has learnt; its answers are less `centre`, times `scale`. steps: how many it took."""

    network: nn.Module
    centre: float
    scale: float
    steps: int

    def logits(self, images: ImageRows, rows: Rows) -> NDArray[np.float64]:
        """(n,) of the probability that each of these images is drawn."""
        return self.scale * (_answers(self.network, images, rows) - self.centre)


@dataclass(frozen=True)
class Material:
    """Images (N, C, H, W) in [-1, 1] of both sides, the rows to learn from, and those kept back to see how it goes."""

    drawn: ImageRows
    real: ImageRows
    learning: Sides
    kept: Sides


def learn_to_discern(
    images: Material, *, steps: int, seed: int, progress: Callable[[int], None] | None = None
) -> Discerned:
    """Train on both sides for so many steps at most; kept-back images say when no more is to learn."""
    batches = _Batches(images, seed)
    checks = _Checks(images, batches, steps)

    def loss(network: Discerner, step: int) -> Tensor:
        shown, wanted = batches.at(step)
        with autocast(resolve_precision("auto")):
            logits = network(shown)
        return F.binary_cross_entropy_with_logits(logits.float(), wanted)

    fit_supervised(
        lambda: Discerner(images.real.shape[1], images.real.shape[2]).to(memory_format=torch.channels_last),
        loss,
        steps=steps,
        learning_rate=_LEARNING_RATE,
        seed=derive_seed(seed, "discerner"),
        progress=progress,
        check=checks,
    )
    assert checks.best is not None
    return checks.best


class _Checks:
    """Follows a training, and holds the best network of it: of averaged weights (Izmailov 2018), calibrated.

    Batch statistics are taken anew for averaged weights: running ones lag behind, and made a network that had learnt
    answer at random for hundreds of steps. Kept-back images say which network is best, and how its logits become those
    of probabilities (Platt 1999).
    """

    def __init__(self, images: Material, batches: "_Batches", steps: int) -> None:
        self.best: Discerned | None = None
        self._images, self._batches, self._steps = images, batches, steps
        self._every = max(_BETWEEN_CHECKS, steps // _CHECKS)
        self._truth = np.repeat([1.0, 0.0], [len(images.kept.drawn), len(images.kept.real)])
        self._averaged: AveragedModel | None = None
        self._loss = math.inf

    def __call__(self, network: Discerner, done: int) -> bool:
        """Say whether the network, after so many steps, has nothing more to learn."""
        if self._averaged is None:
            average = get_ema_multi_avg_fn(_DECAY)  # type: ignore[no-untyped-call]
            self._averaged = AveragedModel(network, multi_avg_fn=average)
        self._averaged.update_parameters(network)
        if done % self._every and done != self._steps:
            return False
        with autocast(resolve_precision("auto")):
            update_bn(self._batches.epoch(_STATISTICS_BATCHES), self._averaged.module)
        candidate, loss = self._calibrated(self._averaged.module, done)
        if loss < self._loss:
            self.best, self._loss = replace(candidate, network=copy.deepcopy(candidate.network)), loss
        return len(self._images.kept) >= _ENOUGH and loss < _LEARNT

    def _calibrated(self, network: nn.Module, done: int) -> tuple[Discerned, float]:
        """The network with its centre and scale, and the mean log loss that it then has."""
        images = self._images
        sides = ((images.drawn, images.kept.drawn), (images.real, images.kept.real))
        answers = [_answers(network, pixels, rows) for pixels, rows in sides]
        centre = float(np.mean([np.median(side) for side in answers]))
        logits = np.concatenate(answers) - centre
        scale = _fitting_scale(logits, self._truth)
        return Discerned(network, centre, scale, done), float(log_losses(scale * logits, self._truth).mean())


def log_losses(logits: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) of logits of being drawn; drawn: 1 of drawn images, 0 of real ones, or a probability between."""
    losses: NDArray[np.float64] = np.logaddexp(0, logits) - drawn * logits
    return losses


class _Batches:
    """As many images of either side, in endless shuffled epochs of each; all of a batch shifted by as much.

    Shifts keep the network from learning images by heart: without them it finds noise of four grey levels, with them
    that of two.
    """

    def __init__(self, images: Material, seed: int) -> None:
        learning = images.learning
        self._sides = ((images.drawn, learning.drawn, "drawn"), (images.real, learning.real, "real"))
        self._count = min(SIDE, len(learning.drawn), len(learning.real))
        self._shift, self._seed = max(1, images.real.shape[2] // 8), seed

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """(2 B, C, H, W), and 1 (2 B,) of drawn images, 0 of real ones."""
        images = np.concatenate(
            [images[rows[self._order(len(rows), name, step)]] for images, rows, name in self._sides]
        )
        shift = numpy_generator(self._seed, "discern-shift", step).integers(-self._shift, self._shift + 1, size=2)
        wanted = torch.tensor([1.0, 0.0]).repeat_interleave(self._count)
        shown = to_tensor(images)
        return _shifted(shown, *shift.tolist()), wanted.to(shown.device)

    def epoch(self, most: int) -> Iterator[Tensor]:
        """Images alone, of so many batches at most."""
        batches = min(len(rows) for _, rows, _ in self._sides) // self._count
        return (self.at(step)[0] for step in range(min(most, batches)))

    def _order(self, rows: int, name: str, step: int) -> Rows:
        """Which rows a step sees; an epoch's tail is left out."""
        epoch, place = divmod(step, rows // self._count)
        order = numpy_generator(self._seed, f"discern-{name}", epoch).permutation(rows)
        return order[place * self._count : (place + 1) * self._count]


def _shifted(images: Tensor, rows: int, columns: int) -> Tensor:
    """Mirrored at the border, where neither black nor the other side of the image would be a seam."""
    height, width = images.shape[2:]
    padded = F.pad(images, (abs(columns),) * 2 + (abs(rows),) * 2, mode="reflect")
    top, left = abs(rows) + rows, abs(columns) + columns
    return padded[:, :, top : top + height, left : left + width].contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _answers(network: nn.Module, images: ImageRows, rows: Rows) -> NDArray[np.float64]:
    network.eval()
    length = max(16, min(256, 256 * 64 * 64 // images.shape[2] ** 2))
    with autocast(resolve_precision("auto")):
        parts = [network(to_tensor(images[rows[i : i + length]])).float() for i in range(0, len(rows), length)]
    return torch.cat(parts).cpu().numpy().astype(np.float64)


def _fitting_scale(logits: NDArray[np.float64], drawn: NDArray[np.float64]) -> float:
    """The least factor that answers as well as the best one but for two standard errors (after Breiman 1984).

    Targets are a little off 0 and 1 (Platt 1999), so that few images allow no certainty.
    """
    of_drawn = int(drawn.sum())
    of_real = len(drawn) - of_drawn
    targets = np.where(drawn == 1, (of_drawn + 1) / (of_drawn + 2), 1 / (of_real + 2))
    losses = log_losses(_SCALES[:, None] * logits, targets)
    excess = losses - losses[losses.mean(axis=1).argmin()]
    allowed = 2 * excess.std(axis=1) / math.sqrt(len(drawn))
    return float(_SCALES[np.argmax(excess.mean(axis=1) <= allowed)])
