"""A .npy file that grows by a row at a time and is read by the block, so that nobody holds all rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


class GrowingArray:
    """Rows of one shape and dtype, appended to `path`: once closed, byte for byte the file that np.save writes."""

    def __init__(self, path: Path, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype
        self._rows = 0
        self._file: BinaryIO = path.open("wb")
        self._write_header()

    def append(self, row: NDArray[Any]) -> None:
        assert (row.shape, row.dtype) == (self.shape, self.dtype)
        self._file.write(np.ascontiguousarray(row).data)
        self._rows += 1

    def close(self) -> None:
        with self._file:
            # numpy pads a header, so that one of many rows fits into the place of one of none.
            self._file.seek(0)
            self._write_header()

    def _write_header(self) -> None:
        described = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self._rows, *self.shape),
        }
        np.lib.format.write_array_header_1_0(self._file, described)


def blocks(path: Path, *, size: int = 2**20) -> Iterator[bytes]:
    """The bytes of the rows of such a file. Read and not mapped: pages of a map count as a process's memory."""
    offset = np.load(path, mmap_mode="r").offset
    with path.open("rb") as file:
        file.seek(offset)
        while block := file.read(size):
            yield block
