"""`medgan data check`: what it proposes, `prepare` accepts and the counts suffice for; what it cannot, it says."""

import csv
import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicoms import dataset
from dicoms import save as save_dicom
from hostile import make
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner
from volumes import nifti

from medgan.cli.main import app
from medgan.config.schema import Config, load_config
from medgan.data.store import Prepared, open_prepared
from medgan.errors import MedganError
from medgan.imaging.reading import read_picture
from medgan.sources.check.kinds import propose
from medgan.sources.check.names import patient_pattern
from medgan.sources.check.tables import guess_table
from medgan.sources.names import Naming
from medgan.sources.prepare import prepare_fingerprint
from medgan.workspace.check import PICTURE, check
from medgan.workspace.counts import check_counts, fitting
from medgan.workspace.preparing import prepare_folder
from medgan.workspace.recipes import recipe_of, use_recipe

SIDE = 32

NAMING = Naming(lambda: b"key")


def blob(seed: int, shape: tuple[int, int] = (SIDE, SIDE)) -> NDArray[np.float64]:
    """(H, W) from 0 to 1, smooth, another one for each seed."""
    coarse = np.random.default_rng(seed).random((5, 5)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC), np.float64).clip(0, 1)


def picture(path: Path, values: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def bytes_of(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.rint(255 * values).astype(np.uint8)


def class_folders(raw: Path) -> None:
    for number in range(200):
        picture(raw / ("ill" if number % 3 else "well") / f"p{number // 2}_{number % 2}.png", bytes_of(blob(number)))
    (raw / "README.txt").write_text("mine")


def train_and_test(raw: Path) -> None:
    """Grey stored as RGB, of a shape that is no square."""
    for number in range(190):
        grey = bytes_of(blob(number, (64, 90)))
        folder = raw / "inner" / ("test" if number % 5 == 0 else "train") / "ab"[number % 2]
        picture(folder / f"scan-{number:04d}-0001.png", np.stack([grey] * 3, axis=2))


def sixteen_bits(raw: Path) -> None:
    for number in range(180):
        picture(raw / f"person{number // 6}" / f"{number}.png", np.rint(4095 * blob(number)).astype(np.uint16))


def table(raw: Path) -> None:
    rows = [("image", "benign", "malignant", "patient_id", "age")]
    for number in range(200):
        colours = np.stack([bytes_of(blob(3 * number + channel, (SIDE, SIDE))) for channel in range(3)], axis=2)
        picture(raw / "images" / f"ISIC_{number:05d}.png", colours)
        rows.append((f"ISIC_{number:05d}", str(number % 3 == 0), str(number % 3 == 1), f"P{number // 2}", "50"))
    with (raw / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def masks(raw: Path) -> None:
    for number in range(200):
        values = blob(number)
        picture(raw / "ab"[number % 2] / f"{number}.png", bytes_of(values))
        picture(raw / "drawn" / f"{number}_seg.png", 255 * (values > 0.7).astype(np.uint8))


def pairs(raw: Path) -> None:
    for number in range(180):
        values = blob(number)
        picture(raw / "T1" / f"{number}.png", bytes_of(values))
        picture(raw / "T2" / f"{number}.png", bytes_of(1 - values**2))


def scans(raw: Path) -> None:
    """Files without suffix, a folder a patient."""
    for number in range(180):
        pixels = np.rint(2000 * blob(number)).astype(np.int16)
        save_dicom(raw / f"patient {number // 4}" / f"{number}", dataset(pixels, PatientID=f"x{number // 4}"))


def volumes(raw: Path) -> None:
    """Images and masks of two values; slices are thickest from bottom to top."""
    for number in range(30):
        voxels = np.stack([blob(100 * number + index, (SIDE, SIDE)) for index in range(20)], axis=2)
        affine = np.diag([1.0, 1.0, 3.0, 1.0])
        nifti(raw / "imagesTr" / f"s{number}.nii.gz", (1000 * voxels).astype(np.int16), affine)
        labels = (voxels > 0.6).astype(np.uint8) + (voxels > 0.8).astype(np.uint8)
        nifti(raw / "labelsTr" / f"s{number}.nii.gz", labels, affine)


def contrasts(raw: Path) -> None:
    for number in range(62):
        voxels = np.stack([blob(100 * number + index, (SIDE, SIDE)) for index in range(3)], axis=2)
        for name, values in (("T1w", voxels), ("T2w", 1 - voxels)):
            nifti(raw / f"sub-{number}" / f"sub-{number}_{name}.nii", (1000 * values).astype(np.int16))


def medmnist(raw: Path) -> None:
    raw.mkdir(parents=True)
    arrays: dict[str, NDArray[Any]] = {}
    for part, count in (("train", 120), ("val", 30), ("test", 50)):
        seeds = range(1000 * count, 1000 * count + count)
        arrays[f"{part}_images"] = np.stack([bytes_of(blob(seed, (28, 28))) for seed in seeds])
        arrays[f"{part}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 2
    np.savez_compressed(raw / "breastmnist.npz", **arrays)


# By its name: what fills the folder, the source, its options, other values of section data, and the GAN.
KINDS: dict[str, tuple[Callable[[Path], None], str, dict[str, Any], dict[str, Any], str]] = {
    "classes": (
        class_folders, "folder", {"patient": r"^(\D*\d+)", "files": r"(?i)\.(png)$"},
        {"labels": True, "channels": 1, "size": 32, "fit": "crop"}, "synthesis",
    ),
    "splits": (
        train_and_test, "folder", {"label": "^[^/]+/([^/]+)/"},
        {"labels": True, "channels": 1, "size": 64, "fit": "letterbox"}, "synthesis",
    ),
    "sixteen": (
        sixteen_bits, "folder", {"bits": 16, "patient": r"([^/]+)/[^/]+$"}, {"labels": False}, "synthesis",
    ),
    "table": (
        table, "folder",
        {"table": {"path": "labels.csv", "file": "image", "label": ["benign", "malignant"], "label_else": "other",
                   "patient": "patient_id"}, "files": r"(?i)\.(png)$"},
        {"labels": True, "channels": 3, "size": 32}, "synthesis",
    ),
    "masks": (masks, "folder", {"masks": "drawn", "mask_suffix": "_seg"}, {"labels": True}, "multiscale"),
    "pairs": (pairs, "pairs", {"source": "T1", "image": "T2"}, {"labels": False}, "translation"),
    "scans": (scans, "dicom", {"modalities": ["CT"]}, {"labels": False, "modality": "CT"}, "synthesis"),
    "volumes": (
        volumes, "nifti",
        {"image": "imagesTr", "mask": "labelsTr", "mask_labels": [1, 2], "plane": "axial", "slices": "every 2",
         "least_mask": 0.005},
        {"labels": False}, "multiscale",
    ),
    "contrasts": (
        contrasts, "nifti",
        {"image": r"^(.*[^A-Za-z0-9])T2w$", "source": r"^(.*[^A-Za-z0-9])T1w$", "kinds": ["T1w", "T2w"],
         "plane": "axial", "slices": "every 1", "patient": "(sub-[A-Za-z0-9]+)"},
        {"labels": False}, "translation",
    ),
    "medmnist": (medmnist, "medmnist", {"flag": "breastmnist"}, {"labels": True, "size": 32}, "synthesis"),
}  # fmt: skip


def said(clone: Path, raw: Path, *, write: bool = False, force: bool = False) -> list[str]:
    return list(check(clone, raw, write=write, force=force))


@pytest.mark.parametrize("name", KINDS)
def test_what_is_proposed_is_accepted_and_suffices(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fill, source, options, values, gan = KINDS[name]
    monkeypatch.chdir(clone)
    raw = Path("data") / "raw" / f"{name} of Mine"
    fill(raw)
    lines = said(clone, raw, write=True)
    config = load_config(clone / "params.yaml")
    assert (config.data.source, config.data.options, config.gan.name) == (source, options, gan)
    assert {key: getattr(config.data, key) for key in values} == values
    assert (config.data.name, config.data.max_rejected) == (f"{name}-of-mine", 0.01)
    assert config.data.raw.is_relative_to(raw) and not config.data.raw.is_absolute()
    prepared = prepare_folder(config, NAMING, tmp_path / "prepared")
    check_counts(config.override({"search.trials": 3}), prepared)
    kept = clone / ".results" / "prepare" / prepare_fingerprint(config.data, config.seed)
    assert open_prepared(kept).md5 == prepared.md5
    assert read_picture(clone / PICTURE)[0].shape[2] == config.data.channels
    assert any(line.startswith("none is in two splits") for line in lines)


def test_without_write_the_sections_are_printed_and_nothing_else_is_touched(clone: Path, tmp_path: Path) -> None:
    class_folders(tmp_path / "raw")
    before = (clone / "params.yaml").read_bytes()
    lines = said(clone, tmp_path / "raw")
    assert f"raw: {tmp_path / 'raw'}" in lines[-1] and "evaluate:" in lines[-1]
    assert (clone / "params.yaml").read_bytes() == before and not (clone / ".results").exists()


def test_hand_edits_are_kept_and_what_it_wrote_itself_is_none(clone: Path, tmp_path: Path) -> None:
    sixteen_bits(tmp_path / "raw")
    params = clone / "params.yaml"
    assert "params.yaml is written:" in said(clone, tmp_path / "raw", write=True)
    assert "params.yaml says so already" in said(clone, tmp_path / "raw", write=True)
    assert recipe_of(clone, params) == "default, edited"
    params.write_text(params.read_text().replace("seed: 0", "seed: 1", 1))
    for again in (
        lambda: said(clone, tmp_path / "raw", write=True),
        lambda: use_recipe(clone, "residual", force=False),
    ):
        with pytest.raises(MedganError, match="edited by hand"):
            again()
    assert any(line.strip() == "seed: 1 -> 0" for line in said(clone, tmp_path / "raw", write=True, force=True))
    use_recipe(clone, "residual", force=False)
    assert recipe_of(clone, params) == "residual"


def test_files_that_cannot_be_used_raise_the_share_with_a_line_that_says_so(clone: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    class_folders(raw)
    for number in range(12):
        (raw / "ill" / f"p{number}_9.png").write_bytes(b"text")
    lines = said(clone, raw, write=True)
    assert load_config(clone / "params.yaml").data.max_rejected == 0.057
    assert any("data.max_rejected is 0.057" in line for line in lines)
    assert any("its content is not an image's" in line for line in lines)


def test_few_images_get_larger_shares(clone: Path, tmp_path: Path) -> None:
    for number in range(110):
        picture(tmp_path / "raw" / f"{'abcdefghij'[number % 10]}{number}.png", bytes_of(blob(number)))
    said(clone, tmp_path / "raw", write=True)
    config = load_config(clone / "params.yaml")
    assert (config.data.validation, config.data.test) == (0.3, 0.3)
    assert 30 <= config.train.n == config.search.n <= 36 and config.gan.augment == ("translation",)


def unfit(raw: Path, kind: str) -> Path:
    """A path of which nothing can be made."""
    if kind == "few":
        for number in range(40):
            picture(raw / f"{number}.png", bytes_of(blob(number)))
    elif kind == "class of two":
        class_folders(raw)
        for number in range(2):
            picture(raw / "rare" / f"p{900 + number}_1.png", bytes_of(blob(900 + number)))
    elif kind == "class of none":
        class_folders(raw)
        (raw / "lost").mkdir()
        (raw / "lost" / "p999_1.png").write_bytes(b"text")
    elif kind in ("text", "text as pictures"):
        raw.mkdir()
        (raw / ("a.txt" if kind == "text" else "a.png")).write_text("mine")
    elif kind == "bytes":
        raw.mkdir()
        (raw / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    elif kind == "empty":
        raw.mkdir()
    elif kind == "archive":
        raw.mkdir()
        (raw / "a.tar.gz").write_bytes(b"")
        return raw / "a.tar.gz"
    elif kind == "file":
        return picture(raw / "a.png", bytes_of(blob(0)))
    elif kind == "pipe":
        raw.mkdir()
        os.mkfifo(raw / "a.png")
    return raw


UNFIT = {
    "missing": "does not exist",
    "empty": "is empty",
    "text": "holds nothing that is read",
    "text as pictures": "its content is not an image's",
    "few": "40 usable images of 40 patients are too few: .* 43 images or more",
    "class of two": "class 'rare' has 2 group",
    "class of none": "no file of class 'lost' can be used",
    "bytes": "not UTF-8",
    "archive": "unpack it",
    "file": "name the folder that it is in",
    "pipe": "it is a pipe",
}


@pytest.mark.parametrize("kind", UNFIT)
def test_what_cannot_be_used_is_said_and_nothing_is_written(clone: Path, tmp_path: Path, kind: str) -> None:
    before = (clone / "params.yaml").read_bytes()
    with pytest.raises(MedganError, match=UNFIT[kind]):
        said(clone, unfit(tmp_path / "raw", kind), write=True)
    assert (clone / "params.yaml").read_bytes() == before and not (clone / ".results").exists()


def test_hostile_files_end_in_a_sentence(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "raw")
    monkeypatch.chdir(clone)
    for folder in (tmp_path / "raw", tmp_path / "raw" / "damaged"):
        done = CliRunner().invoke(app, ["data", "check", str(folder)])
        assert isinstance(done.exception, MedganError), folder


@pytest.mark.parametrize(
    ("names", "pattern", "patients"),
    [
        (["IM-{:04d}-0001", "NORMAL2-IM-{:04d}-0001-0002", "person{}_virus_7", "person{}_virus_8"], True, 180),
        (["{:08d}_000", "{:08d}_001"], True, 60),
        (["Patient {} left", "Patient {} right"], True, 60),
        (["P{}_slice1", "P{}_slice2"], True, 60),
        (["a{0}_x", *(f"a7_{number}_{{0}}" for number in range(9))], True, 60),
        (["ISIC_{:07d}"], False, 0),
        (["{:06d}"], False, 0),
        (["scan"], False, 0),
    ],
)
def test_patients_in_names(names: list[str], pattern: bool, patients: int) -> None:
    images = [Path("a", f"{name.format(number)}.jpeg") for name in names for number in range(1, 61)]
    found = patient_pattern(images, 1)
    assert bool(found) is pattern
    if found:
        assert len({re.search(found, path.name)[1] for path in images}) == patients  # type: ignore[index]


def test_folders_of_classes_are_no_patients(tmp_path: Path) -> None:
    for number in range(120):
        picture(tmp_path / f"grade{number % 12}" / f"{number}x.png", bytes_of(blob(number)))
    for number in range(12):
        (tmp_path / f"grade{number}").rename(tmp_path / f"{'abcdefghijkl'[number]} cells")
    proposal = propose(tmp_path)
    assert proposal.labels and "patient" not in proposal.options


def test_numbers_in_a_row_that_look_alike_are_one_patient(tmp_path: Path) -> None:
    for number in range(120):
        values = 0.9 * blob(number // 10) + 0.1 * blob(1000 + number)
        picture(tmp_path / "alike" / f"{number}.png", bytes_of(values))
        picture(tmp_path / "apart" / f"{number}.png", bytes_of(blob(number)))
    assert propose(tmp_path / "alike").options == {"patient": r"^(\d+)", "patient_ranges": 25}
    assert "patient" not in propose(tmp_path / "apart").options


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("file;diagnosis;sex\n0.png;x;m\n1.png;y;f\n2.png;x;m\n3.png;y;f\n", "diagnosis"),
        ("file,label,label_name\n0,1,x\n1,2,y\n2,1,x\n3,2,y\n", "label_name"),
        ("file,tumour\n0,1\n1,0\n2,1\n3,0\n", ["tumour"]),
        ("file,oedema,mass\n0,1,1\n1,0,1\n2,1,1\n3,0,0\n", None),  # findings that go together
        ("name,label\nx,1\ny,2\n", None),  # of other files
        ("file,file\n0,1\n", None),
        ("", None),
        ("\0\xff", None),
    ],
)
def test_labels_in_tables(tmp_path: Path, text: str, label: str | list[str] | None) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="latin-1")
    assert guess_table(tmp_path, [Path(f"{number}.png") for number in range(4)], []).get("label") == label


@pytest.mark.parametrize("n", [30, 80, 5000])
def test_what_is_fitted_passes_the_check(config: Config, prepared: Prepared, n: int) -> None:
    asked = config.override({"search.n": n, "train.n": n, "evaluate.n": n, "gan.batch": n})
    values = fitting(asked, prepared)
    check_counts(asked.override(values), prepared)
    assert values == {
        "search.n": min(n, 120),
        "train.n": min(n, 120),
        "evaluate.n": min(n, 120),
        "gan.batch": min(n, 240),
    }
    few = prepared.splits.copy()
    few[prepared.indices("validation")[14:]] = "unused"
    with pytest.raises(MedganError, match=r"train\.n is .* of 15 at least"):
        fitting(asked, Prepared(**{**vars(prepared), "splits": few}))


REAL = {  # archive: images that are used, patients, or what is said
    "medmnist-28": "780 (780)",
    "chest-xray-kermany": "3,193 (2,256)",
    "brain-tumour-cheng": "1,021 (123)",
    "hippocampus-nifti": "1,038 (130)",
    "dicom-ct-ny-sbu": "62 (10)",
}


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_folders(clone: Path, tmp_path: Path, name: str) -> None:
    with tarfile.open(Path(os.environ["MEDGAN_REAL_DATA"]) / f"{name}.tar.xz") as archive:
        for member in archive:
            if member.isfile():
                target = tmp_path / "raw" / Path(member.name).relative_to(".")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.extractfile(member).read())  # type: ignore[union-attr]
    lines = []
    try:
        lines += check(clone, tmp_path / "raw", write=False, force=False)
    except MedganError as error:
        lines.append(str(error))
    assert any(REAL[name] in line for line in lines)
