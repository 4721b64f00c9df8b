"""Arrays that grow in a file: what is on disk is what np.save writes, and nothing is held."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgan.sources.growing import GrowingArray, blocks


@pytest.mark.parametrize("rows", [0, 1, 12, 12_345])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_file_is_the_one_that_numpy_saves(tmp_path: Path, rows: int, dtype: Any) -> None:
    array = np.random.default_rng(rows).integers(0, 250, (rows, 3, 2, 1)).astype(dtype)
    growing = GrowingArray(tmp_path / "grown.npy", shape=array.shape[1:], dtype=array.dtype)
    for row in np.asfortranarray(array):
        growing.append(row)
    growing.close()
    np.save(tmp_path / "saved.npy", array)
    assert (tmp_path / "grown.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()


@pytest.mark.parametrize("rows", [0, 1, 30])
def test_blocks_are_the_bytes_of_the_rows(tmp_path: Path, rows: int) -> None:
    array = np.random.default_rng(rows).integers(0, 60_000, (rows, 7, 5, 1), np.uint16)
    growing = GrowingArray(tmp_path / "grown.npy", shape=array.shape[1:], dtype=array.dtype)
    for row in array:
        growing.append(row)
    growing.close()
    parts = list(blocks(tmp_path / "grown.npy", size=512))
    assert b"".join(parts) == array.tobytes() and all(0 < len(part) <= 512 for part in parts)
