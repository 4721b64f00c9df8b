"""Drawn images come back in the depth and unit of the data, whatever the file."""

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image

from medgan.errors import MedganError
from medgan.imaging.drawn import WRITERS
from medgan.imaging.intensity import EIGHT_BITS, SIXTEEN_BITS, Intensity

HOUNSFIELD = Intensity.windowed(-1024, 3071, "HU")
INTENSITIES = {"8 bits": EIGHT_BITS, "12 bits": Intensity(0, 4095), "HU": HOUNSFIELD, "16 bits": SIXTEEN_BITS}


def image(channels: int = 1) -> NDArray[np.float32]:
    """(C, 4, 6), each value another one, both ends among them."""
    return np.linspace(-1, 1, channels * 24, dtype=np.float32).reshape(channels, 4, 6)


def read(path: Path, intensity: Intensity) -> NDArray[np.float64]:
    """Values in the unit (H, W, ...)."""
    if path.suffix == ".npy":
        return np.load(path)[..., 0].astype(np.float64)
    if path.suffix == ".gz":
        file = nibabel.load(path)  # type: ignore[attr-defined]
        assert nibabel.aff2axcodes(file.affine) == ("L", "P", "S")
        return np.asarray(file.get_fdata())[..., 0].T
    if path.suffix == ".dcm":
        dataset = pydicom.dcmread(path)
        return np.asarray(pydicom.pixels.apply_modality_lut(dataset.pixel_array, dataset), np.float64)
    with Image.open(path) as file:
        assert file.mode == ("L" if intensity == EIGHT_BITS else "I;16")
        return np.asarray(file) * intensity.slope + intensity.intercept


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("name", INTENSITIES)
def test_values_come_back_in_their_unit(tmp_path: Path, suffix: str, name: str) -> None:
    intensity, path = INTENSITIES[name], tmp_path / f"drawn{suffix}"
    WRITERS[suffix](path, image(), intensity)
    expected = np.linspace(intensity.low, intensity.high, 24).reshape(4, 6)
    np.testing.assert_allclose(read(path, intensity), expected, atol=0.5 * intensity.slope + 1e-3)


def test_a_png_says_what_its_pixels_mean(tmp_path: Path) -> None:
    WRITERS[".png"](tmp_path / "a.png", image(), HOUNSFIELD)
    with Image.open(tmp_path / "a.png") as file:
        assert file.info["Comment"] == "synthetic; not for diagnosis; value = 1 * pixel + -1024 HU"


def test_colours_are_eight_bits_or_an_array(tmp_path: Path) -> None:
    WRITERS[".png"](tmp_path / "a.png", image(3), EIGHT_BITS)
    with Image.open(tmp_path / "a.png") as file:
        assert file.mode == "RGB" and np.asarray(file)[-1, -1, 2] == 255
    WRITERS[".npy"](tmp_path / "a.npy", image(3), SIXTEEN_BITS)
    assert np.load(tmp_path / "a.npy").shape == (4, 6, 3)
    with pytest.raises(MedganError, match=r"PNG holds no RGB of more than 8 bits; draw \.npy"):
        WRITERS[".png"](tmp_path / "b.png", image(3), SIXTEEN_BITS)
    with pytest.raises(MedganError, match="NIfTI has one channel and this model draws 3"):
        WRITERS[".nii.gz"](tmp_path / "b.nii.gz", image(3), EIGHT_BITS)
    with pytest.raises(MedganError, match="DICOM hold no RGB of more than 8 bits"):
        WRITERS[".dcm"](tmp_path / "b.dcm", image(3), SIXTEEN_BITS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "a.png"]
