"""DICOM files as scanners write them, made small."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL, CORONAL, SAGITTAL = ([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1])


def ramp(low: int, high: int, dtype: str, shape: tuple[int, ...] = (8, 8)) -> NDArray[Any]:
    return np.linspace(low, high, int(np.prod(shape))).round().astype(dtype).reshape(shape)


def dataset(pixels: NDArray[Any], **tags: object) -> Dataset:
    """A CT slice of patient p1 unless tags say otherwise; a tag that is None is left out.

    pixels: (H, W) or (H, W, 3), or with `NumberOfFrames` one more axis in front.
    """
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    colour = pixels.shape[-1] == 3
    single = pixels[0] if "NumberOfFrames" in tags else pixels
    values: dict[str, object] = {
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": generate_uid(), "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": generate_uid(), "PatientID": "p1", "Modality": "CT", "Rows": single.shape[0],
        "Columns": single.shape[1], "SamplesPerPixel": 3 if colour else 1, "BitsAllocated": 8 * pixels.itemsize,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2", "BitsStored": 8 * pixels.itemsize,
        "PixelRepresentation": int(pixels.dtype.kind == "i"), "RescaleSlope": 1, "RescaleIntercept": -1024,
        "ImageOrientationPatient": AXIAL, "PixelSpacing": [0.7, 0.7], "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    }  # fmt: skip
    if colour:
        values["PlanarConfiguration"] = 0
    for keyword, value in {**values, **tags}.items():
        if value is not None:
            setattr(made, keyword, value)
    made.HighBit = made.get("BitsStored", 8) - 1
    made.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    made["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    return made


def save(path: Path, made: Dataset, syntax: str = ExplicitVRLittleEndian, **encoding: Any) -> Path:
    """Write it, compressed where the transfer syntax is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if pydicom.uid.UID(syntax).is_compressed:
        made.compress(syntax, generate_instance_uid=False, **encoding)
    else:
        made.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    made.save_as(path, enforce_file_format=True)
    return path


def lut(first: int, entries: list[int], bits: int) -> Dataset:
    """An item of a LUT sequence."""
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTData = np.array(entries, "<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item
