"""fid_domain: what a small network, trained on this data's training split, sees in an image, and where."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.data.stored import ImageRows
from medgan.device import resolve_device
from medgan.errors import MedganError
from medgan.imaging.arrays import Images

# The recipe is frozen (tests/test_extractor.py): to change anything here or in `learning.py` is to rename it.
RECIPE = "domain-v2"
WIDTHS = (16, 32, 64, 64)
# Of the pooled and of the spatial features each, half.
DIMENSIONS = 64
_GRID = 32
_EMBEDDING = 64
# An even image has no spread, where a root has no gradient.
_LEAST_VARIANCE = 1e-10
# The depth whose activations are also looked at place by place, and how many places a side.
_PLACED, _PLACES = 1, 4
BLOCKS = (*(2 * width for width in WIDTHS), WIDTHS[_PLACED] * _PLACES**2)


@dataclass(frozen=True)
class Observation:
    """What the extractor sees in N images: features (N, D) and logits (N, classes), None where it knows no classes."""

    features: NDArray[np.float32]
    logits: NDArray[np.float32] | None

    @property
    def classes(self) -> NDArray[np.int64]:
        """Class indices (N,). Raises MedganError where there were no labels to learn."""
        if self.logits is None:
            raise MedganError("this extractor was trained without labels, so it cannot classify; set data.labels: true")
        classes: NDArray[np.int64] = self.logits.argmax(axis=1)
        return classes


class Extractor(nn.Module):
    """The frozen judge of a data set: images of one size and number of channels -> features and a class.

    Features are the mean and standard deviation over space of each depth's activations, and those of the second depth
    averaged over 4x4 places. The last depth sees what an image shows but hardly how clean it is; the first ones see
    noise, blur and patterns; the places see where things are. Both kinds are projected to half of DIMENSIONS each, to
    the directions in which real images of one class differ. The first convolution reads every pixel, whatever the size;
    its activations are then averaged to at most 32x32, because cost must not grow with the size in the deeper layers,
    and averaging the image instead would cancel a checkerboard exactly.
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
        self.register_buffer("centre", torch.zeros(sum(BLOCKS)))
        self.register_buffer("projection", torch.eye(sum(BLOCKS), DIMENSIONS))
        self.register_buffer("width", torch.ones(()))
        self.centre: Tensor
        self.projection: Tensor
        self.width: Tensor

    @property
    def digest(self) -> str:
        """12 hex digits of recipe, shapes and weights: scores of different digests are never compared."""
        whole = hashlib.sha256(json.dumps(self._about()).encode())
        for name, tensor in sorted(self.state_dict().items()):
            whole.update(name.encode() + tensor.cpu().numpy().tobytes())
        return whole.hexdigest()[:12]

    @property
    def kernel_width(self) -> float:
        """Of the Gaussian kernel behind KID, in units of the features."""
        return float(self.width)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> logits (B, classes), or without labels an embedding (B, 64)."""
        return self.head(self._looked_at(image)[0][-1])  # type: ignore[no-any-return]

    def blocks(self, image: Tensor) -> list[Tensor]:
        """(B, C, H, W) in [-1, 1] -> what is projected, in blocks of the sizes in BLOCKS.

        For each depth (B, 2 * width): means, then standard deviations over space; then the places (B, 16 * width).
        """
        pooled, places = self._looked_at(image)
        return [*pooled, places]

    def _looked_at(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        pooled, places = [], image
        for depth, layers in enumerate(self.depths):
            image = layers(image)
            # Half the time of torch.std_mean where channels are last in memory.
            mean = image.mean(dim=(2, 3), keepdim=True)
            std = (image - mean).square().mean(dim=(2, 3)).add(_LEAST_VARIANCE).sqrt()
            pooled.append(torch.cat([mean.flatten(1), std], dim=1))
            if image.shape[-1] > _GRID:
                image = F.adaptive_avg_pool2d(image, _GRID)
            if depth == _PLACED:
                places = F.adaptive_avg_pool2d(image, _PLACES).flatten(1)
        return pooled, places

    @torch.no_grad()
    def observe(self, images: ImageRows) -> Observation:
        """(N, C, H, W) in [-1, 1]: features (N, DIMENSIONS), in units of training images, and classes.

        Raises MedganError for images of another shape or type.
        """
        features, logits = [], []
        for batch in self.batches(images):
            pooled, places = self._looked_at(batch)
            features.append(((torch.cat([*pooled, places], dim=1) - self.centre) @ self.projection).cpu().numpy())
            if self.classes:
                logits.append(self.head(pooled[-1]).cpu().numpy())
        return Observation(np.concatenate(features), np.concatenate(logits) if logits else None)

    def batches(self, images: ImageRows, *, every: int = 1) -> Iterator[Tensor]:
        """(B, C, H, W) of every so-manieth image, of about as much memory at every size. Raises as `observe` does."""
        length = every * max(16, min(256, 256 * 64 * 64 // self.size**2))
        for start in range(0, max(1, len(images)), length):
            batch = images[start : start + length : every]
            shape = (self.channels, self.size, self.size)
            if batch.dtype != np.float32 or batch.shape[1:] != shape or not len(batch):
                expected = f"(N, {', '.join(map(str, shape))}) float32"
                raise MedganError(f"expected images {expected}, not {batch.shape} {batch.dtype}")
            yield to_tensor(batch)

    def save(self, path: Path) -> None:
        """One safetensors file; the same extractor gives the same bytes."""
        weights = {name: tensor.cpu() for name, tensor in self.state_dict().items()}
        path.write_bytes(save(weights, metadata={self.name: json.dumps(self._about())}))

    @classmethod
    def load(cls, path: Path) -> "Extractor":
        """Read what `save` wrote. Raises MedganError if the file is missing, damaged, or of another recipe."""
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
        return extractor.to(resolve_device()).eval()

    def _about(self) -> dict[str, str | int]:
        return {"recipe": RECIPE, "channels": self.channels, "size": self.size, "classes": self.classes}


def to_tensor(images: Images) -> Tensor:
    """(B, C, H, W) on the device, with channels last in memory, as stored images have them."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 2, 3, 1))).to(resolve_device()).permute(0, 3, 1, 2)
