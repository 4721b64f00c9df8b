"""Folders whose labels, patients, splits and masks are said by names, by a table or by a second folder."""

import os
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from test_folder import picture, read

from medgan.config.checking import build
from medgan.config.data import DataConfig
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.sources import SOURCES
from medgan.sources.folder import Folder
from medgan.sources.prepare import prepare

ROOT = Path(__file__).parents[1]


def folder(**options: Any) -> Folder:
    source = build(SOURCES, "folder", options, "data.options")
    assert isinstance(source, Folder)
    return source


def reasons(raw: Path, source: Folder) -> dict[str, str]:
    return {item.origin: item.reason for item in read(raw, source)[1]}


def mask_of(path: Path, square: slice, shape: tuple[int, int] = (16, 16)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(shape, np.uint8)
    mask[square, square] = 255
    Image.fromarray(mask).save(path)


def test_labels_and_patients_by_name(tmp_path: Path) -> None:
    for number, name in enumerate(["train/p7_ill_1.png", "test/p8_well_1.png", "test/x.png"]):
        picture(tmp_path / name, shade=number)
    source = folder(label="_(ill|well)_", patient=r"^(p\d+)_")
    samples, rejected = read(tmp_path, source)
    assert sorted((s.label, s.patient) for s in samples) == [("ill", "p7"), ("well", "p8")]
    assert [item.origin for item in rejected] == ["test/x.png"]
    assert "does not match the name" in rejected[0].reason


def test_ranges_of_numbers_are_patients(tmp_path: Path) -> None:
    for number in (0, 24, 25, 1000):
        picture(tmp_path / "ill" / f"{number}.png", shade=number % 256)
    picture(tmp_path / "ill" / "x.png", shade=3)
    samples, rejected = read(tmp_path, folder(patient=r"^(\w+)\.", patient_ranges=25))
    assert [s.patient for s in samples] == ["0 to 24", "1000 to 1024", "0 to 24", "25 to 49"]
    assert [item.origin for item in rejected] == ["ill/x.png"] and "needs a number" in rejected[0].reason
    for options in ({"patient_ranges": 25}, {"patient": "(.)", "patient_ranges": 0}):
        with pytest.raises(MedganError, match="needs a number above 0, and `patient`"):
            folder(**options)


def test_other_names_of_classes_and_files_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("0/a.png", "1/b.png", "2/c.png"):
        picture(tmp_path / name)
    (tmp_path / "0" / "a.txt").touch()
    with caplog.at_level("INFO"):
        samples, rejected = read(tmp_path, folder(classes={"0": "pituitary", "1": "glioma"}, files=r"\.png$"))
    assert [s.label for s in samples] == ["pituitary", "glioma"] and not rejected
    assert "leaves out 1 files, such as 0/a.txt" in caplog.text


def test_a_table_decides_what_it_has_columns_for(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / "images" / f"00{number}.png", shade=number)
    (tmp_path / "t.csv").write_text(
        "name;kind;id;part\n000;ill;07;train\n001;well;07;test\n002;;1;test\n009;ill;1;test\n"
    )
    source = folder(table={"path": "t.csv", "file": "name", "label": "kind", "patient": "id", "split": "part"})
    samples, _ = read(tmp_path, source)
    assert [(s.label, s.patient, s.test) for s in samples] == [("ill", "07", False), ("well", "07", True)]
    assert reasons(tmp_path, source) == {
        "009": "the table names it, and it is not there",
        "images/002.png": "the table's kind is empty",
        "images/003.png": "the table has no row for it",
    }


def test_a_file_that_cannot_be_used_is_of_no_class_that_its_folder_only_seems_to_be(tmp_path: Path) -> None:
    """Else one image without a row would be a class, images, that is lost."""
    for number in range(3):
        picture(tmp_path / "images" / f"00{number}.png", shade=number)
    (tmp_path / "images" / "notes.txt").write_text("seen")
    (tmp_path / "t.csv").write_text("name,kind,id\n000,ill,7\n001,well,\n")
    source = folder(table={"path": "t.csv", "file": "name", "label": "kind", "patient": "id"})
    labels = {item.origin: item.label for item in read(tmp_path, source)[1]}
    assert labels == {"images/001.png": "well", "images/002.png": None, "images/notes.txt": None}
    by_name = folder(label="(00[01])")
    labels = {item.origin: item.label for item in read(tmp_path, by_name)[1]}
    assert labels == {"images/002.png": None, "images/notes.txt": None, "t.csv": None}


def test_classes_may_be_folders_within_others(tmp_path: Path) -> None:
    for name in ("train/ill/a.png", "train/well/b.png", "train/well/deep/c.png", "test/ill/d.png", "train/x.png"):
        picture(tmp_path / name)
    samples, _ = read(tmp_path, folder(classes=["train/ill", "train/well/"]))
    assert [s.label for s in samples] == ["train/ill", "train/well", "train/well"]
    samples, _ = read(tmp_path, folder(classes={"train/ill": "ill", "train/well": "well", "test/ill": "ill"}))
    assert [s.label for s in samples] == ["ill", "ill", "well", "well"]


@pytest.mark.parametrize("options", [{"classes": ["{}/a"]}, {"classes": ["../raw/a"]}, {"masks": "{}/a"}])
def test_folders_that_lead_out_of_the_data_are_a_sentence(tmp_path: Path, options: dict[str, Any]) -> None:
    picture(tmp_path / "raw" / "a" / "1.png")
    given = {
        key: [name.format(tmp_path / "raw") for name in value] if key == "classes" else value.format(tmp_path / "raw")
        for key, value in options.items()
    }
    with pytest.raises(MedganError, match=r"leads out of .*; name a folder within it"):
        read(tmp_path / "raw", folder(**given))


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "ill" / "a.png")
    for name in ("well", "none/deep", "masks", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "none" / ".DS_Store").touch()
    _, rejected = read(tmp_path, folder(masks="masks"))
    assert [(item.origin, item.label) for item in rejected if "no file" in item.reason] == [
        ("none", "none"),
        ("well", "well"),
    ]
    assert [item.label for item in read(tmp_path, folder(classes={"ill": "1", "well": "0"}))[1]] == ["0"]
    assert not read(tmp_path, folder(label="(ill)"))[1]
    os.mkdir(os.fsencode(tmp_path) + b"/\xff")  # noqa: PTH102 (a name that is no text)
    assert ("\\xff", None) in [(item.origin, item.label) for item in read(tmp_path, folder())[1]]


def test_a_misspelt_option_of_a_table_is_named() -> None:
    with pytest.raises(MedganError, match=r"data\.options\.table\.labels"):
        folder(table={"path": "t.csv", "file": "name", "labels": "kind"})


def test_masks_by_name_path_or_table(tmp_path: Path) -> None:
    for number, name in enumerate(["images/a/1.png", "images/b/1.png", "images/2.png"]):
        picture(tmp_path / name, shade=number)
    mask_of(tmp_path / "masks" / "images" / "a" / "1_seg.png", slice(0, 4))
    mask_of(tmp_path / "masks" / "images" / "b" / "1_seg.png", slice(0, 8))
    mask_of(tmp_path / "masks" / "2_seg.png", slice(0, 2))
    mask_of(tmp_path / "masks" / "9_seg.png", slice(0, 2))
    samples, rejected = read(tmp_path, folder(masks="masks", mask_suffix="_seg"))
    sums = {s.origin: int(s.mask.sum()) for s in samples if s.mask is not None}
    assert sums == {"images/a/1.png": 16, "images/b/1.png": 64, "images/2.png": 4}
    assert [(r.origin, r.reason) for r in rejected] == [("masks/9_seg.png", "it is a mask, and its image is not there")]
    (tmp_path / "t.csv").write_text("f,m\nimages/a/1,9_seg\nimages/b/1,\n2,nothing\n")
    by_table = folder(masks="masks", mask_suffix="_seg", table={"path": "t.csv", "file": "f", "mask": "m"})
    samples, _ = read(tmp_path, by_table)
    assert {s.origin: int(s.mask.sum()) for s in samples if s.mask is not None} == {
        "images/a/1.png": 4,
        "images/b/1.png": 64,
    }
    with pytest.raises(MedganError, match=r"needs data\.options\.masks"):
        read(tmp_path, folder(table={"path": "t.csv", "file": "f", "mask": "m"}))


def test_masks_of_another_size_are_fitted_and_of_another_shape_only_if_asked(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png", size=(32, 32))
    mask_of(tmp_path / "masks" / "a.png", slice(0, 8), (64, 64))
    (sample,), _ = read(tmp_path, folder(masks="masks"))
    assert sample.mask is not None and sample.mask.shape == (16, 16, 1)
    assert sample.mask[:2, :2].all() and sample.mask.sum() == 4
    mask_of(tmp_path / "masks" / "a.png", slice(0, 32), (64, 128))
    assert "64 pixels and it has 32x32, of another shape" in reasons(tmp_path, folder(masks="masks"))["images/a.png"]
    (sample,), _ = read(tmp_path, folder(masks="masks", mask_fit="stretch"))
    assert sample.mask is not None and sample.mask[:8, :4].all() and sample.mask.sum() == 32


def test_masks_that_cannot_be_used(tmp_path: Path) -> None:
    for number, name in enumerate(["a.png", "b.png", "c.png", "d.png"]):
        picture(tmp_path / "images" / name, shade=number)
    picture(tmp_path / "masks" / "a.jpg")
    (tmp_path / "masks" / "b.png").write_bytes(b"no picture")
    mask_of(tmp_path / "masks" / "x" / "d.png", slice(0, 2))
    mask_of(tmp_path / "masks" / "y" / "d.png", slice(0, 2))
    found = reasons(tmp_path, folder(masks="masks"))
    assert "its mask: it is a JPEG" in found["images/a.png"]
    assert found["images/b.png"].startswith("its mask: it cannot be read")
    assert "masks has no mask of its name and suffix" in found["images/c.png"]
    assert "masks has 2 masks for it" in found["images/d.png"]


REAL = {
    "brain-tumour": ("brain-tumour-cheng", "cheng", {"glioma": 474, "meningioma": 237, "pituitary": 310}),
    "chest-xray": ("chest-xray-kermany", "chest_xray", {"NORMAL": 908, "PNEUMONIA": 2285}),
    "isic": ("isic2017-lesions", "isic2017", {"melanoma": 374, "nevus": 1372, "seborrheic_keratosis": 254}),
    "isic-mscgan": ("isic2017-lesions", "isic2017", {"melanoma": 374, "nevus": 1372, "seborrheic_keratosis": 254}),
}


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize(
    "recipe", [pytest.param(name, marks=pytest.mark.exhaustive if name == "isic-mscgan" else ()) for name in REAL]
)
def test_the_real_files(tmp_path: Path, recipe: str) -> None:
    archive, name, expected = REAL[recipe]
    unpack(archive, tmp_path)
    prepared = prepare_recipe(recipe, tmp_path / name, tmp_path / "prepared")
    names = [prepared.label_names[label] for label in prepared.labels]
    assert Counter(names) == expected
    assert {(n, s) for n, s in zip(names, prepared.splits, strict=True)} == {
        (n, s) for n in expected for s in ("train", "validation", "test")
    }
    assert (tmp_path / "prepared" / "rejected.csv").read_text() == "number,reason\n"
    if recipe in ("brain-tumour", "isic-mscgan"):
        assert np.load(tmp_path / "prepared" / "masks.npy").reshape(len(names), -1).any(axis=1).all()


def unpack(archive: str, folder: Path) -> None:
    with tarfile.open(Path(os.environ["MEDGAN_REAL_DATA"]) / f"{archive}.tar.xz") as members:
        for member in members:  # plain files only, and nowhere else
            path = (folder / member.name).resolve()
            file = members.extractfile(member) if member.isfile() and path.is_relative_to(folder.resolve()) else None
            if file is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.read())


def prepare_recipe(recipe: str, raw: Path, directory: Path) -> Prepared:
    section = yaml.safe_load((ROOT / "recipes" / "default.yaml").read_text())["data"]
    section |= yaml.safe_load((ROOT / "recipes" / f"{recipe}.yaml").read_text())["data"]
    return prepare(DataConfig(**{**section, "raw": raw}), directory, seed=0)
