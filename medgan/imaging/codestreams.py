"""Sizes that compressed images claim, read before a decoder makes room for them (JPEG, JPEG-LS, JPEG 2000)."""

import struct

_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # markers of JPEG, and of JPEG-LS, that say a size
_JPEG_2000 = b"\xff\x4f\xff\x51"
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


def claimed_size(stream: bytes) -> tuple[int, int, int] | None:
    """Height, width and components; None where none is found. Raises struct.error where it ends before."""
    if not stream.startswith(b"\xff\xd8"):
        # A file of JPEG 2000 (JP2) has boxes before it.
        start = stream.find(_JPEG_2000) if stream.startswith((_JPEG_2000, b"\0\0\0\x0cjP")) else -1
        if start < 0:
            return None
        right, lower, left, upper = struct.unpack_from(">4I", stream, start + 8)
        return lower - upper, right - left, struct.unpack_from(">H", stream, start + 40)[0]
    place = 2
    while stream[place : place + 1] == b"\xff":
        marker, length = struct.unpack_from(">BH", stream, place + 1)
        if marker in _FRAMES:
            height, width, components = struct.unpack_from(">HHB", stream, place + 5)
            return height, width, components
        if marker == 0xFF:  # a filling
            place += 1
        else:
            place += 2 if marker in _ALONE else 2 + length
    return None
