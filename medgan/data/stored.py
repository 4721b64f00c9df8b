"""Stored images as judges see them, read as they are asked for."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medgan.data.loader import gather
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.imaging.arrays import Images, quantised


class ImageRows(Protocol):
    """(N, C, H, W) float32 in [-1, 1]: an array, or one whose rows are read when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Images: ...


class StoredImages:
    """The images of these indices, quantised to the levels of the data; `[rows]` reads those of a slice or an array."""

    def __init__(self, prepared: Prepared, indices: NDArray[np.int64]) -> None:
        spec = prepared.spec
        self._prepared = prepared.only(ImageSpec(spec.size, spec.channels))
        self._indices = indices
        self.shape = (len(indices), spec.channels, spec.size, spec.size)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, rows: slice | NDArray[np.int64], /) -> Images:
        # Channels stay last in memory, as they are stored: the last bits of a convolution hang on the layout.
        images: Images = gather(self._prepared, self._indices[rows]).image.permute(0, 2, 3, 1).numpy()
        return quantised(images, self._prepared.levels).transpose(0, 3, 1, 2)
