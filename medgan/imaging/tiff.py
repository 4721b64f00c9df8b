"""What of TIFF files Pillow would read wrongly, call unknown, or take too much memory for, refused by name."""

import ctypes
import struct
from io import BufferedReader
from pathlib import Path

import PIL
from PIL.TiffImagePlugin import COMPRESSION_INFO, TiffImageFile

from medgan.imaging.refusal import PictureError

MOST_PAGES = 100  # that are counted
_MOST_STRIPS = 2**20  # those of one row each, or tiles of 16 x 16
_COMPRESSIONS = {33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy DNG"}
_COMPRESSIONS |= {34933: "PNG", 34934: "JPEG XR", 50002: "JPEG XL", 52546: "JPEG XL"}


def _silence() -> None:
    """Keep Pillow's own libtiff from writing to stderr what is wrong with a file, without the file's name.

    Pillow has no call for it. Other builds of Pillow have no library beside them, and go on writing.
    """
    packages = Path(PIL.__file__).parents[1]
    for library in (*packages.glob("pillow.libs/libtiff*.so*"), *packages.glob("PIL/.dylibs/libtiff*.dylib")):
        loaded = ctypes.CDLL(str(library))
        for handler in (loaded.TIFFSetErrorHandler, loaded.TIFFSetWarningHandler):
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)


def check_tags(stream: BufferedReader) -> None:
    """Refuse by name what Pillow would only call unknown, and counts that would fill the memory."""
    tags = _first_directory(stream)
    compression = tags.get(259, (1, 1))[1]
    if compression not in COMPRESSION_INFO:
        name = _COMPRESSIONS.get(compression, "an unknown method")
        raise PictureError(
            f"its pixels are packed by {name} (TIFF compression {compression}); save it without compression"
        )
    if tags.get(262, (1, 1))[1] == 3 and 320 not in tags:
        raise PictureError("it names colours of a palette that it lacks")
    if (samples := tags.get(277, (1, 1))[1]) > 6:
        raise PictureError(f"it has {samples} channels; save each as a picture of its own")
    if (strips := max(tags.get(tag, (0, 0))[0] for tag in (273, 324))) > _MOST_STRIPS:
        raise PictureError(f"it claims {strips} strips, and {_MOST_STRIPS} are read at most")


def count_pages(file: TiffImageFile) -> int:
    """Count its pages, MOST_PAGES at most: Pillow's n_frames takes hours over a file of a million."""
    pages = 1
    while pages < MOST_PAGES:
        try:
            file.seek(pages)
        except EOFError:
            break
        pages += 1
    return pages


def check_pixels(file: TiffImageFile) -> None:
    tags = file.tag_v2
    if 262 not in tags:
        raise PictureError("it does not say whether 0 is black or white; save it again")
    if 0 in tags.get(338, ()):
        raise PictureError("it has a channel more, and nothing says of what; save it without, or by itself")
    if max(tags.get(258, (1,))) <= 8 and 2 in tags.get(339, ()):
        raise PictureError("its pixels are signed, which Pillow reads as unsigned; save them as unsigned")
    packed = len(file.tile) == 1 and file.tile[0][0] == "libtiff"
    if file.mode == "YCbCr" and tuple(tags.get(530, (2, 2))) != (1, 1):
        raise PictureError(
            "its colours are stored at half the size and not packed, which Pillow misreads; save it as RGB"
        )
    if file.mode in ("P", "PA") and 0 < max(tags.get(320, (0,))) < 256:
        raise PictureError("the colours of its palette are of 8 bits where TIFF has 16; save it as RGB")
    planes = len(file.getbands()) if tags.get(284, 1) == 2 else 1
    width, height = tags[256], tags[257]
    boxes = (tile[1] or (0, 0, 0, 0) for tile in file.tile)
    covered = sum((right - left) * (lower - upper) for left, upper, right, lower in boxes)
    if not packed and covered != width * height * planes:
        raise PictureError("its strips are not as many as its rows need: it is cut, or its header is wrong")


def _first_directory(stream: BufferedReader) -> dict[int, tuple[int, int]]:
    """The tags of a TIFF's first page: how many values each has, and the first of those that are short enough."""
    head = stream.read(16)
    order, big = ("<" if head[:2] == b"II" else ">"), 43 in head[2:4]
    stream.seek(struct.unpack_from(f"{order}{'Q' if big else 'I'}", head, 8 if big else 4)[0])
    number, entry = (struct.Struct(f"{order}{form}") for form in (("Q", "HHQ8s") if big else ("H", "HHI4s")))
    (count,) = number.unpack(stream.read(number.size))
    content = stream.read(min(count, 2**16) * entry.size)
    stream.seek(0)
    tags: dict[int, tuple[int, int]] = {}
    for tag, kind, values, field in entry.iter_unpack(content[: len(content) // entry.size * entry.size]):
        tags.setdefault(tag, (values, struct.unpack_from(f"{order}H" if kind == 3 else f"{order}I", field)[0]))
    return tags


_silence()
