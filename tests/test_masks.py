"""Lesion masks from files: pictures in every mode, arrays, and what is neither."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bytes_of import tiff
from numpy.typing import NDArray
from PIL import Image

from medgan.errors import MedganError
from medgan.imaging.masks import read_mask
from medgan.private import public

PLANE: NDArray[np.uint8] = np.array([[0, 1, 0], [0, 7, 255]], np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "I;16"])
@pytest.mark.parametrize("suffix", ["png", "PNG"])
def test_a_picture_is_lesion_where_it_is_not_black(tmp_path: Path, suffix: str, mode: str) -> None:
    path = tmp_path / f"mask.{suffix}"
    picture = Image.fromarray(PLANE.astype(np.uint16)) if mode == "I;16" else Image.fromarray(PLANE).convert(mode)
    picture.save(path)
    mask = read_mask(path)
    # One bit a pixel is dithered: what is above half becomes white.
    expected = np.asarray(picture) if mode == "1" else PLANE
    assert mask.shape == (2, 3) and mask.dtype == np.uint8
    assert mask.tolist() == (expected != 0).astype(int).tolist()


def test_a_drawing_on_a_transparent_ground_is_lesion_where_it_is_opaque(tmp_path: Path) -> None:
    """Whatever its colour, and whatever lies below the ground."""
    for colour in (0, 255):
        picture = np.dstack([np.full((2, 3, 3), colour, np.uint8), PLANE])
        Image.fromarray(picture).save(tmp_path / "mask.png")
        assert read_mask(tmp_path / "mask.png").tolist() == [[0, 1, 0], [0, 1, 1]]


def test_a_picture_of_fractions_and_a_palette_keep_what_is_not_black(tmp_path: Path) -> None:
    Image.fromarray((PLANE > 0) * np.float32(0.25)).save(tmp_path / "mask.tiff")
    assert read_mask(tmp_path / "mask.tiff").tolist() == [[0, 1, 0], [0, 1, 1]]
    codes = Image.fromarray((PLANE > 0).astype(np.uint8), mode="P")
    codes.putpalette([0, 0, 0, 0, 0, 40])
    codes.save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png").tolist() == [[0, 1, 0], [0, 1, 1]]


def test_a_mask_is_no_jpeg_and_finite(tmp_path: Path) -> None:
    Image.fromarray(PLANE).save(tmp_path / "mask.jpg")
    with pytest.raises(MedganError, match=r"mask.jpg is a JPEG, which blurs the edge of a mask; save it as PNG"):
        read_mask(tmp_path / "mask.jpg")
    np.save(tmp_path / "mask.npy", np.array([[0.0, np.nan]]))
    with pytest.raises(MedganError, match=r"mask.npy holds values that are not finite"):
        read_mask(tmp_path / "mask.npy")


@pytest.mark.parametrize("kind", [np.uint8, np.bool_, np.int64, np.float32])
def test_an_array_is_lesion_where_it_is_not_zero(tmp_path: Path, kind: type[Any]) -> None:
    np.save(tmp_path / "mask.npy", PLANE.astype(kind))
    mask = read_mask(tmp_path / "mask.npy")
    assert mask.dtype == np.uint8 and mask.tolist() == [[0, 1, 0], [0, 1, 1]]


def test_values_between_zero_and_one_and_below_zero_are_lesion(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.array([[0.0, 0.25, -1.0]]))
    assert read_mask(tmp_path / "mask.npy").tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("name", ["mask.png", "mask.npy"])
def test_a_missing_file_is_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(MedganError, match=rf"{name} does not exist; name a picture or a \.npy file"):
        read_mask(tmp_path / name)


@pytest.mark.parametrize("name", ["mask.png", "mask.npy", "mask.txt"])
def test_a_text_file_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a lesion, upper left")
    with pytest.raises(MedganError, match=rf"{name} cannot be read as a picture or \.npy file"):
        read_mask(tmp_path / name)


@pytest.mark.parametrize("name", ["mask.png", "mask.npy"])
def test_half_a_file_and_a_folder_are_sentences(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    whole = tmp_path / f"whole{name}"
    if name.endswith("npy"):
        np.save(whole, noise)
    else:
        Image.fromarray(noise).save(whole)
    (tmp_path / name).write_bytes(whole.read_bytes()[:-200])
    (tmp_path / f"folder{name}").mkdir()
    for path in (tmp_path / name, tmp_path / f"folder{name}"):
        with pytest.raises(MedganError, match="cannot be read"):
            read_mask(path)


def test_an_empty_picture_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"")
    with pytest.raises(MedganError, match="cannot be read"):
        read_mask(tmp_path / "mask.png")


def test_an_empty_array_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mask.npy").write_bytes(b"")
    with pytest.raises(MedganError, match="cannot be read"):
        read_mask(tmp_path / "mask.npy")


def test_several_arrays_in_one_file_are_a_sentence(tmp_path: Path) -> None:
    np.savez(tmp_path / "mask.npz", mask=PLANE)
    (tmp_path / "mask.npz").rename(tmp_path / "mask.npy")
    with pytest.raises(MedganError):
        read_mask(tmp_path / "mask.npy")


@pytest.mark.parametrize("shape", [(2, 3, 1), (1, 2, 3), (6,), ()])
def test_an_array_that_is_no_plane_is_a_sentence(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "mask.npy", np.ones(shape))
    with pytest.raises(MedganError) as caught:
        read_mask(tmp_path / "mask.npy")
    assert f"has shape {shape}; a plane (height, width) is needed" in str(caught.value)


def test_colours_of_16_bits_are_not_cut_to_black(tmp_path: Path) -> None:
    colours = np.dstack([PLANE.astype("<u2")] * 3).tobytes()
    (tmp_path / "mask.tif").write_bytes(tiff(3, 2, colours, bits=(16, 16, 16), photometric=2))
    with pytest.raises(MedganError, match="colours or alpha of 16 bits"):
        read_mask(tmp_path / "mask.tif")


def test_16_bits_whose_0_is_white_are_not_read_as_their_ground(tmp_path: Path) -> None:
    (tmp_path / "mask.tif").write_bytes(tiff(3, 2, PLANE.astype("<u2").tobytes(), bits=(16,), photometric=0))
    with pytest.raises(MedganError, match="its 0 is white"):
        read_mask(tmp_path / "mask.tif")


def test_a_drawing_on_a_ground_that_is_not_black_is_no_mask(tmp_path: Path) -> None:
    """It would be lesion all over. A picture of one value alone may be just that."""
    white = np.full((2, 3, 3), 255, np.uint8)
    white[0, 0] = (255, 0, 0)
    Image.fromarray(white).save(tmp_path / "colours.png")
    Image.fromarray(np.maximum(PLANE, 1)).save(tmp_path / "grey.png")
    np.save(tmp_path / "shares.npy", np.maximum(PLANE, 1) / 300)
    for name in ("colours.png", "grey.png", "shares.npy"):
        with pytest.raises(MedganError, match="it is nowhere 0 and has several"):
            read_mask(tmp_path / name)
    Image.fromarray(white * 0 + 255).save(tmp_path / "all.png")
    assert read_mask(tmp_path / "all.png").all()


def test_a_palette_all_of_whose_colours_are_black_hides_no_lesion(tmp_path: Path) -> None:
    codes = Image.fromarray((PLANE > 0).astype(np.uint8), mode="P")
    codes.putpalette([0, 0, 0, 0, 0, 0])
    codes.save(tmp_path / "mask.png")
    with pytest.raises(MedganError, match="all the colours of its palette are black"):
        read_mask(tmp_path / "mask.png")


def test_an_array_of_something_else_is_a_sentence_and_the_case_of_its_suffix_is_none(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", PLANE.astype("U1"))
    with pytest.raises(MedganError, match="its values are no numbers"):
        read_mask(tmp_path / "words.npy")
    np.save(tmp_path / "mask.npy", PLANE)
    assert read_mask((tmp_path / "mask.npy").rename(tmp_path / "MASK.NPY")).any()


def test_an_array_whose_header_is_no_python_is_a_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", PLANE)
    whole = (tmp_path / "mask.npy").read_bytes()
    for wrong in (b"{'descr'( ", b"{'descr'\0:"):
        (tmp_path / "mask.npy").write_bytes(whole.replace(b"{'descr': ", wrong))
        with pytest.raises(MedganError, match="cannot be read as a picture or"):
            read_mask(tmp_path / "mask.npy")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': 'DOE', 'fortran_order': False, 'shape': (4, 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 'DOE')}",
        "{'descr': [('DOE', '<f4')], 'fortran_order': False, 'shape': (4,)}",
        "{'DOE': 1}",
        "DOE ((",
    ],
)
def test_a_damaged_array_is_a_sentence_that_quotes_it_only_to_people(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(64))
    with pytest.raises(MedganError, match="cannot be read") as raised:
        read_mask(path)
    assert "DOE" not in public(str(raised.value))
