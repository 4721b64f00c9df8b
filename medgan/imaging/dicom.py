"""Headers of DICOM files: what decides whether and how their images are used, and nothing else."""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from medgan.errors import MedganError
from medgan.imaging.dicom_geometry import height, plane

LARGEST = 2**25  # values of a frame: above any mammogram, and 64 MB as they are stored
# Tags that may name classes: none says who somebody is.
LABELS = ("Modality", "BodyPartExamined", "ViewPosition", "ImageLaterality", "PatientSex")
_NEEDED = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
)
_READ = (
    *_NEEDED,
    *LABELS,
    "SOPClassUID",
    "PatientID",
    "IssuerOfPatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesDescription",
    "ImageType",
    "BurnedInAnnotation",
    "NumberOfFrames",
    "ImageOrientationPatient",
    "PixelSpacing",
    "PixelAspectRatio",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
_MACROS = (  # of files of several frames: sequences whose tags single frames have at the top
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
)
_KINDS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_WHOLE = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")  # tags of pixels in both orders of bytes
_FLOATS = (b"\xe0\x7f\x08\x00", b"\x7f\xe0\x00\x08", b"\xe0\x7f\x09\x00", b"\x7f\xe0\x00\x09")
_HEAD = 2**16  # bytes: more than any preamble and meta information
_FIRST = re.compile(  # element of a file without preamble: of group 2 or 8, its length or type as they can be
    rb"[\x02\x08]\x00.\x00(?:[A-Z]{2}|..\x00\x00)|\x00[\x02\x08]\x00.(?:[A-Z]{2}|\x00\x00..)", re.DOTALL
)


@dataclass(frozen=True)
class Header:
    """Of one file. patient, study and series identify somebody: they stay in memory, out of every message.

    plane: axial, coronal, sagittal, oblique; mixed where frames differ; empty where nothing says so.
    height: of a pixel, in widths of one. labels: values of LABELS, those that are there.
    """

    patient: str
    study: str
    series: str
    description: str
    modality: str
    labels: dict[str, str]
    plane: str
    height: float
    frames: int
    localizer: bool
    burned_in: bool
    secondary: bool


def pydicom_or_sentence() -> Any:
    """The library. Raises MedganError where it is not installed."""
    try:
        import pydicom  # noqa: PLC0415 (an optional extra)
    except ModuleNotFoundError:
        raise MedganError("DICOM needs pydicom; pip install 'medgan[dicom]'") from None
    return pydicom


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what pydicom says to itself: its warnings quote values, and those may name people."""
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.disabled = True
        try:
            yield
        finally:
            logger.disabled = before


def read_header(path: Path) -> Header | None:
    """None for a directory of other files (DICOMDIR). Raises ValueError with the reason where there is no usable image.

    No reason quotes a tag that says who somebody is, when or where.
    """
    pydicom = pydicom_or_sentence()
    try:
        with quiet(), path.open("rb") as file:
            dataset = _opened(pydicom, file)
            if dataset.file_meta.get("MediaStorageSOPClassUID") == pydicom.uid.MediaStorageDirectoryStorage:
                return None
            _check_pixels(dataset, file.read(4))
            return _header(pydicom, dataset)
    except UnusableError:
        raise
    except Exception as error:  # whatever damaged bytes make of a parser
        raise ValueError(unread(error)) from None


def unread(error: Exception) -> str:
    """The reason why a file cannot be read; without the words of a parser, which may quote the file."""
    if isinstance(error, OSError):
        return f"it cannot be read ({error.strerror or type(error).__name__})"
    return "its header is damaged: a tag that images need cannot be read"


class UnusableError(ValueError):
    """A reason of ours, which quotes no value."""


def _opened(pydicom: Any, file: BinaryIO) -> Any:
    """The tags of _READ, the file left at its pixels."""
    head = file.read(_HEAD)
    if head[128:132] != b"DICM" and not _FIRST.match(head):
        raise UnusableError("it is no DICOM file")
    deflated = pydicom.uid.DeflatedExplicitVRLittleEndian
    if deflated.encode() in head:  # pydicom would inflate all of it, to any size
        raise UnusableError(f"its transfer syntax, {deflated.name}, is not read; save it as another")
    file.seek(0)
    return pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(_READ))


def _check_pixels(dataset: Any, tag: bytes) -> None:
    """Raise UnusableError for pixels that this reader does not take. tag: the four bytes at which the header ended."""
    if tag in _FLOATS:
        raise UnusableError("its pixels are floating-point numbers, and whole ones of up to 16 bits are read")
    if tag not in _WHOLE:
        kind = dataset.get("SOPClassUID", "")
        name = f", it is {kind.name}" if getattr(kind, "keyword", "") else ""
        raise UnusableError(f"it holds no pixels{name}")
    for keyword in _NEEDED:
        if dataset.get(keyword) in (None, ""):
            raise UnusableError(f"it has no {keyword}")
    if dataset.PhotometricInterpretation not in _KINDS:
        raise UnusableError(f"its PhotometricInterpretation is none of {', '.join(_KINDS)}")
    if dataset.BitsAllocated > 16:
        raise UnusableError(f"its pixels have {dataset.BitsAllocated:d} bits, and up to 16 are read")
    if not 0 < dataset.Rows * dataset.Columns * dataset.SamplesPerPixel <= LARGEST:
        raise UnusableError(
            f"its image has {dataset.Rows:d} x {dataset.Columns:d} pixels, and 1 to {LARGEST:,} are read"
        )


def _header(pydicom: Any, dataset: Any) -> Header:
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames < 1:
        raise UnusableError("its NumberOfFrames is below 1")
    first = of_frame(dataset, 0)
    issuer, patient = (_text(dataset, keyword) for keyword in ("IssuerOfPatientID", "PatientID"))
    study, modality = _text(dataset, "StudyInstanceUID"), _text(dataset, "Modality").upper()
    classes = pydicom.uid
    secondary = _text(dataset, "SOPClassUID") in (classes.SecondaryCaptureImageStorage, *_captures(classes))
    return Header(
        patient=f"{issuer}/{patient}" if issuer and patient else patient,
        study=study,
        series=_text(dataset, "SeriesInstanceUID"),
        description=_text(dataset, "SeriesDescription"),
        modality=modality,
        labels={keyword: text for keyword in LABELS if (text := _text(dataset, keyword))},
        plane=_plane_of_frames(dataset),
        height=height(first),
        frames=frames,
        localizer="LOCALIZER" in _text(dataset, "ImageType").upper(),
        burned_in=_text(dataset, "BurnedInAnnotation").upper() == "YES",
        secondary=secondary,
    )


def _captures(classes: Any) -> tuple[str, ...]:
    """Photographs and copies of screens in several frames."""
    return (
        classes.MultiFrameSingleBitSecondaryCaptureImageStorage,
        classes.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        classes.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        classes.MultiFrameTrueColorSecondaryCaptureImageStorage,
    )


def of_frame(dataset: Any, index: int) -> Any:
    """The dataset with the tags of one frame at the top, as files of a single frame have them."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or ()
    each = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    groups = [*shared[:1], *each[index : index + 1]]
    if not groups:
        return dataset
    flat = pydicom_or_sentence().Dataset()
    flat.update(dataset)
    flat.file_meta = dataset.file_meta
    for group in groups:
        for keyword in _MACROS:
            for item in (group.get(keyword) or ())[:1]:
                flat.update(item)
    return flat


def _plane_of_frames(dataset: Any) -> str:
    each = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    planes = {plane(of_frame(dataset, index)) for index in range(max(1, len(each)))}
    return planes.pop() if len(planes) == 1 else "mixed"


def _text(dataset: Any, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip().strip("\0")
