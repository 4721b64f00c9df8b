"""Masks from files, which images stand for a class, and what a translated one is shown beside."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans import build_gan
from medgan.gans.drawing import GRID_COLUMNS, generate, sample_grid
from medgan.imaging.grids import below, by_class, check_suffix, grid, read_mask, to_uint8

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


@pytest.mark.parametrize("name", ["grid", "grid.xyz", "folder.png"])
def test_a_name_that_is_no_picture_s_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(MedganError, match=rf"{name} is no name for a picture; give one that ends in \.png"):
        check_suffix(tmp_path / name)
    check_suffix(tmp_path / "GRID.PNG")


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


def test_a_class_of_too_few_images_repeats_them() -> None:
    labels = np.array([0, 1, 0, 1, 0, 0])
    everything = np.ones(6, bool)
    assert by_class(labels, everything, classes=2, columns=4) == [0, 2, 4, 5, 1, 1, 3, 3]
    assert by_class(labels, everything, classes=2, columns=5) == [0, 0, 2, 4, 5, 1, 1, 1, 3, 3]
    assert by_class(labels, labels == 1, classes=0, columns=1) == [1, 1, 3, 3]
    assert by_class(None, np.array([False, True, False]), classes=0, columns=2) == [1] * 8


def test_a_class_without_images_in_a_split_has_no_row() -> None:
    """Splits are stratified by the patient's most common class: a split may lack a rare one."""
    labels, allowed = np.array([0, 1, 0]), np.array([True, False, True])
    assert by_class(labels, allowed, classes=2, columns=2) == [0, 2]


def test_pictures_below_each_other_share_their_channels() -> None:
    grey, colour = np.full((2, 4, 1), 7, np.uint8), np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    both = below([grey, colour])
    assert both.shape == (5, 4, 3) and (both[:2] == 7).all() and np.array_equal(both[2:], colour)
    assert np.array_equal(below([grey]), grey)


@pytest.mark.parametrize(("channels", "given"), [(1, 1), (1, 2), (1, 3), (3, 1), (3, 2), (3, 3)])
def test_a_translated_row_stands_between_its_sources_and_its_targets_and_errors(
    config: Config, channels: int, given: int
) -> None:
    """Sources in colour where images are, else grey; the error is black at none and white at a quarter of the range."""
    model = {"name": "unet", "width": 4, "max_width": 8, "levels": 1, "discriminator_width": 4}
    changed = config.override({"gan.name": "translation", "gan.model": model})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        gan = build_gan(changed.gan, ImageSpec(16, channels, source_channels=given))
        source = torch.rand(2 * GRID_COLUMNS, given, 16, 16) * 2 - 1
        noise = torch.rand(2 * GRID_COLUMNS, channels, 16, 16)
    drawn = generate(gan, gan.generators, len(source), {"source": source}, seed=0)
    # Near enough that most errors are neither black nor white.
    target = (torch.from_numpy(drawn) + noise - 0.5).clamp(-1, 1)
    seen = {1: source, 2: source[:, :1], 3: source if channels == 3 else source.mean(dim=1, keepdim=True)}[given]
    sources = to_uint8(seen.expand(-1, channels, -1, -1).numpy())
    errors = np.abs(drawn - target.numpy()).clip(0, 0.5).transpose(0, 2, 3, 1) / 0.5 * 255
    sides = (sources, to_uint8(drawn), to_uint8(target.numpy()), np.rint(errors).astype(np.uint8))
    rows = [side[start : start + GRID_COLUMNS] for start in (0, GRID_COLUMNS) for side in sides]
    expected = grid(np.concatenate(rows), columns=GRID_COLUMNS)
    picture = sample_grid(gan, gan.generators, {"source": source, "target": target})
    assert picture.shape == expected.shape
    # The errors were rounded in another order.
    assert np.abs(picture.astype(int) - expected).max() <= 1
    # Without targets there is no error to show.
    alone = sample_grid(gan, gan.generators, {"source": source})
    assert np.array_equal(alone, grid(np.concatenate([rows[i] for i in (0, 1, 4, 5)]), columns=GRID_COLUMNS))
