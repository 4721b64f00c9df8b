"""A fresh network learns to tell drawn images from real ones (classifier two-sample test: Lopez-Paz and Oquab 2017)."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
_SIDE = 32  # images of each side in a batch
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


def learn_to_discern(
    drawn: ImageRows,
    real: ImageRows,
    learning: Sides,
    kept: Sides,
    *,
    steps: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Discerned:
    """Train on the learning images (N, C, H, W) in [-1, 1], both sides in every batch, for so many steps at most.

    Weights are averaged over steps (Izmailov 2018), batch statistics taken anew for them: running ones lag behind, and
    made a network that had learnt answer at random for hundreds of steps. The kept-back images say which of twenty
    averages answers best, when no more is to learn, and how logits become those of probabilities (Platt 1999).
    """
    batches = _Batches(drawn, real, learning, seed)
    truth = np.repeat([1.0, 0.0], [len(kept.drawn), len(kept.real)])
    every = max(_BETWEEN_CHECKS, steps // _CHECKS)
    averaged: list[AveragedModel] = []
    best: tuple[float, dict[str, Tensor], float, float, int] | None = None

    def loss(network: Discerner, step: int) -> Tensor:
        images, wanted = batches.at(step)
        with autocast(resolve_precision("auto")):
            logits = network(images)
        return F.binary_cross_entropy_with_logits(logits.float(), wanted)

    def check(network: Discerner, done: int) -> bool:
        nonlocal best
        if not averaged:
            averaged.append(AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(_DECAY)))  # type: ignore[no-untyped-call]
        averaged[0].update_parameters(network)
        if done % every and done != steps:
            return False
        model = averaged[0].module
        with autocast(resolve_precision("auto")):
            update_bn(batches.epoch(_STATISTICS_BATCHES), model)
        answers = [_answers(model, images, rows) for images, rows in ((drawn, kept.drawn), (real, kept.real))]
        centre = float(np.mean([np.median(side) for side in answers]))
        logits = np.concatenate(answers) - centre
        scale = _fitting_scale(logits, truth)
        value = float(log_losses(scale * logits, truth).mean())
        if best is None or value < best[0]:
            best = (value, {name: tensor.clone() for name, tensor in model.state_dict().items()}, centre, scale, done)
        return len(kept) >= _ENOUGH and value < _LEARNT

    fit_supervised(
        lambda: Discerner(real.shape[1], real.shape[2]).to(memory_format=torch.channels_last),
        loss,
        steps=steps,
        learning_rate=_LEARNING_RATE,
        seed=derive_seed(seed, "discerner"),
        progress=progress,
        check=check,
    )
    assert best is not None
    _, weights, centre, scale, done = best
    model = averaged[0].module
    model.load_state_dict(weights)
    return Discerned(model.eval(), centre, scale, done)


def log_losses(logits: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) of logits of being drawn; drawn: 1 of drawn images, 0 of real ones, or a probability between."""
    losses: NDArray[np.float64] = np.logaddexp(0, logits) - drawn * logits
    return losses


class _Batches:
    """As many images of either side, in endless shuffled epochs of each; all of a batch shifted by as much.

    Shifts keep the network from learning images by heart: without them it finds noise of four grey levels, with them
    that of two.
    """

    def __init__(self, drawn: ImageRows, real: ImageRows, learning: Sides, seed: int) -> None:
        self._sides = ((drawn, learning.drawn, "drawn"), (real, learning.real, "real"))
        self._count = min(_SIDE, len(learning.drawn), len(learning.real))
        self._shift, self._seed = max(1, real.shape[2] // 8), seed

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """(2 B, C, H, W), and 1 (2 B,) of drawn images, 0 of real ones."""
        images = np.concatenate(
            [images[rows[self._order(len(rows), name, step)]] for images, rows, name in self._sides]
        )
        shift = numpy_generator(self._seed, "discern-shift", step).integers(-self._shift, self._shift + 1, size=2)
        wanted = torch.tensor([1.0, 0.0]).repeat_interleave(self._count)
        return _shifted(to_tensor(images), *shift.tolist()), wanted

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
    return torch.cat(parts).numpy().astype(np.float64)


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
