"""Is the lesion where the mask says? A segmenter trained on real images is asked (U-Net: Ronneberger 2015)."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.data.store import Prepared
from medgan.randomness import derive_seed, numpy_generator
from medgan.scores.pretext import normalised

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
    def found(self, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """(N, H, W, C) uint8 to the pixels (N, H, W) that are taken for lesion."""
        parts = [self(normalised(images[i : i + _CHUNK]))[:, 0] > 0 for i in range(0, len(images), _CHUNK)]
        return torch.cat(parts).numpy()


def train_segmenter(
    images: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    *,
    steps: int,
    seed: int,
    progress: Callable[[int], None] = lambda step: None,
) -> Segmenter:
    """From training images (N, H, W, C) uint8 and masks (N, H, W, M), not zero where any lesion is.

    One-cycle Adam on cross-entropy and Dice (Milletari 2016), which keeps small lesions from being ignored.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "segmenter"))
        segmenter = Segmenter(images.shape[3])
    optimizer = torch.optim.Adam(segmenter.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_LEARNING_RATE, total_steps=steps)
    for step in range(steps):
        chosen = numpy_generator(seed, "segmenter", step).choice(len(images), min(_BATCH, len(images)), replace=False)
        wanted = torch.from_numpy(masks[chosen].any(axis=3)).float()
        logits = segmenter(normalised(images[chosen]))[:, 0]
        share = logits.sigmoid()
        dice = 1 - (2 * (share * wanted).sum() + 1) / (share.sum() + wanted.sum() + 1)
        loss = F.binary_cross_entropy_with_logits(logits, wanted) + dice
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        progress(step + 1)
    return segmenter.eval()


def lesion_figures(segmenter: Segmenter, images: NDArray[np.uint8], masks: NDArray[np.uint8]) -> dict[str, float]:
    """How images (N, H, W, C) uint8 and masks (N, H, W, M) fit together.

    iou: mean intersection over union of what is found and what the mask says, over images whose mask is not empty.
    clean: share of images with an empty mask in which less than a thousandth of the pixels is taken for lesion.
    """
    found, wanted = (flags.reshape(len(images), -1) for flags in (segmenter.found(images), masks.any(axis=3)))
    both, either = (found & wanted).sum(axis=1), (found | wanted).sum(axis=1)
    filled = wanted.any(axis=1)
    figures = {}
    if filled.any():
        figures["iou"] = float((both[filled] / either[filled]).mean())
    if not filled.all():
        figures["clean"] = float((found[~filled].mean(axis=1) < 1e-3).mean())
    return figures


def judge_lesions(
    prepared: Prepared,
    drawn: NDArray[np.uint8],
    test: NDArray[np.int64],
    *,
    steps: int,
    seed: int,
    progress: Callable[[int], None] = lambda step: None,
) -> dict[str, dict[str, float]]:
    """Figures of images drawn under the masks of these test images, and of the test images themselves."""
    assert prepared.masks is not None
    train = prepared.learnable()
    segmenter = train_segmenter(
        prepared.pictures(train), prepared.masks[train], steps=steps, seed=seed, progress=progress
    )
    masks = prepared.masks[test]
    return {
        "generated": lesion_figures(segmenter, drawn, masks),
        "real": lesion_figures(segmenter, prepared.pictures(test), masks),
    }


def _convolved(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
    )  # fmt: skip
