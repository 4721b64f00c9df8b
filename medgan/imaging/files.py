"""Files of images as arrays, and back into files of the same kind: Pillow, and nibabel for NIfTI."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgan.errors import MedganError
from medgan.files import replacing
from medgan.imaging.reading import read_picture

NIFTI = (".nii", ".nii.gz")
JPEG = (".jpg", ".jpeg")
SUFFIXES = (".png", *JPEG, ".tif", ".tiff", ".npy", *NIFTI)
_MODES = {1: ("L", "I;16"), 3: ("RGB",)}  # pixels, as Pillow calls them, by channels
_CHOICES = {1: "grey of 8 or 16 bits", 3: "RGB of 8 bits"}
_PLANES = {"L": "sagittal", "R": "sagittal", "P": "coronal", "A": "coronal", "I": "axial", "S": "axial"}


def is_kind(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(suffixes)


def read_array(path: Path, channels: int) -> NDArray[Any]:
    """A picture (H, W, C) of 8 or 16 bits, .npy as it is, NIfTI (N, H, W). Raises MedganError for another file."""
    nibabel = nibabel_for(path) if is_kind(path, NIFTI) else None
    try:
        if nibabel:
            volume = np.asanyarray(nibabel.load(path).dataobj)
            rest = volume.shape[3:]
            if volume.ndim < 2 or any(count != 1 for count in rest):
                raise ValueError(f"its shape is {volume.shape} and (H, W) or (H, W, N) is needed")
            return np.atleast_3d(volume.reshape(volume.shape[:3])).transpose(2, 0, 1)
        if is_kind(path, (".npy",)):
            return np.lib.format.open_memmap(path, mode="r")
        choices = _CHOICES.get(channels, f".npy of {channels} channels")
        return read_picture(path, modes=_MODES.get(channels, ()), wish=f"this model takes {choices}")[0]
    except Exception as error:  # Pillow, numpy and nibabel have no common class for what is damaged
        message = " ".join(str(error).split())
        raise MedganError(f"{path} cannot be read ({message}); convert it or save it again") from None


def plane_of(path: Path) -> str:
    """Name the plane of a NIfTI file's slices by the nearest axis of the body; empty where nothing says so."""
    if not is_kind(path, NIFTI):
        return ""
    nibabel = nibabel_for(path)
    volume = nibabel.load(path)
    if not (volume.header["qform_code"] or volume.header["sform_code"]) or not np.isfinite(volume.affine).all():
        return ""
    return _PLANES.get(nibabel.aff2axcodes(volume.affine)[2], "")


def write_array(path: Path, array: NDArray[Any], origin: Path) -> None:
    """Write what `read_array` gave to a file of the kind of `origin`, whose header NIfTI keeps.

    A reader never sees half of it. Raises MedganError where it cannot be written.
    """
    try:
        with replacing(path) as aside:
            _write(aside, array, origin)
    except OSError as error:
        raise MedganError(f"{path} cannot be written: {error}; name another --out") from None


def _write(path: Path, array: NDArray[Any], origin: Path) -> None:
    if is_kind(path, NIFTI):
        nibabel = nibabel_for(path)
        original = nibabel.load(origin)
        header = original.header.copy()
        header.set_data_dtype(array.dtype)
        header["descrip"] = "synthetic; not for diagnosis"
        volume = array.transpose(1, 2, 0).reshape(original.shape)
        nibabel.save(type(original)(volume, original.affine, header), path)
    elif is_kind(path, (".npy",)):
        with path.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    else:
        Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(path)


def nibabel_for(path: Path) -> Any:
    try:
        import nibabel  # noqa: PLC0415 (an optional extra)
    except ModuleNotFoundError:
        raise MedganError(f"{path} needs nibabel; pip install nibabel") from None
    return nibabel
