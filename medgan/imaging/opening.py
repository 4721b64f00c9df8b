"""Picture files, opened with care: content decides what they are, and what Pillow would read wrongly is refused."""

import hashlib
import logging
import stat
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, ClassVar

from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import jpeg_factory
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from medgan.imaging.refusal import PictureError
from medgan.imaging.tiff import MOST_PAGES, check_pixels, check_tags, count_pages
from medgan.private import private

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
MOST_PIXELS = 2**26  # 8192 x 8192: more than a mammogram has; CMYK turned by its EXIF takes 0.93 GB
MOST_BYTES = 5 * MOST_PIXELS  # of a file: RGBA without compression, and much beside
_MOST_SCANS = 100  # of a JPEG, each of which costs as much as the whole picture; libtiff stops there too

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_READ: tuple[tuple[bytes, Callable[[Any], ImageFile]], ...] = (
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"\xff\xd8\xff", jpeg_factory),
    *((magic, TiffImageFile) for magic in _TIFF),
    (b"BM", BmpImageFile),
)
_OTHERS = (  # offset, bytes, name: what is often found under the suffix of a picture
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WebP"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "Photoshop file"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\x03\x04", "ZIP archive"),
    (0, b"\x1f\x8b", "gzip archive"),
    (0, b"\x89HDF", "HDF5 file"),
    (0, b"\x93NUMPY", "numpy array"),
    (128, b"DICM", "DICOM file"),
)
_KINDS = ((stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"))
# Else Pillow's log goes to stderr where nobody set up logging, without the name of the file that it is about.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@contextmanager
def opened(path: Path) -> Iterator[tuple[ImageFile, str]]:
    """Yield the one picture in a file, its pixels not yet decoded, and the sha256 of the file.

    Whatever fails, here or where the pixels are decoded within, is a ValueError with a reason that does not name the
    path. Nothing but a regular file is opened: a pipe would hang.
    """
    try:
        with _regular(path) as stream, _Quiet():
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            yield _identified(stream, path), digest
    except PictureError:
        raise
    except MemoryError:
        raise PictureError("there is not enough memory to decode it") from None
    except Exception as error:  # Pillow has no common class for what is damaged
        short = isinstance(error, struct.error) or isinstance(error.__cause__, struct.error)
        message = "it ends too early" if short else " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"it is damaged, or of a kind that is not read: {private(message)}") from None


def _regular(path: Path) -> BufferedReader:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = next((name for test, name in _KINDS if test(status.st_mode)), "device")
            raise PictureError(f"it is a {kind} and no file")
        if status.st_size == 0:
            raise PictureError("it is empty: 0 bytes")
        if status.st_size > MOST_BYTES:
            raise PictureError(f"it has {status.st_size} bytes, and {MOST_BYTES} are read at most")
        return path.open("rb")
    except OSError as error:
        if isinstance(error, FileNotFoundError) and path.is_symlink():
            raise PictureError("it is a link to nothing") from None
        raise PictureError(f"it cannot be opened: {error.strerror}") from None


def _identified(stream: BufferedReader, path: Path) -> ImageFile:
    stream.seek(0)
    head = stream.read(132)
    stream.seek(0)
    reader = next((reader for magic, reader in _READ if head.startswith(magic)), None)
    if reader is None:
        for offset, magic, name in _OTHERS:
            if head[offset:].startswith(magic):
                raise PictureError(f"its content is that of a {name}; save it as PNG, JPEG, TIFF or BMP")
        raise PictureError("its content is not an image's, whatever its suffix says")
    if reader is TiffImageFile:
        check_tags(stream)
    elif reader is jpeg_factory:
        _check_scans(stream)
    file = reader(stream)
    width, height = file.size
    if width * height > MOST_PIXELS:
        raise PictureError(f"it claims {width * height} pixels ({width}x{height}), and {MOST_PIXELS} are read at most")
    if (pages := _pages(file)) > 1:
        more = " or more" if pages == MOST_PAGES else ""
        raise PictureError(f"it has {pages} pages{more} and one is needed")
    if file.format == "PNG":
        # Decoding checks no sum of its parts; what is looked at twice is small beside what is decoded.
        file.verify()
        stream.seek(0)
        file = reader(stream)
    elif isinstance(file, BmpImageFile):
        _check_bitmap(file, head)
    elif isinstance(file, TiffImageFile):
        check_pixels(file)
    return file


def _pages(file: ImageFile) -> int:
    """Count them, MOST_PAGES at most. An MPO is a JPEG with a preview or a map of brightness behind it."""
    if file.format == "MPO" or not getattr(file, "is_animated", False):
        return 1
    if not isinstance(file, TiffImageFile):
        return min(int(getattr(file, "n_frames", 1)), MOST_PAGES)
    return count_pages(file)


def _check_scans(stream: BufferedReader) -> None:
    scans = stream.read().count(b"\xff\xda")
    stream.seek(0)
    if scans > _MOST_SCANS:
        raise PictureError(f"it has {scans} scans, and {_MOST_SCANS} are read at most; save it again")


def raw_mode(file: ImageFile) -> str:
    """Pillow's name of the pixels as they are stored, before they are decoded."""
    arguments = file.tile[0][3]
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _check_bitmap(file: BmpImageFile, head: bytes) -> None:
    """Refuse what Pillow 13 takes for pixels of another width, which gives noise or black, and run lengths."""
    (size,) = struct.unpack_from("<I", head, 14)
    (bits,) = struct.unpack_from("<H", head, 24 if size == 12 else 28)
    if file.tile[0][2] < 14 + size:
        raise PictureError("its pixels begin within its header; save it again")
    if file.tile[0][0] != "raw":
        raise PictureError("it is a BMP of run lengths (RLE); save it as PNG")
    if bits != {"1": 1, "L": 8}.get(raw_mode(file), bits):
        raise PictureError(
            f"it is a BMP of {bits} bits whose few colours are grey, which Pillow misreads; save it as PNG"
        )


class _Quiet:
    """No warnings of Pillow, which say of damage what a reader says better, while any thread is in here.

    warnings.catch_warnings alone is no thing for several threads: the last to leave would restore the silence.
    """

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _inside: ClassVar[int] = 0
    _filters: ClassVar[Any] = None

    def __enter__(self) -> None:
        with _Quiet._lock:
            _Quiet._inside += 1
            if _Quiet._inside == 1:
                _Quiet._filters = warnings.catch_warnings()
                _Quiet._filters.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        with _Quiet._lock:
            _Quiet._inside -= 1
            if _Quiet._inside == 0:
                _Quiet._filters.__exit__(None, None, None)
