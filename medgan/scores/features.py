"""fid_domain: pooled activations of several depths of a small network, trained on this data's training split.

Labelled data train it as a classifier; unlabelled data by instance discrimination (Chen et al. 2020, SimCLR).
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.errors import MedganError
from medgan.randomness import derive_seed, numpy_generator, torch_generator
from medgan.scores.pretext import normalised, twins_loss, view

# The recipe is frozen (tests/test_calibration.py): to change anything below is to rename it.
RECIPE = "domain-v1"
WIDTHS = (16, 32, 64, 64)
_GRID = 32
_BLOCK_VARIANCE = 10.0
_SPREAD_FLOOR = 2.0
_LEARNING_RATE = 3e-3
_EMBEDDING = 64
_CALIBRATION_IMAGES = 2000


class Extractor(nn.Module):
    """The frozen judge of a data set: images of one size and number of channels -> features and a class.

    Features are the mean and standard deviation over space of each depth's activations. The last depth sees what an
    image shows but hardly how clean it is; the first ones see noise, blur and patterns. The first convolution reads
    every pixel, whatever the size; its activations are then averaged to at most 32x32, because cost must not grow
    with the size in the deeper layers, and averaging the image instead would cancel a checkerboard exactly.
    """

    name = "fid_domain"

    def __init__(self, channels: int, size: int, classes: int) -> None:
        """classes: 0 to train without labels; the head then gives an embedding instead of logits."""
        super().__init__()
        self.channels, self.size, self.classes = channels, size, classes
        widths = (channels, *WIDTHS)
        strides = (1 if size <= _GRID else 2, 2, 2, 2)
        self.depths = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for (a, b), stride in zip(pairwise(widths), strides, strict=True)
        )
        self.head = nn.Linear(2 * WIDTHS[-1], classes or _EMBEDDING)
        self.register_buffer("centre", torch.zeros(2 * sum(WIDTHS)))
        self.register_buffer("spread", torch.ones(2 * sum(WIDTHS)))
        self.centre: Tensor
        self.spread: Tensor

    @property
    def digest(self) -> str:
        """12 hex digits of recipe, shapes and weights: scores of different digests are never compared."""
        whole = hashlib.sha256(json.dumps(self._about()).encode())
        for name, tensor in sorted(self.state_dict().items()):
            whole.update(name.encode() + tensor.numpy().tobytes())
        return whole.hexdigest()[:12]

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> logits (B, classes), or without labels an embedding (B, 64)."""
        return self.head(self.blocks(image)[-1])  # type: ignore[no-any-return]

    def blocks(self, image: Tensor) -> list[Tensor]:
        """(B, C, H, W) in [-1, 1] -> for each depth (B, 2 * width): means, then standard deviations over space."""
        pooled = []
        for depth in self.depths:
            image = depth(image)
            std, mean = torch.std_mean(image.flatten(2), dim=2, correction=0)
            pooled.append(torch.cat([mean, std], dim=1))
            if image.shape[-1] > _GRID:
                image = F.adaptive_avg_pool2d(image, _GRID)
        return pooled

    def pooled(self, image: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> features (B, D), D = 2 * sum(WIDTHS), standardised on training images."""
        return (torch.cat(self.blocks(image), dim=1) - self.centre) / self.spread

    @torch.no_grad()
    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, H, W, C) uint8 -> (N, D) float32. Raises MedganError for images of another shape or type."""
        return np.concatenate([self.pooled(batch).numpy() for batch in self._batches(images)])

    @torch.no_grad()
    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """(N, H, W, C) uint8 -> class indices (N,). Raises MedganError where there were no labels to learn."""
        if not self.classes:
            raise MedganError("this extractor was trained without labels, so it cannot classify; set data.labels: true")
        return np.concatenate([self(batch).argmax(dim=1).numpy() for batch in self._batches(images)])

    def save(self, path: Path) -> None:
        """One safetensors file; the same extractor gives the same bytes."""
        path.write_bytes(save(self.state_dict(), metadata={self.name: json.dumps(self._about())}))

    @classmethod
    def load(cls, path: Path) -> "Extractor":
        """Raises MedganError if the file is missing, damaged, or of another recipe."""
        remedy = "run the stage `features` again"
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {}).get(cls.name, "{}"))
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        except FileNotFoundError:
            raise MedganError(f"{path} does not exist; {remedy}") from None
        except SafetensorError as error:
            raise MedganError(f"{path} is damaged ({error}); {remedy}") from None
        if about.get("recipe") != RECIPE:
            raise MedganError(f"{path} is of recipe '{about.get('recipe')}', this code of '{RECIPE}'; {remedy}")
        extractor = cls(about["channels"], about["size"], about["classes"])
        extractor.load_state_dict(weights)
        return extractor.eval()

    def _about(self) -> dict[str, str | int]:
        return {"recipe": RECIPE, "channels": self.channels, "size": self.size, "classes": self.classes}

    def _batches(self, images: NDArray[np.uint8]) -> Iterator[Tensor]:
        _check_images(images, (self.size, self.size, self.channels))
        # About as much memory a batch at every size.
        length = max(16, min(256, 256 * 64 * 64 // self.size**2))
        for start in range(0, len(images), length):
            yield normalised(images[start : start + length])


def train_extractor(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    *,
    classes: int,
    steps: int,
    batch: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Extractor:
    """An extractor in evaluation mode, from training images (N, H, W, C) uint8 and labels (N,) in [0, classes).

    One-cycle Adam on shifted, slightly noisy images. Without labels, half a batch of images is seen twice, shifted
    and brightened differently, and each must find its twin: rotation prediction (the other task tried) left features
    blind to speckle and to missing classes. Raises MedganError if images or labels cannot be used.
    """
    _check_images(images, images.shape[1:])
    if labels is not None and (len(labels) != len(images) or labels.min() < 0 or labels.max() >= classes):
        raise MedganError(
            f"{len(images)} images need as many labels in [0, {classes}), not {np.unique(labels).tolist()}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "extractor"))
        extractor = Extractor(images.shape[3], images.shape[1], 0 if labels is None else classes)
    optimizer = torch.optim.Adam(extractor.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_LEARNING_RATE, total_steps=steps)
    count = min(len(images), batch if labels is not None else max(2, batch // 2))
    for step in range(steps):
        rng, noise = numpy_generator(seed, "extractor-batch", step), torch_generator(seed, "extractor-noise", step)
        chosen = rng.choice(len(images), size=count, replace=False)
        x = normalised(images[chosen])
        if labels is None:
            loss = twins_loss(extractor(torch.cat([view(x, rng, noise, gain=0.2) for _ in range(2)])))
        else:
            loss = F.cross_entropy(extractor(view(x, rng, noise, gain=0)), torch.from_numpy(labels[chosen]).long())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if progress:
            progress(step + 1)
    extractor.eval()
    _standardise(extractor, images[:: math.ceil(len(images) / _CALIBRATION_IMAGES)])
    return extractor


@torch.no_grad()
def _standardise(extractor: Extractor, images: NDArray[np.uint8]) -> None:
    """Fix the unit of the features: every depth's block gets the same total variance, spread over its dimensions.

    Within a block, a dimension that varies less than twice the median is taken to vary that much. Standardising each
    fully let those that are all but constant decide: a generator that drew better lesions scored worse, because of
    the noise in its background. Every fault of the calibration test is still seen at several times the floor.
    """
    parts = [extractor.blocks(batch) for batch in extractor._batches(images)]
    spreads = []
    for block in (torch.cat(depth) for depth in zip(*parts, strict=True)):
        spread = block.std(dim=0)
        spread = spread.clamp_min(max(_SPREAD_FLOOR * float(spread.median()), 1e-6))
        spreads.append(spread * math.sqrt(block.shape[1] / _BLOCK_VARIANCE))
    extractor.centre.copy_(torch.cat([torch.cat(part, dim=1) for part in parts]).mean(dim=0))
    extractor.spread.copy_(torch.cat(spreads))


def _check_images(images: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape or not len(images):
        raise MedganError(f"expected images (N, {', '.join(map(str, shape))}) uint8, not {images.shape} {images.dtype}")
