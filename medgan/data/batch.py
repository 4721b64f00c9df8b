"""What a batch on its way to a network is."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """image and source (B, C, H, W) float32 in [-1, 1]; label (B,) int64; mask (B, M, H, W) float32, 0 or 1."""

    image: Tensor
    label: Tensor | None = None
    source: Tensor | None = None
    mask: Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> "Batch":
        """Labels keep their type."""
        kinds = {name: dtype if tensor.is_floating_point() else tensor.dtype for name, tensor in self.tensors().items()}
        return Batch(**{name: tensor.to(device, kinds[name]) for name, tensor in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """Return what there is, by name."""
        return {"image": self.image, **self.conditions()}

    def conditions(self) -> dict[str, Tensor]:
        """Return what a generator may be given of these images, by the name of its input."""
        return {
            name: tensor
            for name, tensor in (("label", self.label), ("mask", self.mask), ("source", self.source))
            if tensor is not None
        }
