"""Makes damaged and hostile files by the hundred from a seed: `python tests/hostile.py FOLDER [SEED]`."""

import io
import os
import socket
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
from bytes_of import PNG_MAGIC, bmp, chunk, png, tiff
from PIL import Image, PngImagePlugin

SIDE = 48
_KINDS: tuple[tuple[str, str, dict[str, object]], ...] = (
    *(("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *(("JPEG", mode, {}) for mode in ("L", "RGB", "CMYK")),
    ("JPEG", "RGB", {"progressive": True}),
    *(("TIFF", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "I;16", "F", "I", "CMYK", "YCbCr", "LAB")),
    *(("TIFF", "RGB", {"compression": packing}) for packing in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
    ("TIFF", "1", {"compression": "group4"}),
    *(("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
)


def make(folder: Path, seed: int = 0) -> int:
    """Fill `folder`, which is made, with one sub-folder a kind of trouble, and return how many files there are."""
    rng = np.random.default_rng(seed)
    contents = [*_damaged(rng), *_lying_sizes(), *_bombs(), *_tiffs(), *_jpegs(), *_bitmaps(), *_others(rng)]
    for name, content in contents:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return len(contents) + _odd_places(folder, _saved(_noise(rng, "L"), "PNG"))


def _noise(rng: np.random.Generator, mode: str) -> Image.Image:
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    if mode == "LAB":
        return Image.frombytes("LAB", (SIDE, SIDE), pixels.tobytes())
    return Image.fromarray(pixels).convert(mode)


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _damaged(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Each kind cut at several places, and with flipped bits in its header and its body."""
    for number, (kind, mode, options) in enumerate(_KINDS):
        whole = _saved(_noise(rng, mode), kind, **options)
        name = f"damaged/{number:02d}-{mode.replace(';', '')}"
        yield f"{name}-whole.{kind.lower()}", whole
        for share in (0.02, 0.1, 0.5, 0.9):
            yield f"{name}-cut-{share}.{kind.lower()}", whole[: int(len(whole) * share)]
        yield f"{name}-cut-last.{kind.lower()}", whole[:-1]
        for place, reach in (("header", min(200, len(whole))), ("body", len(whole))):
            for turn in range(4):
                spoilt = bytearray(whole)
                for index in rng.integers(2, reach, 3):
                    spoilt[index] ^= 1 << int(rng.integers(8))
                yield f"{name}-{place}-{turn}.{kind.lower()}", bytes(spoilt)


def _lying_sizes() -> Iterator[tuple[str, bytes]]:
    rows = bytes(64)
    for width, height in ((60_000, 60_000), (2**31 - 1, 2**31 - 1), (0, 10), (10, 0), (20_000, 20_000), (1, 1), (8, 9)):
        head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        yield f"sizes/{width}x{height}.png", PNG_MAGIC + body
        yield f"sizes/{width}x{height}.tif", tiff(width, height, rows)
        yield f"sizes/{width}x{height}.bmp", bmp(width, height, 24, rows)
    for width, height in ((-8, 8), (8, -8), (-8, -8), (8, -(2**31)), (2**31 - 1, 1)):
        yield f"sizes/{width}x{height}.bmp", bmp(width, height, 24, bytes(8 * 24))
    jpeg = bytearray(_saved(Image.new("L", (SIDE, SIDE)), "JPEG"))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = b"\xff\xff\xff\xff"
    yield "sizes/65535x65535.jpg", bytes(jpeg)
    yield "sizes/whole-20000x20000.png", _saved(Image.new("1", (20_000, 20_000)), "PNG")
    yield "sizes/whole-8192x8192.png", _saved(Image.new("L", (8192, 8192)), "PNG", compress_level=1)
    yield "sizes/one.png", _saved(Image.new("L", (1, 1)), "PNG")


def _bombs() -> Iterator[tuple[str, bytes]]:
    packed, rows = zlib.compress(bytes(2**25)), bytes(SIDE * SIDE)
    for name, part in (
        ("iccp", chunk(b"iCCP", b"a\0\0" + packed)),
        ("ztxt", chunk(b"zTXt", b"a\0\0" + packed)),
        ("itxt", chunk(b"iTXt", b"a\0\1\0\0\0" + packed)),
        ("many", chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20))) * 100),
        ("exif", chunk(b"eXIf", b"II*\0\x08\0\0\0" + bytes(2**24))),
        ("unknown", chunk(b"vpAg", bytes(2**24))),
        ("long", struct.pack(">I", 2**31 - 1) + b"tEXtx"),
        ("apng-0", chunk(b"acTL", struct.pack(">II", 0, 0))),
        ("apng-many", chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
        ("no-trns", chunk(b"tRNS", b"\0")),
        ("no-exif", chunk(b"eXIf", b"MM")),
    ):
        yield f"bombs/{name}.png", png(SIDE, SIDE, 8, 0, rows, part)
    yield (
        "bombs/idat.png",
        PNG_MAGIC + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0)) + chunk(b"IDAT", packed),
    )
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n  9\n" + "zz" * 99)
    yield "bombs/profile.png", _saved(Image.new("L", (SIDE, SIDE)), "PNG", pnginfo=text)
    pages = [Image.new("L", (SIDE, SIDE), shade) for shade in range(5)]
    for kind, suffix in (("GIF", "gif.png"), ("PNG", "apng.png"), ("WEBP", "webp.png"), ("TIFF", "tif")):
        yield f"bombs/pages.{suffix}", _saved(pages[0], kind, save_all=True, append_images=pages[1:])
    yield "bombs/one.gif.jpg", _saved(pages[0], "GIF")


def _tiffs() -> Iterator[tuple[str, bytes]]:
    rows = bytes(range(64)) * 36
    whole = tiff(SIDE, SIDE, rows)
    follow = len(whole) - len(rows) - 4
    yield "tiff/loop-of-one.tif", whole[:follow] + struct.pack("<I", 8) + whole[follow + 4 :]
    yield "tiff/next-beyond.tif", tiff(SIDE, SIDE, rows, following=2**32 - 2)
    second = struct.pack("<HHHIII", 1, 256, 4, 1, 5, 8)
    yield "tiff/loop-of-two.tif", tiff(SIDE, SIDE, rows + second, following=len(whole))
    chain = bytearray(whole[:follow] + struct.pack("<I", len(whole)) + whole[follow + 4 :])
    for _ in range(50_000):
        chain += whole[8:follow] + struct.pack("<I", len(chain) + follow - 4)
    yield "tiff/pages-without-end.tif", bytes(chain)
    yield "tiff/directory-beyond.tif", b"II*\0" + struct.pack("<I", 2**31) + rows
    yield "tiff/directory-in-the-header.tif", b"II*\0" + struct.pack("<I", 0) + rows
    yield "tiff/big.tif", b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**63) + rows
    yield "tiff/big-count.tif", b"MM\0+\0\x08\0\0" + struct.pack(">QQ", 16, 2**64 - 1) + rows
    entries = b"".join(struct.pack("<HHII", 30000 + tag, 1, 2**20, 8) for tag in range(3000))
    heap = struct.pack("<H", 3000) + entries + bytes(2**20)
    yield "tiff/one-value-of-many-tags.tif", b"II*\0" + struct.pack("<I", 8) + heap
    for name, tags in {
        "strip-beyond": {273: (4, [2**31])},
        "strips-missing": {278: (4, [1])},
        "strips-of-none": {278: (4, [0])},
        "strips-by-the-million": {278: (4, [1]), 273: (4, [8] * (2**20 + 1))},
        "strips-too-many": {278: (4, [1]), 273: (4, [8] * 2**18)},
        "tiles-of-none": {322: (4, [0]), 323: (4, [0]), 324: (4, [8] * 2**14)},
        "tiles-of-one": {322: (4, [1]), 323: (4, [1]), 324: (4, [8] * 2**14)},
        "tiles-beyond": {322: (4, [2**31]), 323: (4, [2**31]), 324: (4, [8])},
        "samples": {277: (3, [65535])},
        "bits": {258: (3, [255])},
        "jpeg-2000": {259: (3, [34712])},
        "packing-unknown": {259: (3, [9999])},
        **{f"packed-by-{method}": {259: (3, [method])} for method in (2, 3, 4, 5, 6, 7, 8, 32773, 34925, 50000, 50001)},
        "photometric": {262: (3, [32803])},
        "planes": {284: (3, [2])},
        "sixteen-cut": {258: (3, [16])},
        "palette-missing": {262: (3, [3])},
        "orientation": {274: (3, [99])},
        "resolution": {282: (5 - 1, [0]), 283: (4, [0])},
        "exif-in-itself": {34665: (4, [8])},
        "sub-directories": {330: (4, [8] * 1000)},
    }.items():
        yield f"tiff/{name}.tif", tiff(SIDE, SIDE, rows, tags=tags)


def _jpegs() -> Iterator[tuple[str, bytes]]:
    def segment(marker: int, body: bytes) -> bytes:
        return struct.pack(">BBH", 255, marker, len(body) + 2) + body

    whole = _saved(Image.new("RGB", (SIDE, SIDE), (9, 99, 199)), "JPEG", progressive=True)
    scans = whole.index(b"\xff\xda")
    yield "jpeg/scans.jpg", whole[:-2] + whole[scans:-2] * 3000 + whole[-2:]
    twelve = bytearray(_saved(Image.new("L", (SIDE, SIDE)), "JPEG"))
    twelve[twelve.index(b"\xff\xc0") + 4] = 12
    yield "jpeg/twelve-bits.jpg", bytes(twelve)
    for name, layers in (("two-layers", 2), ("no-layers", 0), ("255-layers", 255)):
        odd = bytearray(whole)
        odd[odd.index(b"\xff\xc2") + 9] = layers
        yield f"jpeg/{name}.jpg", bytes(odd)
    shared = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2500)
    shared += b"".join(struct.pack("<HHII", 30000 + tag, 1, 32_000, 8) for tag in range(2500)) + bytes(32_000)
    for name, part in (
        ("exif-of-many-tags", segment(0xE1, shared)),
        ("exif-in-many-parts", segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 100),
        ("exif-loop", segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 34665, 4, 1, 8, 8))),
        ("exif-cut", segment(0xE1, b"Exif\0\0MM\0*")),
        ("mpo-of-nothing", segment(0xE2, b"MPF\0II*\0\x08\0\0\0")),
        ("mpo-beyond", segment(0xE2, b"MPF\0II*\0" + struct.pack("<I", 2**31))),
        ("profile-in-parts", segment(0xE2, b"ICC_PROFILE\0\x09\x02x") * 9),
        ("length-of-none", b"\xff\xe1\0\0"),
        ("comment", segment(0xFE, bytes(65_000)) * 30),
    ):
        yield f"jpeg/{name}.jpg", whole[:2] + part + whole[2:]
    yield "jpeg/junk-behind.jpg", whole + bytes(2**20)
    yield "jpeg/markers.jpg", b"\xff\xd8" + b"\xff" * 100_000
    yield "jpeg/start.jpg", whole[:3]


def _bitmaps() -> Iterator[tuple[str, bytes]]:
    rows = bytes(SIDE * SIDE * 4)
    palette = [(shade, 0, 0) for shade in range(256)]
    for bits in (0, 1, 2, 4, 8, 16, 24, 32, 64):
        yield f"bmp/{bits}-bits.bmp", bmp(SIDE, SIDE, bits, rows, palette=palette[: 2 ** min(bits, 8)])
    for compression in (1, 2, 4, 5, 99):
        yield f"bmp/packed-by-{compression}.bmp", bmp(SIDE, SIDE, 8, rows, palette=palette, compression=compression)
    for masks in ((0, 0, 0, 0), (1, 2, 4, 8), (2**32 - 1,) * 4):
        yield f"bmp/masks-{masks[0]}.bmp", bmp(SIDE, SIDE, 32, rows, compression=3, masks=masks)
    for offset in (0, 2, 2**31):
        yield f"bmp/offset-{offset}.bmp", bmp(SIDE, SIDE, 24, rows, offset=offset)
    whole = bytearray(bmp(SIDE, SIDE, 8, rows, palette=palette))
    for name, place, value in (("colours", 46, 2**31), ("header", 14, 2**31), ("header-of-none", 14, 0)):
        spoilt = whole.copy()
        struct.pack_into("<I", spoilt, place, value)
        yield f"bmp/{name}.bmp", bytes(spoilt)


def _others(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """What is no picture, under the suffix of one."""
    contents = {
        "empty": b"",
        "text": b"not a picture\n" * 9,
        "page": b"<html><svg xmlns='http://www.w3.org/2000/svg'></svg></html>",
        "noise": rng.bytes(9999),
        "zeros": bytes(9999),
        "one-byte": b"\x89",
        "pdf": b"%PDF-1.7\n",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9999 9999\n",
        "zip": b"PK\x03\x04" + bytes(99),
        "dicom": bytes(128) + b"DICM" + bytes(99),
        "jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99),
        "heic": b"\0\0\0\x18ftypheic" + bytes(99),
        "starts-as-bitmap": b"BMI: 31, weight: 90",
        "starts-as-tiff": b"II*\0",
        "starts-as-jpeg": b"\xff\xd8\xff",
        "starts-as-png": PNG_MAGIC,
    }
    for name, content in contents.items():
        for suffix in (".png", ".JPG"):
            yield f"others/{name}{suffix}", content
    yield "others/notes.txt", b"mine"
    yield "others/no suffix", b"mine"


def _odd_places(folder: Path, content: bytes) -> int:
    """Names of any bytes, links, pipes and a file of a terabyte that takes no room; return how many files there are."""
    places = folder / "places"
    names = [
        "space in name.png",
        "new\nline.png",
        "tab\t.png",
        "日本語 é.png",
        os.fsdecode(b"caf\xe9.png"),
        "a" * 240 + ".png",
    ]
    names += [
        "-rf.png",
        "%s.png",
        "'\";.png",
        "in a folder.png/a.png",
        os.fsdecode(b"\xff\xfe/a.png"),
        "\U0001d52d.PNG",
        ".png.png",
    ]
    for name in names:
        (places / name).parent.mkdir(parents=True, exist_ok=True)
        (places / name).write_bytes(content)
    links: dict[str, str] = {
        "gone.png": "nowhere",
        "ring.png": "ring.png",
        "zero.png": "/dev/zero",
        "terminal.png": "/dev/tty",
    }
    for name, target in links.items():
        (places / name).symlink_to(target)
    (places / "loop").symlink_to("..")
    (places / "root").symlink_to("/")
    os.mkfifo(places / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening, chdir(places):  # a socket's path is short
        listening.bind("socket.png")
    with (places / "terabyte.png").open("wb") as file:
        file.write(content)
        file.truncate(2**40)
    return len(names) - 1 + len(links) + 5  # a hidden one is passed over


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0), "files")
