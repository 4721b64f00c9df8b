"""Folders of pictures, as people have them: mixed formats, sizes and colours, broken files, other files."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import SIXTEEN_BITS
from medgan.sources import Source
from medgan.sources.files import check_raw
from medgan.sources.fit import fit
from medgan.sources.folder import Folder
from medgan.sources.prepare import prepare

GREY = ImageSpec(16, 1)


def picture(path: Path, *, size: tuple[int, int] = (16, 16), mode: str = "L", shade: int = 90) -> Path:
    """A gradient, so that two shades are two files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (np.add.outer(np.arange(size[1]), np.arange(size[0])) * 3 + shade) % 256
    Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(path)
    return path


def read(raw: Path, source: Folder | None = None, spec: ImageSpec = GREY) -> tuple[list[Sample], list[Rejected]]:
    return fitted(source or Folder(), raw, spec)


def fitted(source: Source, raw: Path, spec: ImageSpec) -> tuple[list[Sample], list[Rejected]]:
    """All that a source gives, fitted to the spec."""
    given = (made for item in source.samples(raw, spec) for made in (item() if callable(item) else (item,)))
    items = [fit(item, spec, source.intensity) if isinstance(item, Sample) else item for item in given]
    return [i for i in items if isinstance(i, Sample)], [i for i in items if isinstance(i, Rejected)]


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.jpg", "a.jpeg", "a.tif", "a.TIFF", "a.bmp"])
@pytest.mark.parametrize("spec", [GREY, ImageSpec(16, 3)])
def test_each_format_is_read_in_both_colours(tmp_path: Path, name: str, spec: ImageSpec) -> None:
    picture(tmp_path / "ill" / name)
    (sample,), rejected = read(tmp_path, spec=spec)
    assert not rejected
    assert (sample.label, sample.origin) == ("ill", f"ill/{name}")
    assert sample.image.shape == (16, 16, spec.channels)
    assert sample.image.dtype == np.uint8
    expected = np.asarray(Image.open(tmp_path / "ill" / name))[..., None]
    assert np.array_equal(sample.image, expected.repeat(spec.channels, axis=2))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "1", "CMYK"])
def test_each_colour_mode_becomes_grey_or_colour(tmp_path: Path, mode: str) -> None:
    picture(tmp_path / "ill" / "a.tif", mode=mode)
    for spec in (GREY, ImageSpec(16, 3)):
        (sample,), rejected = read(tmp_path, spec=spec)
        assert not rejected
        assert sample.image.shape == (16, 16, spec.channels)
        assert sample.image.std() > 10


def test_colour_is_kept(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = 200, 30
    (tmp_path / "skin").mkdir()
    Image.fromarray(pixels).save(tmp_path / "skin" / "a.png")
    (sample,), _ = read(tmp_path, spec=ImageSpec(16, 3))
    assert np.array_equal(sample.image, pixels)


@pytest.mark.parametrize("size", [(40, 16), (16, 40), (100, 50), (8, 20)])
def test_the_longer_side_is_cropped_at_its_centre(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    side = min(size)
    pixels = np.zeros((height, width), np.uint8)
    left, top = (width - side) // 2, (height - side) // 2
    pixels[top : top + side, left : left + side] = 200
    (tmp_path / "ill").mkdir()
    Image.fromarray(pixels).save(tmp_path / "ill" / "a.png")
    (sample,), _ = read(tmp_path)
    assert sample.image.shape == (16, 16, 1)
    # The filter reaches a pixel across the border of the crop; a crop elsewhere would be far darker.
    assert abs(sample.image.mean() - 200) < 6


def test_shape_is_kept_when_a_square_is_scaled(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:32, :32] = 255
    (tmp_path / "ill").mkdir()
    Image.fromarray(pixels).save(tmp_path / "ill" / "a.png")
    (sample,), _ = read(tmp_path)
    assert sample.image[:7, :7].min() > 230
    assert sample.image[9:, :].max() < 25
    assert sample.image[:, 9:].max() < 25


def test_folders_inside_a_class_belong_to_it_and_loose_files_to_none(tmp_path: Path) -> None:
    picture(tmp_path / "ill" / "scanner-1" / "day-2" / "a.png")
    picture(tmp_path / "loose.png")
    samples, _ = read(tmp_path)
    assert {sample.origin: sample.label for sample in samples} == {
        "ill/scanner-1/day-2/a.png": "ill",
        "loose.png": None,
    }


def test_files_come_in_an_order_that_does_not_depend_on_the_disk(tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        picture(tmp_path / "ill" / f"{name}.png")
    samples, _ = read(tmp_path)
    assert [sample.origin for sample in samples] == ["ill/a.png", "ill/b.png", "ill/c.png"]


def test_identical_files_have_one_digest_and_others_another(tmp_path: Path) -> None:
    first = picture(tmp_path / "ill" / "a.png")
    (tmp_path / "ill" / "b.png").write_bytes(first.read_bytes())
    picture(tmp_path / "ill" / "c.png", shade=91)
    one, two, three = (sample.digest for sample in read(tmp_path)[0])
    assert one == two != three


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"", "empty.png"), (b"not a picture", "text.jpg"), (b"\x89PNG\r\n\x1a\n" + b"x" * 40, "head.png")],
)
def test_a_broken_file_is_rejected_and_the_others_are_read(tmp_path: Path, content: bytes, name: str) -> None:
    picture(tmp_path / "ill" / "a.png")
    (tmp_path / "ill" / name).write_bytes(content)
    samples, (rejected,) = read(tmp_path)
    assert len(samples) == 1
    assert rejected.origin == f"ill/{name}"
    assert rejected.reason
    assert "\n" not in rejected.reason
    assert str(tmp_path) not in rejected.reason


def test_a_file_that_claims_a_size_beyond_reason_is_rejected(tmp_path: Path) -> None:
    path = picture(tmp_path / "ill" / "bomb.png")
    content = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + content[24:29]
    path.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])
    samples, (rejected,) = read(tmp_path)
    assert not samples
    assert "3600000000 pixels" in rejected.reason


@pytest.mark.parametrize("name", ["torn.png", "torn.jpg", "torn.tif"])
def test_a_torn_file_is_rejected(tmp_path: Path, name: str) -> None:
    path = picture(tmp_path / "ill" / name, size=(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    picture(tmp_path / "ill" / "whole.png")
    samples, (rejected,) = read(tmp_path)
    assert [sample.origin for sample in samples] == ["ill/whole.png"]
    assert rejected.origin == f"ill/{name}"


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_are_rejected_rather_than_cut(tmp_path: Path, name: str) -> None:
    (tmp_path / "ill").mkdir()
    Image.fromarray(np.full((16, 16), 4000, np.uint16)).save(tmp_path / "ill" / name)
    samples, (rejected,) = read(tmp_path)
    assert not samples
    assert rejected.reason == "its pixels have 16 bits and data.options.bits is 8; a data set has one depth"
    (sample,), _ = read(tmp_path, Folder(bits=16))
    assert sample.image.dtype == np.uint16 and (sample.image == 4000).all()


def test_a_floating_point_tiff_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "ill").mkdir()
    Image.fromarray(np.full((16, 16), 0.5, np.float32)).save(tmp_path / "ill" / "a.tif")
    assert "floats of 32 bits from 0.5 to 0.5" in read(tmp_path)[1][0].reason


def test_hidden_files_are_passed_over_and_other_files_are_listed(tmp_path: Path) -> None:
    picture(tmp_path / "ill" / "a.png")
    picture(tmp_path / "ill" / ".hidden.png")
    picture(tmp_path / ".ipynb_checkpoints" / "a-checkpoint.png")
    (tmp_path / "ill" / "notes.txt").write_text("x")
    (tmp_path / "README").write_text("x")
    samples, rejected = read(tmp_path)
    assert [sample.origin for sample in samples] == ["ill/a.png"]
    assert {item.origin: item.reason for item in rejected} == {
        "README": "its suffix «(none)» is none of .bmp, .jpeg, .jpg, .png, .tif, .tiff",
        "ill/notes.txt": "its suffix «.txt» is none of .bmp, .jpeg, .jpg, .png, .tif, .tiff",
    }


def test_a_hidden_folder_above_the_data_does_not_hide_it(tmp_path: Path) -> None:
    picture(tmp_path / ".cache" / "data" / "ill" / "a.png")
    assert len(read(tmp_path / ".cache" / "data")[0]) == 1


def test_a_photograph_lies_as_viewers_show_it(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn clockwise
    path = picture(tmp_path / "ill" / "a.png")
    upright = read(tmp_path)[0][0].image
    Image.open(path).save(path, exif=turned)
    assert (read(tmp_path)[0][0].image == np.rot90(upright, -1)).all()


def test_raw_files_are_looked_at_before_dvc_does(tmp_path: Path) -> None:
    path, results = picture(tmp_path / "raw" / "ill" / "a.png"), tmp_path / "clone" / "data" / "prepared"
    for raw in (tmp_path / "raw", path, tmp_path / "missing"):
        check_raw(raw, results)
    for raw in (tmp_path, tmp_path / "raw" / "..", results, tmp_path / "clone" / "data"):
        with pytest.raises(MedganError, match=rf"data\.raw: {raw} holds this clone's .*a folder of their own"):
            check_raw(raw, results)
    odd = path.rename(tmp_path / "raw" / os.fsdecode(b"caf\xe9"))
    for raw in (odd, tmp_path / "raw"):
        with pytest.raises(MedganError, match=r"the name of .*raw/caf\\xe9 is not UTF-8.*rename it"):
            check_raw(raw, results)


def test_raw_files_at_which_dvc_stops_or_hangs_are_a_sentence_before(tmp_path: Path) -> None:
    raw, results = tmp_path / "raw", tmp_path / "clone" / "data" / "prepared"
    picture(raw / "ill" / "a.png")
    (raw / "gone").symlink_to("nowhere")
    with pytest.raises(MedganError, match=r"raw/gone is a link to nothing, at which DVC stops; remove it"):
        check_raw(raw, results)
    (raw / "gone").unlink()
    os.mkfifo(raw / "ill" / ".pipe")
    with pytest.raises(MedganError, match=r"raw/ill/\.pipe is no file, and DVC would wait for it; remove it"):
        check_raw(raw, results)


def test_a_linked_class_is_read_and_told_as_what_dvc_does_not_see(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw, results = tmp_path / "raw", tmp_path / "clone" / "data" / "prepared"
    picture(raw / "well" / "a.png")
    picture(tmp_path / "elsewhere" / "b.png", shade=9)
    (raw / "ill").symlink_to(tmp_path / "elsewhere")
    samples, rejected = read(raw)
    assert [(sample.origin, sample.label) for sample in samples] == [("ill/b.png", "ill"), ("well/a.png", "well")]
    assert not rejected
    check_raw(raw, results)
    assert "raw/ill is a link to a folder, into which DVC does not look" in caplog.text
    (raw / "clone").symlink_to(tmp_path / "clone")
    results.mkdir(parents=True)
    with pytest.raises(MedganError, match=r"data\.raw: .*raw/clone holds this clone's"):
        check_raw(raw, results)


def test_what_is_no_file_and_a_folder_read_already_are_rejected(tmp_path: Path) -> None:
    picture(tmp_path / "ill" / "a.png")
    os.mkfifo(tmp_path / "ill" / "pipe.png")
    (tmp_path / "ill" / "gone.png").symlink_to("nowhere")
    (tmp_path / "again").symlink_to("ill")
    (tmp_path / "ill" / os.fsdecode(b"caf\xe9.png")).write_bytes((tmp_path / "ill" / "a.png").read_bytes())
    samples, rejected = read(tmp_path)
    assert [sample.origin for sample in samples] == ["ill/a.png"]
    assert {item.origin: item.reason for item in rejected} == {
        "again": "it is the same folder as «ill», which is read",
        r"ill/caf\xe9.png": "its name is not UTF-8; rename it (convmv renames many)",
        "ill/gone.png": "it is a link to nothing",
        "ill/pipe.png": "it is a pipe and no file",
    }


def test_a_data_set_has_one_depth(tmp_path: Path, config: Config) -> None:
    (tmp_path / "raw").mkdir()
    for number in range(40):
        noise = np.random.default_rng(number).integers(0, 65536, (16, 16)).astype(np.uint16)
        Image.fromarray(noise).save(tmp_path / "raw" / f"{number}.png")
    picture(tmp_path / "raw" / "shallow.png")
    values = {"data.source": "folder", "data.raw": str(tmp_path / "raw"), "data.labels": False}
    changed = config.override({**values, "data.options": {"bits": 16}, "data.max_rejected": 0.1})
    prepared = prepare(changed.data, tmp_path / "prepared", seed=0)
    assert prepared.images.dtype == np.uint16 and len(prepared.images) == 40
    assert prepared.intensity == SIXTEEN_BITS
    assert "8 bits and data.options.bits is 16" in (tmp_path / "prepared" / "rejected.csv").read_text()


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "no image"])
def test_a_folder_without_images_is_a_sentence_that_names_it_at_once(tmp_path: Path, kind: str) -> None:
    raw = tmp_path / "raw"
    if kind == "file":
        raw.write_text("x")
    elif kind != "missing":
        raw.mkdir()
    if kind == "no image":
        (raw / "notes.txt").write_text("x")
    with pytest.raises(MedganError, match=str(raw)):
        next(Folder().samples(raw, GREY))


# patients


def test_the_first_group_of_the_expression_is_the_patient(tmp_path: Path) -> None:
    for name in ("p1_s1.png", "p1_s2.png", "p2_s1.png"):
        picture(tmp_path / "ill" / name)
    samples, rejected = read(tmp_path, Folder(patient=r"^(p\d+)_"))
    assert [sample.patient for sample in samples] == ["p1", "p1", "p2"]
    assert not rejected


def test_without_an_expression_each_file_is_a_patient_even_with_equal_names(tmp_path: Path) -> None:
    picture(tmp_path / "ill" / "a.png")
    picture(tmp_path / "healthy" / "a.png")
    samples, _ = read(tmp_path)
    assert len({sample.patient for sample in samples}) == 2


def test_a_name_that_does_not_match_is_rejected(tmp_path: Path) -> None:
    picture(tmp_path / "ill" / "p1_s1.png")
    picture(tmp_path / "ill" / "other.png")
    samples, (rejected,) = read(tmp_path, Folder(patient=r"^(p\d+)_"))
    assert len(samples) == 1
    assert (rejected.origin, "does not match the name" in rejected.reason) == ("ill/other.png", True)


def test_a_group_that_took_no_part_is_a_name_that_does_not_match(tmp_path: Path) -> None:
    picture(tmp_path / "ill" / "other.png")
    samples, rejected = read(tmp_path, Folder(patient=r"^(?:(p\d+)_)?"))
    assert (len(samples), len(rejected)) == (0, 1)


@pytest.mark.parametrize(
    ("patient", "says"),
    [("^p\\d+", "needs a group"), ("^(p", "is not a regular expression"), ("*", "regular expression")],
)
def test_an_expression_that_cannot_work_is_a_sentence(tmp_path: Path, patient: str, says: str) -> None:
    picture(tmp_path / "ill" / "a.png")
    with pytest.raises(MedganError, match=says):
        next(Folder(patient=patient).samples(tmp_path, GREY))


def test_classes_choose_sub_folders(tmp_path: Path) -> None:
    for name in ("ill", "well", "other"):
        picture(tmp_path / name / "a.png", shade=len(name))
    samples, rejected = read(tmp_path, Folder(classes=("well", "ill")))
    assert not rejected
    assert [sample.origin for sample in samples] == ["ill/a.png", "well/a.png"]
    with pytest.raises(MedganError, match=r"wel is not a folder \(did you mean 'well'\?\)"):
        read(tmp_path, Folder(classes=("wel",)))
