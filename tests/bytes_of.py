"""Files of pictures byte by byte, for what Pillow does not write: PNG, TIFF and BMP of any header."""

import struct
import zlib
from collections.abc import Mapping, Sequence

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_TYPES = {1: "B", 2: "c", 3: "H", 4: "I", 12: "d"}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    """rows: of packed pixels, without the filter that precedes each. chunks: before the pixels."""
    stride = len(rows) // height if height else 0
    filtered = b"".join(b"\0" + rows[stride * row : stride * (row + 1)] for row in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return PNG_MAGIC + head + b"".join(chunks) + chunk(b"IDAT", zlib.compress(filtered)) + chunk(b"IEND", b"")


def tiff(
    width: int,
    height: int,
    data: bytes,
    *,
    bits: Sequence[int] = (8,),
    photometric: int = 1,
    order: str = "<",
    tags: Mapping[int, tuple[int, Sequence[int]]] | None = None,
    following: int = 0,
) -> bytes:
    """One strip. tags: beside or instead of the usual ones, as type and values; following: offset of a next page."""
    usual: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, bits),
        259: (3, [1]),
        262: (3, [photometric]),
        273: (4, [0]),
        277: (3, [len(bits)]),
        278: (4, [height]),
        279: (4, [len(data)]),
    }
    own = tags or {}
    entries = sorted((usual | dict(own)).items())
    start = 8 + 2 + 12 * len(entries) + 4
    bodies = {tag: struct.pack(f"{order}{len(values)}{_TYPES[kind]}", *values) for tag, (kind, values) in entries}
    aside = b"".join(body for body in bodies.values() if len(body) > 4)
    directory, offset = struct.pack(f"{order}H", len(entries)), start
    for tag, (kind, values) in entries:
        field = bodies[tag].ljust(4, b"\0")
        if len(bodies[tag]) > 4:
            field = struct.pack(f"{order}I", offset)
            offset += len(bodies[tag])
        elif tag == 273 and 273 not in own:
            field = struct.pack(f"{order}I", start + len(aside))
        directory += struct.pack(f"{order}HHI", tag, kind, len(values)) + field
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(f"{order}I", 8) + directory + struct.pack(f"{order}I", following) + aside + data


def bmp(
    width: int,
    height: int,
    bits: int,
    rows: bytes,
    *,
    palette: Sequence[tuple[int, int, int]] = (),
    compression: int = 0,
    masks: Sequence[int] = (),
    offset: int | None = None,
) -> bytes:
    """rows: from below upwards, each filled to four bytes. palette: red, green, blue. masks: of the four channels."""
    size = 56 if masks else 40
    head = struct.pack("<IiiHHIIIIII", size, width, height, 1, bits, compression, len(rows), 0, 0, len(palette), 0)
    head += struct.pack(f"<{len(masks)}I", *masks)
    colours = b"".join(bytes([blue, green, red, 0]) for red, green, blue in palette)
    start = 14 + len(head) + len(colours) if offset is None else offset
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + head + colours + rows
