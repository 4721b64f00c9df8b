"""Is the lesion where the mask says? A segmenter trained on real images is asked (U-Net: Ronneberger 2015)."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.data.store import Prepared
from medgan.data.stored import ImageRows, StoredImages
from medgan.evaluation.report import LesionFigures, Lesions
from medgan.imaging.arrays import Images
from medgan.scores.extractor import to_tensor
from medgan.scores.supervised import fit_supervised
from medgan.seeds import derive_seed, numpy_generator

_WIDTHS = (16, 32, 64)
_LEARNING_RATE = 3e-3
_BATCH = 32
_CHUNK = 200


class Segmenter(nn.Module):
    """Three levels; images (B, C, H, W) in [-1, 1] to logits (B, 1, H, W) of being lesion."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        a, b, c = _WIDTHS
        self.down = nn.ModuleList([_convolved(channels, a), _convolved(a, b), _convolved(b, c)])
        self.up = nn.ModuleList([_convolved(c + b, b), _convolved(b + a, a)])
        self.to_logit = nn.Conv2d(a, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        first = self.down[0](image)
        second = self.down[1](F.max_pool2d(first, 2))
        third = self.down[2](F.max_pool2d(second, 2))
        second = self.up[0](torch.cat([F.interpolate(third, scale_factor=2.0), second], dim=1))
        first = self.up[1](torch.cat([F.interpolate(second, scale_factor=2.0), first], dim=1))
        return self.to_logit(first)  # type: ignore[no-any-return]

    @torch.no_grad()
    def found(self, images: ImageRows) -> NDArray[np.bool_]:
        """(N, C, H, W) in [-1, 1] to the pixels (N, H, W) that are taken for lesion."""
        parts = [self(to_tensor(images[i : i + _CHUNK]))[:, 0] > 0 for i in range(0, len(images), _CHUNK)]
        return torch.cat(parts).cpu().numpy()


def train_segmenter(
    images: ImageRows,
    masks: NDArray[np.uint8],
    *,
    steps: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Segmenter:
    """Train on images (N, C, H, W) in [-1, 1] and masks (N, H, W, M), not zero where any lesion is.

    By cross-entropy and Dice (Milletari 2016), which keeps small lesions from being ignored.
    """

    def loss(segmenter: Segmenter, step: int) -> Tensor:
        chosen = numpy_generator(seed, "segmenter", step).choice(len(images), min(_BATCH, len(images)), replace=False)
        logits = segmenter(to_tensor(images[chosen]))[:, 0]
        wanted = torch.from_numpy(masks[chosen].any(axis=3)).to(logits)
        share = logits.sigmoid()
        dice: Tensor = 1 - (2 * (share * wanted).sum() + 1) / (share.sum() + wanted.sum() + 1)
        return F.binary_cross_entropy_with_logits(logits, wanted) + dice

    return fit_supervised(
        lambda: Segmenter(images.shape[1]),
        loss,
        steps=steps,
        learning_rate=_LEARNING_RATE,
        seed=derive_seed(seed, "segmenter"),
        progress=progress,
    )


def lesion_figures(segmenter: Segmenter, images: ImageRows, masks: NDArray[np.uint8]) -> LesionFigures:
    """How images (N, C, H, W) in [-1, 1] and masks (N, H, W, M) fit together."""
    predicted, wanted = (flags.reshape(len(images), -1) for flags in (segmenter.found(images), masks.any(axis=3)))
    both, either = (predicted & wanted).sum(axis=1), (predicted | wanted).sum(axis=1)
    filled = wanted.any(axis=1)
    return LesionFigures(
        iou=float((both[filled] / either[filled]).mean()) if filled.any() else None,
        clean=float((predicted[~filled].mean(axis=1) < 1e-3).mean()) if not filled.all() else None,
    )


def judge_lesions(
    prepared: Prepared,
    drawn: Images,
    test: NDArray[np.int64],
    *,
    steps: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Lesions:
    """Figures of images drawn under the masks of these test images, and of the test images themselves."""
    assert prepared.masks is not None
    train = prepared.learnable()
    images, planes = StoredImages(prepared, train), prepared.masks[train]
    segmenter = train_segmenter(images, planes, steps=steps, seed=seed, progress=progress)
    masks = prepared.masks[test]
    return Lesions(
        generated=lesion_figures(segmenter, drawn, masks),
        real=lesion_figures(segmenter, StoredImages(prepared, test), masks),
    )


def _convolved(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
    )  # fmt: skip
