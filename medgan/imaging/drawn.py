"""Drawn images as files in the depth and unit of the data that a generator learnt from."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medgan.errors import MedganError
from medgan.files import replacing
from medgan.imaging.dicom_writing import secondary_capture
from medgan.imaging.files import nibabel_for
from medgan.imaging.intensity import Intensity

NOTICE = "synthetic; not for diagnosis"


def write_png(path: Path, image: NDArray[np.float32], intensity: Intensity) -> None:
    """Stored values, of 8 bits where the data have no more, else of 16; a comment says what they mean."""
    stored = _stored(image, intensity)
    if intensity.levels <= 256:
        stored = stored.astype(np.uint8)
    elif stored.ndim == 3:
        raise MedganError(f"{path}: PNG holds no RGB of more than 8 bits; draw .npy")
    meaning = f"value = {intensity.slope:g} * pixel + {intensity.intercept:g} {intensity.unit}".strip()
    comment = PngInfo()
    comment.add_text("Comment", f"{NOTICE}; {meaning}")
    with replacing(path) as aside:
        Image.fromarray(stored).save(aside, format="PNG", pnginfo=comment)


def write_npy(path: Path, image: NDArray[np.float32], intensity: Intensity) -> None:
    """(H, W, C) float32 values in the unit."""
    with replacing(path) as aside, aside.open("wb") as file:
        np.save(file, intensity.values(image).transpose(1, 2, 0), allow_pickle=False)


def write_nifti(path: Path, image: NDArray[np.float32], intensity: Intensity) -> None:
    """Stored values with slope and intercept, by which readers see values in the unit. One channel.

    The image is an axial slice of 1 mm as radiologists see it: its rows go to the back, its columns to the left.
    """
    stored, nibabel = _stored(image, intensity), nibabel_for(path)
    if stored.ndim == 3:
        raise MedganError(f"{path}: NIfTI has one channel and this model draws {stored.shape[2]}; draw .png or .npy")
    volume = nibabel.Nifti1Image(stored.T[..., None], np.diag([-1, -1, 1, 1]))
    volume.header.set_slope_inter(intensity.slope, intensity.intercept)
    volume.header["descrip"] = NOTICE
    with replacing(path) as aside:
        nibabel.save(volume, aside)


def write_dicom(path: Path, image: NDArray[np.float32], intensity: Intensity) -> None:
    """A secondary capture of no patient, which says that it is synthetic; grey, or RGB of 8 bits.

    Slope, intercept and window make readers see values in the unit. Files of one folder are one series.
    """
    stored = _stored(image, intensity)
    if stored.ndim == 3 and intensity.levels > 256:
        raise MedganError(f"{path}: secondary captures in DICOM hold no RGB of more than 8 bits; draw .npy")
    dataset = secondary_capture(stored, intensity, notice=NOTICE, name=path.name, folder=str(path.parent.resolve()))
    with replacing(path) as aside:
        dataset.save_as(aside, enforce_file_format=True)


def _stored(image: NDArray[np.float32], intensity: Intensity) -> NDArray[np.uint16]:
    """(H, W), or (H, W, C) of more than one channel."""
    stored = intensity.stored(intensity.values(image)).transpose(1, 2, 0)
    return stored[..., 0] if stored.shape[2] == 1 else stored


# By suffix.
WRITERS = {".png": write_png, ".npy": write_npy, ".nii.gz": write_nifti, ".dcm": write_dicom}
