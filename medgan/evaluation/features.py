"""fid_domain: pooled activations of several depths of a small classifier, trained on this data's training split."""

import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.randomness import derive_seed, numpy_generator, torch_generator

RECIPE = "domain-v1"
WIDTHS = (32, 48, 64, 96)
_BATCH = 256
_LARGEST = 64
_ROTATIONS = 4
_SHIFT = 2
# Each depth's share of the total variance on training images; sets the unit of the score.
_BLOCK_VARIANCE = 10.0


class Extractor(nn.Module):
    """The frozen judge of a data set. The recipe is frozen too: another architecture needs another name.

    features: mean and standard deviation over space of each depth's activations. The last depth alone sees what an
    image shows but hardly how clean it is; the first ones see noise, blur and patterns. Images above 64 pixels are
    averaged down, so that a score costs the same at any size (and detail finer than that is not judged).
    """

    name = "fid_domain"

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.channels, self.outputs = channels, outputs
        widths = (channels, *WIDTHS)
        self.depths = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a, b, 3, stride=1 if index == 0 else 2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()
            )
            for index, (a, b) in enumerate(pairwise(widths))
        )
        self.head = nn.Linear(2 * WIDTHS[-1], outputs)
        # Divides each depth's block, so that no depth outweighs the others.
        self.register_buffer("block_scale", torch.ones(len(WIDTHS)))
        self.block_scale: Tensor

    @property
    def digest(self) -> str:
        """12 hex digits of recipe and weights: scores of different digests are never compared."""
        whole = hashlib.sha256(RECIPE.encode())
        for name, tensor in sorted(self.state_dict().items()):
            whole.update(name.encode() + tensor.numpy().tobytes())
        return whole.hexdigest()[:12]

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> logits (B, outputs)."""
        logits: Tensor = self.head(self.blocks(image)[-1])
        return logits

    def blocks(self, image: Tensor) -> list[Tensor]:
        """A tensor (B, 2 * width) a depth: means, then standard deviations over space."""
        if image.shape[-1] > _LARGEST:
            image = F.interpolate(image, size=_LARGEST, mode="area")
        pooled = []
        for depth in self.depths:
            image = depth(image)
            std, mean = torch.std_mean(image.flatten(2), dim=2, correction=0)
            pooled.append(torch.cat([mean, std], dim=1))
        return pooled

    def scaled(self, image: Tensor) -> Tensor:
        """The feature vector (B, 2 * sum(WIDTHS)) of images (B, C, H, W) in [-1, 1]."""
        return torch.cat(
            [block / scale for block, scale in zip(self.blocks(image), self.block_scale, strict=True)], dim=1
        )

    @torch.no_grad()
    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, H, W, C) uint8 -> (N, D) float32."""
        parts = [self.scaled(_normalised(images[i : i + _BATCH])) for i in range(0, len(images), _BATCH)]
        return torch.cat(parts).numpy()

    @torch.no_grad()
    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """(N, H, W, C) uint8 -> class indices (N,); of no use where there were no labels."""
        parts = [self(_normalised(images[i : i + _BATCH])).argmax(dim=1) for i in range(0, len(images), _BATCH)]
        return torch.cat(parts).numpy()

    def save(self, path: Path) -> None:
        about = {"recipe": RECIPE, "channels": self.channels, "outputs": self.outputs}
        path.write_bytes(save(self.state_dict(), metadata={"about": json.dumps(about)}))

    @classmethod
    def load(cls, path: Path) -> "Extractor":
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = json.loads(header["__metadata__"]["about"])
        extractor = cls(about["channels"], about["outputs"])
        extractor.load_state_dict(load(content))
        return extractor.eval()


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
    """Train on (N, H, W, C) uint8 images and labels (N,); without labels the task is to tell four rotations apart.

    One-cycle Adam, shifts of up to two pixels and a little noise as augmentation.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "extractor"))
        extractor = Extractor(images.shape[-1], classes if labels is not None else _ROTATIONS)
    optimizer = torch.optim.Adam(extractor.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    for step in range(steps):
        rng = numpy_generator(seed, "extractor-batch", step)
        chosen = np.sort(rng.integers(len(images), size=batch))
        x = _normalised(images[chosen])
        if labels is None:
            turns = rng.integers(_ROTATIONS, size=batch)
            x = torch.stack([torch.rot90(image, int(turn), (1, 2)) for image, turn in zip(x, turns, strict=True)])
        target = torch.from_numpy(turns if labels is None else np.asarray(labels[chosen]))
        x = torch.roll(x, tuple(rng.integers(-_SHIFT, _SHIFT + 1, size=2).tolist()), (2, 3))
        x = x + 0.02 * torch.randn(x.shape, generator=torch_generator(seed, "extractor-noise", step))
        loss = F.cross_entropy(extractor(x), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if progress:
            progress(step + 1)
    extractor.eval()
    _fix_scales(extractor, images[:: max(1, len(images) // 2000)])
    return extractor


@torch.no_grad()
def _fix_scales(extractor: Extractor, images: NDArray[np.uint8]) -> None:
    parts: list[list[Any]] = [
        extractor.blocks(_normalised(images[i : i + _BATCH])) for i in range(0, len(images), _BATCH)
    ]
    for depth, scale in enumerate(extractor.block_scale):
        variance = torch.cat([part[depth] for part in parts]).var(dim=0).sum()
        scale.copy_((variance / _BLOCK_VARIANCE).sqrt().clamp_min(1e-6))


def _normalised(images: NDArray[np.uint8]) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    return tensor.div_(127.5).sub_(1)
