"""MedMNIST's files, written here in their real format and small."""

import hashlib
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_folder import fitted

from medgan.config.checking import build
from medgan.data.spec import ImageSpec, Sample
from medgan.errors import MedganError
from medgan.sources import SOURCES
from medgan.sources.medmnist import MedMnist, flags, information, table

GREY = ImageSpec(16, 1)
COUNTS = {"train": 5, "val": 2, "test": 3}


def arrays(side: int = 28, *, channels: int = 1, classes: int = 2) -> dict[str, Any]:
    """What such a file holds: images of one shade, label and shade told by the index."""
    held: dict[str, Any] = {}
    for part, count in COUNTS.items():
        shape = (count, side, side) if channels == 1 else (count, side, side, channels)
        shades = (np.arange(count) * 20 + 7 * len(part)).reshape(-1, *[1] * (len(shape) - 1))
        held[f"{part}_images"] = np.broadcast_to(shades, shape).astype(np.uint8)
        held[f"{part}_labels"] = (np.arange(count) % classes).astype(np.uint8)[:, None]
    return held


def store(path: Path, **held: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **held)
    return path


def read(raw: Path, flag: str = "pneumoniamnist", spec: ImageSpec = GREY) -> list[Sample]:
    samples, rejected = fitted(MedMnist(flag=flag), raw, spec)
    assert not rejected
    return samples


def test_all_parts_are_samples_and_each_is_its_own_patient(tmp_path: Path) -> None:
    held = arrays()
    store(tmp_path / "pneumoniamnist.npz", **held)
    samples = read(tmp_path)
    origins = [f"{part}/{index:05d}" for part, count in COUNTS.items() for index in range(count)]
    assert [sample.origin for sample in samples] == [sample.patient for sample in samples] == origins
    assert [sample.label for sample in samples[:3]] == ["normal", "pneumonia", "normal"]
    assert samples[1].digest == hashlib.sha256(held["train_images"][1].tobytes()).hexdigest()
    assert {(sample.image.shape, str(sample.image.dtype)) for sample in samples} == {((16, 16, 1), "uint8")}
    assert [int(sample.image.mean()) for sample in samples[:3]] == [35, 55, 75]


@pytest.mark.parametrize(("stored", "size"), [(28, 32), (64, 64), (64, 32)])
def test_grey_becomes_colour_and_colour_grey_at_the_asked_size(tmp_path: Path, stored: int, size: int) -> None:
    suffix = "" if stored == 28 else f"_{stored}"
    store(tmp_path / f"pneumoniamnist{suffix}.npz", **arrays(stored))
    store(tmp_path / f"dermamnist{suffix}.npz", **arrays(stored, channels=3, classes=7))
    for flag in ("pneumoniamnist", "dermamnist"):
        for channels in (1, 3):
            sample = read(tmp_path, flag, ImageSpec(size, channels))[2]
            assert sample.image.shape == (size, size, channels)
            assert (sample.image == 75).all()


def test_colours_keep_their_order_and_become_grey_by_luminance(tmp_path: Path) -> None:
    held = arrays(64, channels=3)
    held["train_images"] = np.zeros((5, 64, 64, 3), np.uint8) + np.array([200, 100, 0], np.uint8)
    store(tmp_path / "dermamnist_64.npz", **held)
    assert read(tmp_path, "dermamnist", ImageSpec(32, 3))[0].image[4, 4].tolist() == [200, 100, 0]
    luminance = Image.new("RGB", (1, 1), (200, 100, 0)).convert("L").getpixel((0, 0))
    assert read(tmp_path, "dermamnist", ImageSpec(32, 1))[0].image[4, 4].tolist() == [luminance]


@pytest.mark.parametrize(
    ("present", "size", "chosen"),
    [([28, 64, 128], 64, 64), ([28, 128], 64, 128), ([28, 64, 224], 16, 28), ([28, 64], 128, 64), ([224], 32, 224)],
)
def test_the_smallest_size_that_suffices_is_read(tmp_path: Path, present: list[int], size: int, chosen: int) -> None:
    for stored in present:
        held = arrays(2)
        held["train_images"][:] = stored
        store(tmp_path / f"pneumoniamnist{'' if stored == 28 else f'_{stored}'}.npz", **held)
    assert (read(tmp_path, spec=ImageSpec(size, 1))[0].image == chosen).all()


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "other flag"])
def test_a_folder_without_the_file_says_what_to_run(tmp_path: Path, kind: str) -> None:
    raw = tmp_path / "raw"
    if kind == "file":
        raw.write_text("x")
    elif kind != "missing":
        raw.mkdir()
    if kind == "other flag":
        store(raw / "dermamnist_64.npz", **arrays(64, channels=3))
    with pytest.raises(MedganError, match=rf"{raw} holds none of .*_64\.npz.*run `medgan data fetch pneumoniamnist`"):
        read(raw)


def test_images_are_unpacked_one_by_one_and_stored_by_column_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {name: np.asfortranarray(array) for name, array in arrays().items()}
    store(tmp_path / "by-column" / "pneumoniamnist.npz", **held)
    store(tmp_path / "by-row" / "pneumoniamnist.npz", **arrays())
    by_column, by_row = (read(tmp_path / name) for name in ("by-column", "by-row"))
    assert [sample.digest for sample in by_column] == [sample.digest for sample in by_row]
    assert all((one.image == other.image).all() for one, other in zip(by_column, by_row, strict=True))
    store(tmp_path / "pneumoniamnist.npz", **(arrays() | {"test_images": np.zeros(1), "val_images": np.zeros(1)}))
    first = next(MedMnist(flag="pneumoniamnist").samples(tmp_path, GREY))  # the others are not looked at
    assert isinstance(first, Sample) and first.image.shape == (28, 28, 1)


def damaged(kind: str) -> dict[str, Any]:
    held = arrays()
    match kind:
        case "no test part":
            del held["test_labels"]
        case "another dtype":
            held["train_images"] = held["train_images"].astype(np.float32)
        case "volumes":
            held["train_images"] = np.zeros((5, 8, 8, 8), np.uint8)
        case "fewer labels":
            held["train_labels"] = held["train_labels"][:-1]
        case "several labels":
            held["train_labels"] = np.zeros((5, 14), np.uint8)
        case "a label too many":
            held["val_labels"][1] = 2
        case "pickles":
            held["train_images"] = np.array([{}] * 5, dtype=object)
    return held


@pytest.mark.parametrize(
    "kind",
    ["no test part", "another dtype", "volumes", "fewer labels", "several labels", "a label too many", "pickles"],
)
def test_a_file_with_other_content_is_a_sentence_with_its_name_and_remedy(tmp_path: Path, kind: str) -> None:
    path = store(tmp_path / "pneumoniamnist_64.npz", **damaged(kind))
    with pytest.raises(
        MedganError, match=rf"{path} is damaged \(.+\); remove it and run `medgan data fetch pneumoniamnist`"
    ):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["empty", "text", "torn", "array", "flipped"])
def test_a_damaged_file_is_a_sentence_with_its_name_and_remedy(tmp_path: Path, kind: str) -> None:
    path = store(tmp_path / "pneumoniamnist.npz", **arrays())
    content = bytearray(path.read_bytes())
    if kind == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "flipped":
        with zipfile.ZipFile(path) as archive:
            start = archive.getinfo("val_images.npy").header_offset
        content[start + 90] ^= 0xFF
        path.write_bytes(content)
    else:
        path.write_bytes({"empty": b"", "text": b"not an archive", "torn": bytes(content[: len(content) // 2])}[kind])
    with pytest.raises(
        MedganError, match=rf"{path} is damaged \(.+\); remove it and run `medgan data fetch pneumoniamnist`"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("pneumoniaminst", r"unknown medmnist data set 'pneumoniaminst' \(did you mean 'pneumoniamnist'\?\)"),
        ("chestmnist", r"'chestmnist' has several labels an image.*choices: .*pneumoniamnist"),
        ("organmnist3d", r"'organmnist3d' has volumes.*choices: .*organamnist"),
    ],
)
def test_a_flag_that_cannot_be_read_is_a_sentence_before_any_file_is_sought(flag: str, says: str) -> None:
    with pytest.raises(MedganError, match=says):
        build(SOURCES, "medmnist", {"flag": flag}, "data.options")


def test_the_flag_must_be_given() -> None:
    with pytest.raises(MedganError, match=r"'data.options.flag' is missing"):
        build(SOURCES, "medmnist", {}, "data.options")


def test_the_package_s_table_is_read_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(flags()) == 11
    assert len(table()) == 18
    for flag in flags():
        entry = information(flag)
        assert list(entry["label"]) == [str(code) for code in range(len(entry["label"]))]
        assert {"url", "url_64", "url_128", "url_224", "MD5", "MD5_64", "MD5_128", "MD5_224"} <= entry.keys()
    assert "medmnist" not in sys.modules
    assert not list(tmp_path.iterdir())


def test_an_array_whose_header_is_no_python_is_damaged(tmp_path: Path) -> None:
    path = store(tmp_path / "pneumoniamnist.npz", **arrays())
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(b"{'descr': ", b"{'descr'( "))
    with pytest.raises(MedganError, match="is damaged"):
        read(tmp_path)
