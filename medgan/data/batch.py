"""What a batch on its way to a network is."""

from dataclasses import dataclass, replace

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
        """Labels keep their type. A GPU takes them from pinned memory, while it still works on the step before."""

        def moved(tensor: Tensor, kind: torch.dtype) -> Tensor:
            return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, kind, non_blocking=True)

        planes = {name: moved(tensor, dtype) for name, tensor in self._planes().items()}
        return replace(self, label=None if self.label is None else moved(self.label, self.label.dtype), **planes)

    def _planes(self) -> dict[str, Tensor]:
        named = (("image", self.image), ("source", self.source), ("mask", self.mask))
        return {name: tensor for name, tensor in named if tensor is not None}

    def conditions(self) -> dict[str, Tensor]:
        """Return what a generator may be given of these images, by the name of its input."""
        return {
            name: tensor
            for name, tensor in (("label", self.label), ("mask", self.mask), ("source", self.source))
            if tensor is not None
        }
