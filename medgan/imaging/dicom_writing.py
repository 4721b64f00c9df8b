"""Drawn images as DICOM objects: secondary captures that name nobody and say that they are synthetic."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgan.imaging.dicom import pydicom_or_sentence
from medgan.imaging.intensity import Intensity

_EMPTY = (  # that the standard wants to be there, and nobody is to be named in
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "InstanceNumber",
    "Laterality",
    "PatientOrientation",
)


def secondary_capture(stored: NDArray[np.uint16], intensity: Intensity, *, notice: str, name: str, folder: str) -> Any:
    """A dataset of stored values (H, W), or (H, W, 3) of 8 bits, ready to be saved.

    name, folder: of the file; UIDs follow from them and the pixels, so that one folder is one series and the same
    drawing has the same UID. Raises MedganError where pydicom is not installed.
    """
    pydicom = pydicom_or_sentence()
    bits = max(8, int(np.ceil(intensity.bounds[1])).bit_length())
    pixels = np.ascontiguousarray(stored, np.uint8 if bits == 8 else "<u2")
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    for keyword in _EMPTY:
        setattr(dataset, keyword, "")
    dataset.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    dataset.StudyInstanceUID = pydicom.uid.generate_uid(entropy_srcs=["study", folder])
    dataset.SeriesInstanceUID = pydicom.uid.generate_uid(entropy_srcs=["series", folder])
    dataset.SOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[folder, name, pixels.tobytes().hex()])
    dataset.SeriesNumber = 1
    dataset.Modality, dataset.ConversionType, dataset.ImageType = "OT", "SYN", ["DERIVED", "SECONDARY"]
    dataset.Manufacturer, dataset.BurnedInAnnotation = "medgan", "NO"
    dataset.SeriesDescription = dataset.ImageComments = dataset.DerivationDescription = notice
    colour = pixels.ndim == 3
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * pixels.itemsize, bits, bits - 1
    dataset.PixelRepresentation = 0
    if colour:
        dataset.PlanarConfiguration = 0
    else:
        _say_unit(pydicom, dataset, intensity)
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    return dataset


def _say_unit(pydicom: Any, dataset: Any, intensity: Intensity) -> None:
    number = pydicom.valuerep.DSfloat
    dataset.RescaleSlope = number(intensity.slope, auto_format=True)
    dataset.RescaleIntercept = number(intensity.intercept, auto_format=True)
    dataset.RescaleType = intensity.unit or "US"  # unspecified
    dataset.WindowCenter = number((intensity.low + intensity.high) / 2, auto_format=True)
    dataset.WindowWidth = number(intensity.high - intensity.low, auto_format=True)
    dataset.VOILUTFunction = "LINEAR_EXACT"
