"""NIfTI files for tests."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

UPRIGHT = np.eye(4)


def ramp(shape: tuple[int, ...] = (12, 14, 10)) -> NDArray[np.int16]:
    """Every voxel another value: 10,000 R + 100 A + S would overflow, so by strides."""
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape)


def nifti(path: Path, voxels: NDArray[Any], affine: NDArray[Any] = UPRIGHT, **header: Any) -> Path:
    """Write voxels as they are, of their own dtype. header: fields that are set before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = nibabel.Nifti1Pair if path.name.endswith((".hdr", ".img")) else nibabel.Nifti1Image
    image = kind(voxels, affine, dtype=voxels.dtype)
    slope = header.pop("slope", None)
    if slope is not None:
        image.header.set_slope_inter(*slope)
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)  # type: ignore[attr-defined]
    return path


def patched(path: Path, offset: int, content: bytes) -> Path:
    """Overwrite bytes of a file, of what is in it where it is gzip."""
    packed = path.suffix == ".gz"
    whole = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    whole[offset : offset + len(content)] = content
    path.write_bytes(gzip.compress(bytes(whole)) if packed else bytes(whole))
    return path
