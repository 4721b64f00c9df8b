"""The one reader: each mode of each format against its true pixels, and what is refused with a reason."""

import hashlib
import io
import os
import warnings
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from bytes_of import bmp, chunk, png, tiff
from numpy.typing import NDArray
from PIL import Image, ImageCms

from medgan.imaging.reading import read_picture

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (9, 12), np.uint8)
COLOUR = RNG.integers(0, 256, (9, 12, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (9, 12)).astype(np.uint16)
FEW = {bits: RNG.integers(0, 2**bits, (9, 16), np.uint8) for bits in (1, 2, 4, 8)}
PALETTE = RNG.integers(0, 256, (256, 3), np.uint8)


def read(path: Path, content: bytes) -> NDArray[Any]:
    path.write_bytes(content)
    pixels, digest = read_picture(path)
    assert digest == hashlib.sha256(content).hexdigest()
    assert pixels.ndim == 3 and pixels.shape[2] in (1, 3) and pixels.dtype in (np.uint8, np.uint16)
    return pixels


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_picture(path)
    reason = str(caught.value)
    assert reason and "\n" not in reason and str(path) not in reason
    return reason


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def packed(values: NDArray[np.uint8], bits: int) -> bytes:
    """Rows of values below 2 ** bits, several a byte, the first in the highest bits."""
    planes = np.unpackbits(values[..., None], axis=2)[..., 8 - bits :]
    return np.packbits(planes.reshape(len(values), -1), axis=1).tobytes()


def upside_down(rows: NDArray[Any]) -> bytes:
    """As BMP has them: from below, each a multiple of four bytes."""
    flat = rows.reshape(len(rows), -1).view(np.uint8)[::-1]
    return np.pad(flat, ((0, 0), (0, -flat.shape[1] % 4))).tobytes()


# grey and colour of 8 bits


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_grey_and_colour(tmp_path: Path, kind: str) -> None:
    assert (read(tmp_path / "a", saved(Image.fromarray(GREY), kind))[..., 0] == GREY).all()
    assert (read(tmp_path / "a", saved(Image.fromarray(COLOUR), kind)) == COLOUR).all()


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd", "raw"])
@pytest.mark.parametrize("array", [GREY, COLOUR, DEEP], ids=["grey", "colour", "deep"])
def test_tiff_of_every_packing(tmp_path: Path, compression: str, array: NDArray[Any]) -> None:
    pixels = read(tmp_path / "a.tif", saved(Image.fromarray(array), "TIFF", compression=compression))
    assert pixels.dtype == array.dtype and (pixels.squeeze() == array).all()


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_whose_planes_lie_apart(tmp_path: Path, order: str) -> None:
    planes = np.ascontiguousarray(COLOUR.transpose(2, 0, 1))
    tags = {284: (3, [2]), 273: (4, [200, 308, 416]), 279: (4, [108] * 3)}
    content = tiff(12, 9, b"", bits=(8, 8, 8), photometric=2, order=order, tags=tags)
    assert (read(tmp_path / "a.tif", content.ljust(200, b"\0") + planes.tobytes()) == COLOUR).all()


def test_jpeg_as_pillow_decodes_it(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    for array in (smooth, np.dstack([smooth, smooth[::-1], smooth[:, ::-1]])):
        for progressive in (False, True):
            pixels = read(
                tmp_path / "a.jpg", saved(Image.fromarray(array), "JPEG", quality=95, progressive=progressive)
            )
            assert np.abs(pixels.squeeze().astype(int) - array).max() < 12


def test_content_decides_and_not_the_suffix(tmp_path: Path) -> None:
    assert (read(tmp_path / "a.jpg", saved(Image.fromarray(GREY), "PNG"))[..., 0] == GREY).all()
    assert (read(tmp_path / "a.png", saved(Image.fromarray(GREY), "BMP"))[..., 0] == GREY).all()


def test_the_preview_of_a_photograph_is_no_page(tmp_path: Path) -> None:
    photo, preview = Image.new("RGB", (64, 48), (200, 30, 30)), Image.new("RGB", (16, 12), (0, 0, 255))
    pixels = read(tmp_path / "a.jpg", saved(photo, "MPO", save_all=True, append_images=[preview]))
    assert pixels.shape == (48, 64, 3) and np.abs(pixels[20, 20].astype(int) - (200, 30, 30)).max() < 4


# few bits, palettes


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_fills_the_range(tmp_path: Path, bits: int) -> None:
    values, rows = FEW[bits], packed(FEW[bits], bits)
    wide = values * (255 // (2**bits - 1))
    assert (read(tmp_path / "a.png", png(16, 9, bits, 0, rows))[..., 0] == wide).all()
    for order in "<>":
        assert (read(tmp_path / "a.tif", tiff(16, 9, rows, bits=(bits,), order=order))[..., 0] == wide).all()
        white_first = tiff(16, 9, rows, bits=(bits,), photometric=0, order=order)
        assert (read(tmp_path / "a.tif", white_first)[..., 0] == 255 - wide).all()


def test_palettes_of_one_bit_to_eight(tmp_path: Path) -> None:
    for bits in (1, 2, 4, 8):
        values, rows, colours = FEW[bits], packed(FEW[bits], bits), PALETTE[: 2**bits]
        expected = colours[values]
        assert (read(tmp_path / "a", png(16, 9, bits, 3, rows, chunk(b"PLTE", colours.tobytes()))) == expected).all()
        table = {320: (3, (colours.T.astype(int) * 257).reshape(-1).tolist())}
        assert (read(tmp_path / "a", tiff(16, 9, rows, bits=(bits,), photometric=3, tags=table)) == expected).all()
        if bits != 2:
            below = np.frombuffer(rows, np.uint8).reshape(9, -1)
            shades = [tuple(map(int, colour)) for colour in colours]
            assert (read(tmp_path / "a", bmp(16, 9, bits, upside_down(below), palette=shades)) == expected).all()


def test_a_palette_of_greys_is_grey(tmp_path: Path) -> None:
    greys = np.repeat(RNG.permutation(256).astype(np.uint8)[:, None], 3, axis=1)
    pixels = read(tmp_path / "a.png", png(16, 9, 8, 3, FEW[8].tobytes(), chunk(b"PLTE", greys.tobytes())))
    assert pixels.shape[2] == 1 and (pixels == greys[FEW[8]][..., :1]).all()


def test_palettes_that_do_not_say_all(tmp_path: Path) -> None:
    short = chunk(b"PLTE", PALETTE[:5].tobytes())
    values = FEW[4] % 6
    assert "names colour 5 of a palette that has 5" in refusal(
        tmp_path / "a.png", png(16, 9, 4, 3, packed(values, 4), short)
    )
    small = {320: (3, PALETTE.T.reshape(-1).tolist())}
    reason = refusal(tmp_path / "a.tif", tiff(16, 9, FEW[8].tobytes(), photometric=3, tags=small))
    assert "palette are of 8 bits where TIFF has 16" in reason


# alpha


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("base", [GREY[..., None], COLOUR], ids=["grey", "colour"])
def test_opaque_alpha_is_dropped_and_any_other_is_refused(tmp_path: Path, kind: str, base: NDArray[np.uint8]) -> None:
    alpha = np.full((9, 12, 1), 255, np.uint8)
    assert (read(tmp_path / "a", saved(Image.fromarray(np.dstack([base, alpha])), kind)) == base).all()
    alpha[0, :2] = 254
    reason = refusal(tmp_path / "a", saved(Image.fromarray(np.dstack([base, alpha])), kind))
    assert reason.startswith("1.85 % of it is transparent, and nothing says what lies behind")


def test_associated_alpha_of_a_tiff(tmp_path: Path) -> None:
    for base, photometric in ((GREY[..., None], 1), (COLOUR, 2)):
        for alpha, read_it in ((255, True), (100, False)):
            both = np.dstack([base, np.full_like(GREY, alpha)])
            tags = {338: (3, [1])}
            content = tiff(12, 9, both.tobytes(), bits=(8,) * both.shape[2], photometric=photometric, tags=tags)
            if read_it:
                assert (read(tmp_path / "a.tif", content) == base).all()
            else:
                assert "100 % of it is transparent" in refusal(tmp_path / "a.tif", content)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_grey_declared_transparent_counts_where_it_is_used(tmp_path: Path, bits: int) -> None:
    values = DEEP if bits == 16 else FEW[bits]
    rows = values.astype(">u2").tobytes() if bits == 16 else packed(values, bits)
    used, unused = int(values[0, 0]), int(next(v for v in range(2**bits) if v not in values) if bits in (8, 16) else -1)
    height, width = values.shape
    key = chunk(b"tRNS", used.to_bytes(2, "big"))
    assert "transparent" in refusal(tmp_path / "a.png", png(width, height, bits, 0, rows, key))
    if unused >= 0:
        key = chunk(b"tRNS", unused.to_bytes(2, "big"))
        step = 1 if bits in (8, 16) else 255 // (2**bits - 1)
        assert (read(tmp_path / "a.png", png(width, height, bits, 0, rows, key))[..., 0] == values * step).all()


def test_colours_declared_transparent_count_where_they_are_used(tmp_path: Path) -> None:
    def key(colour: tuple[int, ...]) -> bytes:
        return chunk(b"tRNS", b"".join(value.to_bytes(2, "big") for value in colour))

    assert "transparent" in refusal(
        tmp_path / "a", png(12, 9, 8, 2, COLOUR.tobytes(), key(tuple(map(int, COLOUR[3, 3]))))
    )
    other = next(c for c in np.ndindex(3, 3, 3) if not (c == COLOUR).all(axis=2).any())
    assert (read(tmp_path / "a", png(12, 9, 8, 2, COLOUR.tobytes(), key(other))) == COLOUR).all()
    palette = chunk(b"PLTE", PALETTE.tobytes())
    first = int(FEW[8][0, 0])
    alphas = bytearray(b"\xff" * 256)
    assert (
        read(tmp_path / "a", png(16, 9, 8, 3, FEW[8].tobytes(), palette, chunk(b"tRNS", bytes(alphas))))
        == PALETTE[FEW[8]]
    ).all()
    alphas[first] = 0
    assert "transparent" in refusal(
        tmp_path / "a", png(16, 9, 8, 3, FEW[8].tobytes(), palette, chunk(b"tRNS", bytes(alphas)))
    )


@pytest.mark.parametrize("photometric", [1, 2, 5])
def test_a_channel_of_which_nothing_is_said_is_refused(tmp_path: Path, photometric: int) -> None:
    count = {1: 2, 2: 4, 5: 5}[photometric]
    content = tiff(12, 9, bytes(108 * count), bits=(8,) * count, photometric=photometric, tags={338: (3, [0])})
    assert "it has a channel more, and nothing says of what" in refusal(tmp_path / "a.tif", content)


# more than 8 bits


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_as_they_are_stored(tmp_path: Path, order: str) -> None:
    rows = DEEP.astype(f"{order}u2").tobytes()
    assert (read(tmp_path / "a.tif", tiff(12, 9, rows, bits=(16,), order=order))[..., 0] == DEEP).all()
    pixels = read(tmp_path / "a.png", png(12, 9, 16, 0, DEEP.astype(">u2").tobytes()))
    assert pixels.dtype == np.uint16 and (pixels[..., 0] == DEEP).all()


def test_twelve_bits_are_sixteen(tmp_path: Path) -> None:
    values = DEEP >> 4
    pairs = values.reshape(-1, 2)
    rows = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1)
    pixels = read(tmp_path / "a.tif", tiff(12, 9, rows.astype(np.uint8).tobytes(), bits=(12,)))
    assert pixels.dtype == np.uint16 and (pixels[..., 0] == values).all()


def test_deep_greys_whose_zero_is_white_are_refused(tmp_path: Path) -> None:
    """Pillow turns 8 bits round and leaves 16 as they are."""
    assert (read(tmp_path / "a.tif", tiff(12, 9, GREY.tobytes(), photometric=0))[..., 0] == 255 - GREY).all()
    turned = saved(Image.fromarray(GREY), "TIFF", compression="tiff_lzw", tiffinfo={262: 0})  # by Pillow itself
    assert (read(tmp_path / "a.tif", turned)[..., 0] == GREY).all()
    for kind, bits, tags in (("<u2", 16, {}), ("<f4", 32, {339: (3, [3])})):
        content = tiff(12, 9, DEEP.astype(kind).tobytes(), bits=(bits,), photometric=0, tags=tags)
        assert "its 0 is white, which Pillow turns round for 8 bits alone" in refusal(tmp_path / "a.tif", content)


@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_and_alpha_of_sixteen_bits_are_not_cut(tmp_path: Path, order: str) -> None:
    for channels, name in ((2, "LA"), (3, "RGB"), (4, "RGBA")):
        rows = np.dstack([DEEP] * channels)
        content = png(12, 9, 16, {2: 4, 3: 2, 4: 6}[channels], rows.astype(">u2").tobytes())
        assert f"its pixels are {name};16: colours or alpha of 16 bits" in refusal(tmp_path / "a.png", content)
        if channels == 2:
            continue
        extra = {338: (3, [2])} if channels == 4 else {}
        for planar in (1, 2):
            tags = {**extra, 284: (3, [planar])}
            if planar == 2:
                tags |= {273: (4, [300] * channels), 279: (4, [216] * channels)}
            content = tiff(
                12, 9, rows.astype(f"{order}u2").tobytes(), bits=(16,) * channels, photometric=2, order=order, tags=tags
            )
            assert f"its pixels are {name};16" in refusal(tmp_path / "a.tif", content)
    lzw = tiff(12, 9, bytes(9), bits=(16, 16, 16), photometric=2, order=order, tags={259: (3, [5])})
    assert "its pixels are RGB;16" in refusal(tmp_path / "a.tif", lzw)
    cmyk = tiff(12, 9, bytes(9 * 12 * 8), bits=(16,) * 4, photometric=5, order=order)
    assert "its pixels are CMYK;16" in refusal(tmp_path / "a.tif", cmyk)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "sample"), [("i2", 2), ("i4", 2), ("f4", 3)])
def test_numbers_that_fit_sixteen_bits_exactly(tmp_path: Path, order: str, kind: str, sample: int) -> None:
    def content(values: NDArray[Any]) -> bytes:
        tags = {339: (3, [sample])}
        rows = values.astype(f"{order}{kind}").tobytes()
        return tiff(12, 9, rows, bits=(8 * int(kind[1]),), order=order, tags=tags)

    values = DEEP >> 1 if kind == "i2" else DEEP
    pixels = read(tmp_path / "a.tif", content(values))
    assert pixels.dtype == np.uint16 and (pixels[..., 0] == values).all()
    wrong = values.astype(np.float64)
    wrong[0, 0] = {"i2": -1, "i4": 65536, "f4": 0.5}[kind]
    assert "of 32 bits from" in refusal(tmp_path / "a.tif", content(wrong))
    if kind == "f4":
        wrong[0, 0] = np.nan
        assert "NaN or infinite" in refusal(tmp_path / "a.tif", content(wrong))


def test_signed_eight_bits_are_refused(tmp_path: Path) -> None:
    content = tiff(12, 9, GREY.tobytes(), tags={339: (3, [2])})
    assert "signed, which Pillow reads as unsigned" in refusal(tmp_path / "a.tif", content)


# other colours


def test_inks_are_converted_and_inverted_where_adobe_wrote_them(tmp_path: Path) -> None:
    inks = RNG.integers(0, 256, (9, 12, 4), np.uint8)
    rgb = np.asarray(Image.fromarray(inks, mode="CMYK").convert("RGB"))
    assert (read(tmp_path / "a.tif", tiff(12, 9, inks.tobytes(), bits=(8,) * 4, photometric=5)) == rgb).all()
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    assert (read(tmp_path / "a.jpg", saved(white, "JPEG")) > 250).all()


def test_luma_and_chroma(tmp_path: Path) -> None:
    rgb = np.kron(RNG.integers(0, 256, (3, 4, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    assert (
        np.abs(read(tmp_path / "a", saved(Image.fromarray(rgb).convert("YCbCr"), "TIFF")).astype(int) - rgb).max() < 4
    )
    jpeg = saved(Image.fromarray(rgb), "TIFF", compression="jpeg", quality=95)
    assert np.abs(read(tmp_path / "a", jpeg).astype(int) - rgb).mean() < 4
    halved = tiff(12, 9, bytes(12 * 9 * 3), bits=(8,) * 3, photometric=6)
    assert "its colours are stored at half the size" in refusal(tmp_path / "a", halved)


def test_lab_is_refused(tmp_path: Path) -> None:
    content = saved(ImageCms.applyTransform(Image.fromarray(COLOUR), _to_lab()), "TIFF")
    assert "its colours are Lab" in refusal(tmp_path / "a.tif", content)


def _to_lab() -> Any:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.buildTransform(srgb, lab, "RGB", "LAB")


def test_bitmaps_of_16_24_and_32_bits(tmp_path: Path) -> None:
    bgr = COLOUR[..., ::-1]
    assert (read(tmp_path / "a.bmp", bmp(12, 9, 24, upside_down(bgr))) == COLOUR).all()
    assert (read(tmp_path / "a.bmp", bmp(12, -9, 24, upside_down(bgr[::-1]))) == COLOUR).all()
    filled = np.dstack([bgr, np.zeros_like(GREY)])
    assert (read(tmp_path / "a.bmp", bmp(12, 9, 32, upside_down(filled))) == COLOUR).all()
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    for alpha in (255, 9):
        content = bmp(12, 9, 32, upside_down(np.dstack([bgr, np.full_like(GREY, alpha)])), compression=3, masks=masks)
        if alpha == 255:
            assert (read(tmp_path / "a.bmp", content) == COLOUR).all()
        else:
            assert "transparent" in refusal(tmp_path / "a.bmp", content)
    five = (COLOUR >> 3).astype(np.uint16)
    words = (five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]).astype("<u2")
    expected = np.rint(five * 255 / 31)
    assert np.abs(read(tmp_path / "a.bmp", bmp(12, 9, 16, upside_down(words))) - expected).max() <= 1


def test_bitmaps_that_pillow_misreads_are_refused(tmp_path: Path) -> None:
    """Few greys in more bits a pixel than they need: Pillow 13 takes one bit or eight, and gives noise or black."""
    black_white = [(0, 0, 0), (255, 255, 255)]
    for bits, shades in ((8, black_white), (4, black_white), (4, [(i, i, i) for i in range(16)])):
        rows = upside_down(np.frombuffer(packed(FEW[bits] % len(shades), bits), np.uint8).reshape(9, -1))
        reason = refusal(tmp_path / "a.bmp", bmp(16, 9, bits, rows, palette=shades))
        assert f"it is a BMP of {bits} bits whose few colours are grey" in reason
    one = np.frombuffer(packed(FEW[1], 1), np.uint8).reshape(9, -1)
    assert (read(tmp_path / "a", bmp(16, 9, 1, upside_down(one), palette=black_white))[..., 0] == 255 * FEW[1]).all()
    runs = bmp(16, 9, 8, b"\x10\x01\0\0" * 9 + b"\0\1", palette=[(1, 2, 3)] * 256, compression=1)
    assert "run lengths (RLE)" in refusal(tmp_path / "a.bmp", runs)


# which way is up


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF packed", "JPEG"])
def test_every_orientation(tmp_path: Path, kind: str, turn: int) -> None:
    upright = np.kron([[0, 80], [160, 240], [40, 200]], np.ones((16, 16))).astype(np.uint8)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"compression": "tiff_lzw"} if "packed" in kind else {}
    content = saved(Image.fromarray(np.ascontiguousarray(stored)), kind.split(maxsplit=1)[0], exif=exif, **options)
    assert np.abs(read(tmp_path / "a", content)[..., 0].astype(int) - upright).max() < 8


# whom it serves


def test_a_caller_limits_the_modes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(COLOUR), "PNG"))
    with pytest.raises(ValueError, match="its pixels are RGB and this model takes grey"):
        read_picture(tmp_path / "a.png", modes=("L",), wish="this model takes grey")


def test_a_small_picture_is_refused(tmp_path: Path) -> None:
    for size in ((7, 100), (100, 7), (1, 1)):
        assert f"it has {size[0]}x{size[1]} pixels, and 8 a side" in refusal(
            tmp_path / "a", saved(Image.new("L", size), "PNG")
        )
    assert read(tmp_path / "a", saved(Image.new("L", (8, 8)), "PNG")).shape == (8, 8, 1)


def test_warnings_do_not_leak_nor_are_those_of_others_lost(tmp_path: Path) -> None:
    """Threads that come and go leave the filters as they were."""
    content = tiff(12, 9, GREY.tobytes(), tags={33432: (2, [b"x"] * 20)})
    (tmp_path / "a.tif").write_bytes(content.replace((20).to_bytes(4, "little"), (10**8).to_bytes(4, "little"), 1))
    before, gate = list(warnings.filters), Barrier(8)

    def work() -> None:
        gate.wait()
        for _ in range(20):
            read_picture(tmp_path / "a.tif")

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        read_picture(tmp_path / "a.tif")
        assert not heard
        Image.open(tmp_path / "a.tif").load()
        assert heard


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads all")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(saved(Image.fromarray(GREY), "PNG"))
    path.chmod(0)
    with pytest.raises(ValueError, match="it cannot be opened: Permission denied"):
        read_picture(path)
