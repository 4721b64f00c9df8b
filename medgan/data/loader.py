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
from medgan.seeds import numpy_generator


class Batches:
    """Endless shuffled epochs over one split; `at(step)` depends on (seed, step) alone.

    paired: False gives each image the source of another patient. classes: codes (N,) of all images; each batch then has
    as many images of each class, or one more, and each class has epochs of its own. rank, size: of the process among
    those that share the batch; each takes every size-th row of it.
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
        self._prepared, self._batch, self._seed, self._paired = prepared, batch, seed, paired
        self._rows = slice(rank, None, size)
        self._indices = prepared.indices(split)
        if len(self._indices) == 0:
            raise MedganError(f"the {split} split is empty; raise its share under data in params.yaml")
        self._sources, self._givers = (
            (None, self._indices) if paired or prepared.sources is None else prepared.givers(split)
        )
        codes = np.zeros(len(self._indices), np.int64) if classes is None else classes[self._indices]
        streams = [("order" if classes is None else f"order of class {code}", code) for code in np.unique(codes)]
        self._epochs = [_Epochs(self._indices[codes == code], seed, stream) for stream, code in streams]

    def at(self, step: int) -> Batch:
        """The batch of a step, counted from 0. An epoch's tail and the next one's head share a batch."""
        turns, kinds = np.arange(step * self._batch, (step + 1) * self._batch), len(self._epochs)
        images = np.empty(self._batch, np.int64)
        for kind, epochs in enumerate(self._epochs):  # the classes take turns
            images[turns % kinds == kind] = epochs.at(turns[turns % kinds == kind] // kinds)
        if kinds > 1:  # else some process could have rows of one class alone
            images = numpy_generator(self._seed, "rows", step).permutation(images)
        if self._paired:
            return gather(self._prepared, images[self._rows])
        batch = gather(replace(self._prepared, sources=None), images[self._rows])
        if self._sources is None:
            return batch
        strangers = self._strangers(images, step)[self._rows]
        return replace(batch, source=_normalised(self._prepared, self._sources, strangers))

    def _strangers(self, images: NDArray[np.int64], step: int) -> NDArray[np.int64]:
        """Draw as many random sources of the split, none of the patient beside whom it stands."""
        rng, patients = numpy_generator(self._seed, "unpaired", step), self._prepared.patients
        chosen = rng.choice(self._givers, size=len(images))
        while (same := patients[chosen] == patients[images]).any():
            if (patients[self._givers] == patients[images[same][0]]).all():
                raise MedganError("unpaired training needs two patients in the train split; add images")
            chosen[same] = rng.choice(self._givers, size=int(same.sum()))
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
    return Batch(image=_normalised(prepared, prepared.images, indices), **conditions(prepared, indices))


def conditions(prepared: Prepared, indices: NDArray[np.int64]) -> dict[str, Tensor]:
    """Return what a generator may be given to draw such images: label, mask and source, where the data has them."""
    inputs = {}
    if prepared.labels is not None:
        inputs["label"] = torch.from_numpy(prepared.labels[indices])
    if prepared.masks is not None:
        inputs["mask"] = torch.from_numpy(prepared.masks[indices].astype(np.float32)).permute(0, 3, 1, 2)
    if prepared.sources is not None:
        inputs["source"] = _normalised(prepared, prepared.sources, indices)
    return inputs


def _normalised(prepared: Prepared, array: NDArray[Any], indices: NDArray[np.int64]) -> Tensor:
    low, high = prepared.intensity.bounds
    rows = torch.from_numpy(np.ascontiguousarray(array[indices]).astype(np.float32))
    return rows.sub_(low).mul_(2 / (high - low)).sub_(1).permute(0, 3, 1, 2)
