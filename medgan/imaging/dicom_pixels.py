"""Pixels of DICOM files in the unit of the data: modality LUT, window, MONOCHROME1, palettes, padding.

Each step is pydicom's own function but for the inversion: `apply_presentation_lut` turns round each picture's maximum,
and a window is turned round as low + high - x.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from medgan.imaging.codestreams import claimed_size
from medgan.imaging.dicom import UnusableError, of_frame, pydicom_or_sentence, quiet, unread
from medgan.imaging.intensity import SIXTEEN_BITS, Intensity

_TABLE = ("PixelPaddingValue", "PixelPaddingRangeLimit")
_TAGS = (
    "Modality",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
_FAR = 1e12  # beyond every window


@dataclass(frozen=True)
class Frame:
    """Image (H, W, 1) or, in colour, (H, W, 3), stored as the intensity says; digest: of the decoded pixels.

    Copies of one image under other lossless transfer syntaxes have one digest.
    """

    index: int
    image: NDArray[np.uint8] | NDArray[np.uint16]
    digest: str


def read_frames(path: Path, indices: Iterable[int], window: Intensity | None) -> Iterator[Frame]:
    """Frames of a file that `read_header` took, one in memory at a time.

    window: None for that of each image (its first VOI LUT or window, else the range of its values, of 8 bits the
    whole), which SIXTEEN_BITS hold. In HU, only images that are in HU are taken. Raises ValueError with the reason.
    """
    pydicom = pydicom_or_sentence()
    for index in indices:
        with quiet():
            try:
                pixels, tags = _decoded(pydicom, path, index)
            except UnusableError:
                raise
            except Exception as error:  # of tags that are read here alone
                raise ValueError(unread(error)) from None
            try:
                image = _image(pydicom, pixels, tags, window)
            except UnusableError:
                raise
            except Exception as error:  # damaged tables and windows; the text may quote values
                raise ValueError(f"its LUT, window or palette cannot be applied ({type(error).__name__})") from None
        plain = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
        digest = hashlib.sha256(f"{plain.shape}".encode() + plain.tobytes()).hexdigest()
        yield Frame(index, image, digest)


def _decoded(pydicom: Any, path: Path, index: int) -> tuple[NDArray[Any], Any]:
    """Pixels (H, W) or RGB (H, W, 3) of a frame, and its tags."""
    with path.open("rb") as file:
        top = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=[*_TAGS, *_group(pydicom)])
        syntax = top.file_meta.get("TransferSyntaxUID") or _guessed(pydicom, top)
        tags = of_frame(top, index)
        if syntax.keyword and syntax.is_compressed:
            _check_claimed(pydicom, file, index, tags)
    tags.file_meta.TransferSyntaxUID = syntax
    try:
        pixels = pydicom.pixels.pixel_array(path, index=index, transfer_syntax_uid=syntax)
    except Exception:  # of any decoder
        raise UnusableError(_undecoded(pydicom, syntax)) from None
    if pixels.shape[:2] != (tags.Rows, tags.Columns) or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise UnusableError("its pixels have another shape than Rows, Columns and SamplesPerPixel say")
    if not syntax.is_compressed and int(tags.get("HighBit") or 0) >= tags.BitsStored:
        # As old files have it. pydicom takes the lowest bits all the same.
        raise UnusableError(f"its HighBit is {tags.HighBit:d} where {tags.BitsStored - 1:d} of BitsStored is read")
    half = 2 ** (tags.BitsStored - 1) if tags.PixelRepresentation else 0
    if pixels.min() < -half or pixels.max() >= 2**tags.BitsStored - half:
        # Overlays once lay there: drawings and names. pydicom cuts them off where pixels are not packed.
        raise UnusableError("its pixels have more bits than BitsStored says")
    return np.asarray(pixels, pixels.dtype.newbyteorder("=")), tags


def _check_claimed(pydicom: Any, file: BinaryIO, index: int, tags: Any) -> None:
    """Raise UnusableError where a frame claims another size than its header: a decoder would make room for it.

    file: at the tag of its pixels.
    """
    file.seek(12, 1)  # tag, type and length
    try:
        frames = int(tags.get("NumberOfFrames") or 1)
        claimed = claimed_size(pydicom.encaps.get_frame(file, index, number_of_frames=frames))
    except (ValueError, struct.error):
        return  # damaged, as the decoder will find
    if claimed not in (None, (tags.Rows, tags.Columns, tags.SamplesPerPixel)):
        raise UnusableError("its pixels have another shape than Rows, Columns and SamplesPerPixel say")


def _group(pydicom: Any) -> list[int]:
    """Tags of group 0028, which say what pixels mean."""
    return [tag for tag in pydicom.datadict.DicomDictionary if tag >> 16 == 0x0028]


def _guessed(pydicom: Any, dataset: Any) -> Any:
    """The transfer syntax of a file that does not say it."""
    implicit, little = dataset.original_encoding
    if implicit:
        return pydicom.uid.ImplicitVRLittleEndian
    return pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian


def _undecoded(pydicom: Any, syntax: Any) -> str:
    """The reason and the remedy."""
    name = syntax.name if syntax.keyword else "unknown"
    if not syntax.keyword or not syntax.is_compressed:
        return f"its pixel data ({name}) are cut off or damaged"
    try:
        decoder = pydicom.pixels.get_decoder(syntax)
    except RuntimeError:  # a kind of it says that pydicom knows no decoder for this syntax
        return f"its pixels ({name}) have no decoder here; save it as Explicit VR Little Endian"
    if not decoder.is_available and any("gdcm" in line for line in decoder.missing_dependencies):
        return f"its pixels ({name}) have no decoder here; pip install 'medgan[gdcm]'"
    return (
        f"its pixels ({name}) are damaged, or of a form that decoders do not take; save it as Explicit VR Little Endian"
    )


def _image(pydicom: Any, pixels: NDArray[Any], tags: Any, window: Intensity | None) -> NDArray[Any]:
    if window is not None and window.unit == "HU":
        _check_hounsfield(tags)
    most: int | None = None
    if tags.PhotometricInterpretation == "PALETTE COLOR":
        _turn_palette(tags)
        pixels = pydicom.pixels.apply_color_lut(pixels, tags)[..., :3]
        most = int(np.iinfo(pixels.dtype).max)
    if pixels.ndim == 2:
        return _grey(pydicom, pixels, tags, window)[..., None]
    if window is not None:
        return _compact(window.stored(pixels), window)
    shares = pixels.astype(np.float32) / np.float32(most or 2**tags.BitsStored - 1)
    image: NDArray[Any] = np.rint(shares.clip(0, 1) * 65535).astype(np.uint16)
    return image


def _turn_palette(tags: Any) -> None:
    """Give entries of 16 bits of a big-endian file the order of this machine, which pydicom takes them to have."""
    count = tags.RedPaletteColorLookupTableDescriptor[0] or 2**16
    for colour in ("Red", "Green", "Blue"):
        element = tags.get_item(f"{colour}PaletteColorLookupTableData")
        if element is not None and not tags.file_meta.TransferSyntaxUID.is_little_endian:
            entries = tags[element.tag].value
            if len(entries) == 2 * count:
                tags[element.tag].value = np.frombuffer(entries, ">u2").astype(np.uint16).tobytes()


def _check_hounsfield(tags: Any) -> None:
    said = str(tags.get("RescaleType") or "").upper()
    known = said.startswith(("HU", "HOUN")) or (not said and tags.get("Modality") == "CT")  # some write Houndsfield
    if not known or tags.get("RescaleIntercept") is None:
        raise UnusableError("its values are not said to be HU (Modality, RescaleType, RescaleIntercept)")


def _grey(pydicom: Any, pixels: NDArray[Any], tags: Any, window: Intensity | None) -> NDArray[Any]:
    """Work on the values that pixels can have, not on the pixels: they are fewer, and need little memory."""
    first, last = int(pixels.min()), int(pixels.max())
    places = pixels.astype(np.int32) - first
    values = np.arange(first, last + 1, dtype=np.int32)
    padded = _padded(values, tags)
    used = (np.bincount(places.ravel(), minlength=len(values)) > 0) & ~padded
    if not used.any():
        raise UnusableError("all its pixels are padding")
    shown = window or SIXTEEN_BITS
    if window is None:
        shares = _own_shares(pydicom, values, tags, used)
        units = shown.low + shares * (shown.high - shown.low)
    else:
        units = _modality(pydicom, values, tags)
        if used.sum() > 1 and not np.ptp(units[used]):
            raise UnusableError("its rescaling, or modality LUT, makes one value of all")
    if tags.PhotometricInterpretation == "MONOCHROME1":
        units = shown.low + shown.high - units
    table = _compact(shown.stored(np.where(padded, shown.low, units)), shown)
    image: NDArray[Any] = table[places]
    return image


def _modality(pydicom: Any, values: NDArray[Any], tags: Any) -> NDArray[np.float64]:
    return np.asarray(pydicom.pixels.apply_modality_lut(values, tags), np.float64)


def _own_shares(pydicom: Any, values: NDArray[Any], tags: Any, used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values as shares, 0 to 1, of the window of the file, or of the values that are there."""
    units = _modality(pydicom, values, tags)
    shares: NDArray[np.float64]
    if tags.get("VOILUTSequence"):
        item = tags.VOILUTSequence[0]
        count, start, bits = item.LUTDescriptor
        if bits == 8:  # else pydicom looks up places of more than 8 bits by their last 8
            item.LUTDescriptor = [count, start, 16]
            if isinstance(item.LUTData, bytes) and len(item.LUTData) < 2 * (count or 2**16):  # two in a word
                item.LUTData = list(item.LUTData)
                item["LUTData"].VR = "US"
        places = np.rint(units).clip(start, start + (count or 2**16) - 1).astype(np.int32)
        shown = np.asarray(pydicom.pixels.apply_voi(places, tags), np.float64)
        shares = (shown / (2**bits - 1)).clip(0, 1)
        return shares
    if tags.get("WindowCenter") not in (None, "") and tags.get("WindowWidth") not in (None, ""):
        low, high = pydicom.pixels.apply_windowing(np.array([-_FAR, _FAR]), tags)
        shares = (pydicom.pixels.apply_windowing(units, tags) - low) / (high - low)
        return shares
    ends = units[used]
    if tags.BitsStored <= 8:
        half = 2 ** (tags.BitsStored - 1) if tags.PixelRepresentation else 0
        ends = _modality(pydicom, np.array([-half, 2**tags.BitsStored - 1 - half], np.int32), tags)
    low, high = ends.min(), ends.max()
    if low == high:
        raise UnusableError("all its pixels have one value, and it has no window")
    shares = (units - low) / (high - low)
    return shares


def _padded(values: NDArray[np.int32], tags: Any) -> NDArray[np.bool_]:
    """Which values are no measurements."""
    ends = [tags.get(keyword) for keyword in _TABLE]
    signed = [_signed(end, tags) for end in ends if isinstance(end, int)]
    if not isinstance(ends[0], int):
        return np.zeros(len(values), np.bool_)
    return (values >= min(signed)) & (values <= max(signed))


def _signed(value: int, tags: Any) -> int:
    """A value that some files give as unsigned where pixels are signed."""
    whole = 2**tags.BitsAllocated
    return value - whole if tags.PixelRepresentation and value >= whole // 2 else value


def _compact(stored: NDArray[np.uint16], intensity: Intensity) -> NDArray[Any]:
    return stored.astype(np.uint8) if intensity.bounds[1] <= 255 else stored
