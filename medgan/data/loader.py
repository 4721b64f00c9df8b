"""Batches of a split: any step's batch can be made at any time, so a resumed run sees the data of the unbroken one."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgan.data.batch import Batch
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.imaging.intensity import Intensity
from medgan.seeds import numpy_generator


class Batches:
    """Endless shuffled epochs over one split; `at(step)` depends on (seed, step) alone.

    paired: False gives each image the source of another patient. classes: codes (N,) of all images; each batch then has
    as many images of each class, or one more, and each class has epochs of its own. rank, size: of the process among
    those that share the batch; each takes every size-th row of it.
    indices: of the split's images. strangers: an array of sources and which of its rows, where they are unpaired.
    """

    def __init__(
        self,
        prepared: Prepared,
        split: str,
        *,
        batch: int,
        seed: int,
        paired: bool = True,
        classes: NDArray[np.int64] | None = None,
        rank: int = 0,
        size: int = 1,
    ) -> None:
        self.prepared, self._batch, self._seed = prepared, batch, seed
        self._rows = slice(rank, None, size)
        self.indices = prepared.indices(split)
        if len(self.indices) == 0:
            raise MedganError(f"the {split} split is empty; raise its share under data in params.yaml")
        sources, givers = (None, self.indices) if paired or prepared.sources is None else prepared.givers(split)
        self.strangers = None if sources is None else (sources, givers)
        codes = np.zeros(len(self.indices), np.int64) if classes is None else classes[self.indices]
        streams = [("order" if classes is None else f"order of class {code}", code) for code in np.unique(codes)]
        self._epochs = [_Epochs(self.indices[codes == code], seed, stream) for stream, code in streams]

    def at(self, step: int) -> Batch:
        """The batch of a step, counted from 0. An epoch's tail and the next one's head share a batch."""
        images, strangers = self.rows(step)
        if self.strangers is None or strangers is None:
            return gather(self.prepared, images)
        batch = gather(replace(self.prepared, sources=None), images)
        return replace(batch, source=_taken(self.prepared, self.strangers[0], strangers))

    def rows(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Which images the batch of a step has, and where they are unpaired, whose sources."""
        turns, kinds = np.arange(step * self._batch, (step + 1) * self._batch), len(self._epochs)
        images = np.empty(self._batch, np.int64)
        for kind, epochs in enumerate(self._epochs):  # the classes take turns
            images[turns % kinds == kind] = epochs.at(turns[turns % kinds == kind] // kinds)
        if kinds > 1:  # else some process could have rows of one class alone
            images = numpy_generator(self._seed, "rows", step).permutation(images)
        strangers = None if self.strangers is None else self._others(images, self.strangers[1], step)[self._rows]
        return images[self._rows], strangers

    def _others(self, images: NDArray[np.int64], givers: NDArray[np.int64], step: int) -> NDArray[np.int64]:
        """Draw as many random sources of the split, none of the patient beside whom it stands."""
        rng, patients = numpy_generator(self._seed, "unpaired", step), self.prepared.patients
        chosen = rng.choice(givers, size=len(images))
        while (same := patients[chosen] == patients[images]).any():
            if (patients[givers] == patients[images[same][0]]).all():
                raise MedganError("unpaired training needs two patients in the train split; add images")
            chosen[same] = rng.choice(givers, size=int(same.sum()))
        return chosen


class _Epochs:
    """Endless shuffled epochs over these indices."""

    def __init__(self, indices: NDArray[np.int64], seed: int, stream: str) -> None:
        self._indices, self._seed, self._stream = indices, seed, stream
        self._epoch, self._order = -1, indices

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The images at these positions, which ascend, counted from the beginning of the first epoch."""
        epochs, offsets = np.divmod(positions, len(self._indices))
        parts = [self._shuffled(int(epoch))[offsets[epochs == epoch]] for epoch in np.unique(epochs)]
        return np.concatenate(parts) if parts else positions

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            self._order = numpy_generator(self._seed, self._stream, epoch).permutation(self._indices)
            self._epoch = epoch
        return self._order


def gather(prepared: Prepared, indices: NDArray[np.int64]) -> Batch:
    """The images of these indices, normalised, with all that belongs to them."""
    return Batch(image=_taken(prepared, prepared.images, indices), **conditions(prepared, indices))


def conditions(prepared: Prepared, indices: NDArray[np.int64]) -> dict[str, Tensor]:
    """Return what a generator may be given to draw such images: label, mask and source, where the data has them."""
    inputs = {}
    if prepared.labels is not None:
        inputs["label"] = torch.from_numpy(prepared.labels[indices])
    if prepared.masks is not None:
        inputs["mask"] = torch.from_numpy(prepared.masks[indices].astype(np.float32)).permute(0, 3, 1, 2)
    if prepared.sources is not None:
        inputs["source"] = _taken(prepared, prepared.sources, indices)
    return inputs


def _taken(prepared: Prepared, array: NDArray[Any], indices: NDArray[np.int64]) -> Tensor:
    values = torch.from_numpy(np.ascontiguousarray(array[indices]).astype(np.float32))
    return normalised(values, prepared.intensity)


def normalised(values: Tensor, intensity: Intensity) -> Tensor:
    """Turn stored values (B, H, W, C) float32, in place, into (B, C, H, W) in [-1, 1]."""
    low, high = intensity.bounds
    return values.sub_(low).mul_(2 / (high - low)).sub_(1).permute(0, 3, 1, 2)
