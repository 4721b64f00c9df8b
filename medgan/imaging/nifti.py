"""Volumes of NIfTI files by the axes of the body, a slice at a time; nibabel is asked for where one is opened."""

import gzip
import math
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medgan.imaging.files import nibabel_for
from medgan.private import private

Plane = Literal["axial", "coronal", "sagittal"]
SUFFIXES = (".nii", ".nii.gz", ".hdr")  # .img lies beside .hdr
# Of a compressed volume, which is unpacked whole; others are mapped, and cost what a slice does.
MOST_UNPACKED = 2**28
_SAMPLED = 2**22  # voxels that percentiles are of
_DEFLATE = 1032  # deflate makes nothing smaller than by this factor
_MOST_OFFSET = 2**26  # bytes of header and extensions
_ACROSS: dict[str, int] = {"sagittal": 0, "coronal": 1, "axial": 2}  # the axis that a plane is across


class VolumeError(ValueError):
    """A volume that is not read, with a reason for people."""


@dataclass(frozen=True)
class Volume:
    """voxels: (X, Y, Z) as stored, towards the right, the front and the top of the body. A value is slope * voxel +
    intercept. spacing: of voxels along X, Y, Z, in mm. affine: (4, 4), of these axes.
    """

    voxels: NDArray[Any]
    slope: float
    intercept: float
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]

    def count(self, plane: Plane) -> int:
        return int(self.voxels.shape[_ACROSS[plane]])

    def pixel(self, plane: Plane) -> tuple[float, float]:
        """Height and width of a pixel, in mm."""
        columns, rows = (axis for axis in range(3) if axis != _ACROSS[plane])
        return self.spacing[rows], self.spacing[columns]

    def slice(self, plane: Plane, index: int) -> NDArray[np.float64]:
        """Values (H, W), as radiologists see them.

        Axial: front up, the patient's right at the left. Coronal: top up, the patient's right at the left. Sagittal:
        top up, front at the left. index: from the left, the back or the bottom of the body.
        """
        # No np.take: it copies the whole of a volume that lies in Fortran's order.
        place: Any = (*(slice(None),) * _ACROSS[plane], index)
        cut = self.voxels[place].T[::-1, ::-1]
        values: NDArray[np.float64] = cut.astype(np.float64) * self.slope + self.intercept
        return values

    @property
    def step(self) -> float:
        """Between two values that voxels can have; 0 where these are floats."""
        return 0.0 if self.voxels.dtype.kind == "f" else abs(self.slope)

    def percentiles(self, low: float, high: float) -> tuple[float, float]:
        """Of values all over the volume, at most 4 million of them."""
        step = max(1, math.ceil((self.voxels.size / _SAMPLED) ** (1 / 3)))
        found = np.percentile(self.voxels[::step, ::step, ::step], (low, high)) * self.slope + self.intercept
        return float(found.min()), float(found.max())

    def agrees(self, other: "Volume") -> bool:
        """Say whether the voxels of the two are at the same places, to a tenth of a voxel at every corner."""
        if self.voxels.shape != other.voxels.shape:
            return False
        corners = np.array([(*corner, 1) for corner in np.ndindex(2, 2, 2)]) * (*self.voxels.shape, 1)
        apart = np.abs(corners @ (self.affine - other.affine).T).max()
        return bool(apart <= 0.1 * min(self.spacing))


def read_volume(path: Path, *, number: int | None = None) -> Volume:
    """Open a .nii, .nii.gz, or .hdr with its .img. Raises VolumeError with a reason that does not name the path.

    number: which volume is read of a file that has several. Memory is allocated for what the file holds and not for
    what its header claims. Raises MedganError where nibabel is missing.
    """
    nibabel = nibabel_for(path)
    try:
        with np.errstate(all="ignore"):  # of affines that are none
            return _volume(nibabel, path, number)
    except VolumeError:
        raise
    except MemoryError:
        raise VolumeError("there is not enough memory to unpack it") from None
    except OSError as error:
        raise VolumeError(f"it cannot be read: {error.strerror or private(' '.join(str(error).split()))}") from None
    except Exception as error:  # nibabel, zlib and numpy have no common class for what is damaged
        message = " ".join(str(error).split()) or type(error).__name__
        raise VolumeError(f"it is damaged, or of a kind that is not read: {private(message)}") from None


def _volume(nibabel: Any, path: Path, number: int | None) -> Volume:
    header = _header(nibabel, path)
    data = partner(path) if path.suffix.lower() == ".hdr" else path
    if data != path and not data.exists():
        raise VolumeError("there is no .img of its name beside it")
    shape, skipped = _shape(header.get_data_shape(), number)
    dtype = _dtype(header.get_data_dtype())
    one = math.prod(shape) * dtype.itemsize
    offset = int(header.get_data_offset())
    if offset < (header.sizeof_hdr if data == path else 0):
        raise VolumeError("its header says that voxels begin before it ends")
    offset += skipped * one
    _check_held(data, offset + one, one)
    affine = np.asarray(header.get_best_affine(), np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise VolumeError("its affine has no volume or is not finite, so that nothing says what is up")
    slope, intercept = header.get_slope_inter()
    raw = _voxels(data, shape, dtype, offset)
    _check_finite(raw)
    orientation = nibabel.io_orientation(affine)
    upright = nibabel.orientations.apply_orientation(raw, orientation)  # a view: axes in another order and direction
    spacing = nibabel.affines.voxel_sizes(affine)[np.argsort(orientation[:, 0])]
    return Volume(
        voxels=upright,
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        affine=affine @ nibabel.orientations.inv_ornt_aff(orientation, shape),
    )


def _header(nibabel: Any, path: Path) -> Any:
    """Of NIfTI-1 or NIfTI-2, from its first bytes alone: extensions may be of any size, and are not read."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise VolumeError("it is no file")
    if status.st_size == 0:
        raise VolumeError("it is empty: 0 bytes")
    opener: Callable[..., Any] = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as stream:
        head = stream.read(540)
    if head.startswith(b"\x1f\x8b"):
        raise VolumeError("its content is gzip's; name it .nii.gz")
    sizes = {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}
    if 348 in sizes and head[344:348] in (b"n+1\0", b"ni1\0"):
        return nibabel.Nifti1Header(head[:348], check=False)
    if 540 in sizes and head[4:8] in (b"n+2\0", b"ni2\0") and len(head) == 540:
        return nibabel.Nifti2Header(head, check=False)
    if 348 in sizes:
        raise VolumeError("it is an Analyze file, which does not say what is left; convert it to NIfTI")
    raise VolumeError("its content is not that of NIfTI")


def _shape(stored: tuple[int, ...], number: int | None) -> tuple[tuple[int, int, int], int]:
    """Of one volume, and how many lie before it."""
    if len(stored) < 2 or min(stored) < 1:
        raise VolumeError(f"its shape is {stored}: it holds no slice")
    x, y, z, count, *more = (*stored, 1, 1)[: max(4, len(stored))]
    if any(length != 1 for length in more):
        raise VolumeError(f"its shape is {stored}; (x, y, z) or (x, y, z, volume) is needed")
    if number is None and count > 1:
        raise VolumeError(f"it has {count} volumes; data.options.volume: 0 takes the first of each file")
    if (number or 0) >= count:
        raise VolumeError(f"it has {count} volume(s), counted from 0, and data.options.volume is {number}")
    return (x, y, z), number or 0


def _dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.fields:
        raise VolumeError("its voxels are colours (RGB), which are no measurements; convert it to grey")
    if dtype.kind == "c":
        raise VolumeError("its voxels are complex; save magnitude or phase")
    if dtype.kind not in "iuf":
        raise VolumeError(f"its voxels are {dtype}, which are no numbers")
    return dtype


def _check_held(path: Path, end: int, unpacked: int) -> None:
    size, packed = path.stat().st_size, path.suffix.lower() == ".gz"
    if end > size * (_DEFLATE if packed else 1) or end - unpacked > max(_MOST_OFFSET, size):
        raise VolumeError(f"its header claims {end} bytes and the file, of {size}, cannot hold them")
    if packed and end > MOST_UNPACKED:
        raise VolumeError(
            f"it has {end} bytes once unpacked, and {MOST_UNPACKED} are unpacked at most; gunzip it: what is not "
            "packed is read a slice at a time"
        )


def _voxels(path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any], offset: int) -> NDArray[Any]:
    if path.suffix.lower() != ".gz":
        return np.memmap(path, dtype, "r", offset, shape, order="F")
    whole = np.zeros(offset + math.prod(shape) * dtype.itemsize, np.uint8)  # which costs what is written to it
    read = 0
    with gzip.open(path) as stream:
        while read < len(whole) and (more := stream.readinto(whole[read : read + 2**20].data)):
            read += more
        if read < len(whole):
            raise VolumeError(f"it has {read} bytes once unpacked, and its header claims {len(whole)}")
        stream.read(1)  # behind the last one is the sum of all, which is checked
    return whole[offset:].view(dtype).reshape(shape, order="F")


def _check_finite(voxels: NDArray[Any]) -> None:
    if voxels.dtype.kind == "f" and (wrong := sum(int((~np.isfinite(part)).sum()) for part in voxels.T)):
        raise VolumeError(f"{wrong} of its {voxels.size} voxels are NaN or infinite; nothing says what they mean")


def partner(path: Path) -> Path:
    """The .img of a .hdr, or the other way round, in capitals where that is."""
    suffix = {".hdr": ".img", ".HDR": ".IMG", ".img": ".hdr", ".IMG": ".HDR"}.get(path.suffix, ".img")
    return path.with_suffix(suffix)


def volume_name(path: Path) -> str | None:
    """The name of a file without the suffix of NIfTI; None where it has none of them."""
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)
    return path.name[: -len(suffix)] if suffix else None
