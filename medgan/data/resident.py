"""Training images that stay on the device: a step is sent the numbers of its rows instead of its images."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgan.data.batch import Batch
from medgan.data.loader import Batches, normalised
from medgan.imaging.intensity import Intensity

_SHARE = 0.5  # of the memory that is free, the rest is for the networks


class Resident:
    """The images of these batches with all that belongs to them, as they are stored."""

    def __init__(self, batches: Batches, device: torch.device) -> None:
        prepared, indices = batches.prepared, batches.indices
        sources, givers = batches.strangers or (prepared.sources, indices)
        self._indices, self._givers, self._intensity = indices, givers, prepared.intensity
        self._images = _there(prepared.images, indices, device)
        self._labels = None if prepared.labels is None else torch.from_numpy(prepared.labels[indices]).to(device)
        self._masks = None if prepared.masks is None else _there(prepared.masks, indices, device)
        self._sources = None if sources is None else _there(sources, givers, device)

    def places(self, rows: NDArray[np.int64], strangers: NDArray[np.int64] | None) -> dict[str, Tensor]:
        """Where these rows of the whole set are here: what `batch` takes."""
        places = {"rows": torch.from_numpy(np.searchsorted(self._indices, rows))}
        if strangers is not None:
            places["strangers"] = torch.from_numpy(np.searchsorted(self._givers, strangers))
        return places

    def batch(self, rows: Tensor, strangers: Tensor | None = None) -> Batch:
        """The batch that the loader makes of these."""
        giving = rows if strangers is None else strangers
        return Batch(
            image=_normalised(self._images[rows], self._intensity),
            label=None if self._labels is None else self._labels[rows],
            source=None if self._sources is None else _normalised(self._sources[giving], self._intensity),
            mask=None if self._masks is None else self._masks[rows].float().permute(0, 3, 1, 2),
        )


def fits(batches: Batches, device: torch.device) -> bool:
    """Say whether these images have room beside networks."""
    if device.type != "cuda":
        return True
    prepared = batches.prepared
    arrays = [array for array in (prepared.images, prepared.sources, prepared.masks) if array is not None]
    size = len(batches.indices) * sum(math.prod(array.shape[1:]) * array.dtype.itemsize for array in arrays)
    free, _ = torch.cuda.mem_get_info(device)
    return size < _SHARE * free


def _there(array: NDArray[Any], rows: NDArray[np.int64], device: torch.device) -> Tensor:
    """Signed where it has 16 bits: few operations know unsigned ones."""
    stored = array[rows]
    return torch.from_numpy(stored.view(np.int16) if stored.dtype == np.uint16 else stored).to(device)


def _normalised(stored: Tensor, intensity: Intensity) -> Tensor:
    values = stored.to(torch.int32).bitwise_and_(0xFFFF) if stored.dtype == torch.int16 else stored
    return normalised(values.to(torch.float32, copy=True), intensity)
