"""Names of people planted wherever raw files can hold them: nothing that a pipeline leaves has one, however it went."""

import csv
import hashlib
import math
import os
import random
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from dicoms import dataset, save
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from .conftest import PYTHON, STAGES, Clone, no_traceback

COUNT = 120
_SMALL = {"data.labels": False, "search.n": 30, "train.n": 30, "evaluate.n": 30, "gan.conditional": False}


def planted(kind: str) -> str:
    """What to look for, in capitals since some tags take no others."""
    return f"DOE{kind.upper()}JANE"


def blots(index: int, side: int = 24) -> NDArray[np.uint8]:
    """A picture of its own: no two are near-copies."""
    small = Image.frombytes("L", (4, 4), random.Random(index).randbytes(16))
    return np.asarray(small.resize((side, side)))


def dicom(raw: Path) -> list[str]:
    """18 kinds in each file; one file of two patients a series, and one that is torn."""
    for index in range(COUNT):
        made = dataset(blots(index).astype(np.uint16) * 16, BitsStored=12)
        made.PatientID = f"{planted('id')}{index}"
        made.PatientName = f"{planted('name')}^{index}"
        made.PatientBirthDate, made.PatientAddress = "19570101", planted("address")
        made.OtherPatientIDs, made.IssuerOfPatientID = planted("other"), planted("issuer")
        made.ReferringPhysicianName, made.OperatorsName = planted("physician"), planted("operator")
        made.InstitutionName, made.StationName = planted("institution"), planted("station")
        made.AccessionNumber = planted("access")[:16]
        made.StudyDescription, made.ImageComments = planted("study"), planted("comment")
        made.SeriesDescription, made.ProtocolName = planted("series"), planted("protocol")
        request = Dataset()
        request.RequestedProcedureDescription = planted("sequence")
        made.RequestAttributesSequence = Sequence([request])
        made.private_block(0x0011, planted("creator"), create=True).add_new(1, "LO", planted("private"))
        made.add_new(0x60000010, "US", 24)
        made.add_new(0x60000011, "US", 24)
        made.add_new(0x60000022, "LO", planted("overlay"))
        made.add_new(0x60003000, "OB", planted("drawing").encode().ljust(72, b"\0"))
        made.add_new(0xFFFCFFFC, "OB", planted("padding").encode().ljust(32, b"\0"))
        made.file_meta.SourceApplicationEntityTitle = planted("title")[:16]
        made.preamble = planted("preamble").encode().ljust(128, b"\0")
        made.StudyID, made.Modality = planted("sid")[:16], "MR"
        made.StudyInstanceUID = f"1.2.19570101.{index + 1}"
        if index in (0, 1):
            made.SeriesInstanceUID = "1.2.3.4"
        save(raw / f"{planted('folder')}^{index // 10}" / f"{planted('file')} {index}.dcm", made)
    torn = raw / f"{planted('torn')}.dcm"
    torn.write_bytes(next(raw.glob("*/*.dcm")).read_bytes()[:900])
    (raw / f"notes.{planted('suffix')}").write_text(planted("text"))
    kinds = (
        *("id", "name", "address", "other", "issuer", "physician", "operator", "institution", "station", "access"),
        *("study", "comment", "series", "protocol", "sequence", "creator", "private", "overlay", "drawing", "padding"),
        *("sid", "title", "preamble", "folder", "file", "torn", "suffix", "text"),
    )
    return [planted(kind)[:16] for kind in kinds] + ["1957" + "0101"]


def written(suffix: str) -> dict[str, object]:
    """Options that write text into a picture."""
    text, exif, tags = PngInfo(), Image.Exif(), ImageFileDirectory_v2()
    text.add_text("Patient", planted("png"))
    text.add_text("Patient", planted("packed"), zip=True)
    text.add_itxt("Patient", planted("itxt"), lang="en", tkey=planted("key"))
    exif[0x010E], exif[0x9C9B] = planted("exif"), planted("windows").encode("utf-16-le")
    tags[270], tags[315], tags[316] = planted("tiff"), planted("artist"), planted("host")
    xmp = f"<x:xmpmeta>{planted('xmp')}</x:xmpmeta>".encode()
    of_suffix: dict[str, dict[str, object]] = {
        ".png": {"pnginfo": text, "exif": exif, "icc_profile": planted("icc").encode()},
        ".jpg": {"exif": exif, "comment": planted("jpeg").encode(), "xmp": xmp},
        ".tif": {"tiffinfo": tags},
    }
    return of_suffix.get(suffix, {})


def pictures(raw: Path) -> list[str]:
    """With a table; rows without a file, values that fit nothing, text within PNG and EXIF."""
    raw.mkdir(parents=True)
    rows = [["file", planted("column"), "patient", "split"]]
    for index in range(COUNT):
        name = f"{planted('file')} {index}.{('jpg', 'png', 'tif', 'bmp')[index % 4]}"
        image, mask = Image.fromarray(blots(index)), Image.fromarray(255 * (blots(index) > 99).astype(np.uint8))
        image.save(raw / name, **written(Path(name).suffix))
        with (raw / name).open("ab") as file:
            file.write(planted("behind").encode())
        (raw / "masks").mkdir(exist_ok=True)
        mask.save(raw / "masks" / f"{planted('file')} {index}.png", **written(".png"))
        rows.append([name, planted("cell"), f"{planted('patient')} {index}", "train"])
    rows[5][3] = planted("split")
    rows.append([f"{planted('absent')}.png", "", planted("lost"), "train"])
    with (raw / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    (raw / f"{planted('torn')}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + planted("bytes").encode())
    (raw / f"scan.{planted('suffix')}").write_bytes(b"")
    loop = raw / planted("loop")
    loop.mkdir()
    (loop / f"{planted('back')}").symlink_to(loop)
    kinds = (
        *("packed", "itxt", "key", "windows", "tiff", "artist", "host", "xmp", "icc", "behind"),
        *("column", "file", "png", "exif", "jpeg", "cell", "patient", "split", "absent", "lost", "torn", "bytes"),
        *("suffix", "loop", "back"),
    )
    return [planted(kind) for kind in kinds]


def volumes(raw: Path) -> list[str]:
    for index in range(COUNT):
        image = nibabel.Nifti1Image(np.stack([blots(index, 40)] * 3, axis=2).astype(np.float32), np.eye(4))
        image.header["descrip"] = planted("descrip")
        image.header["db_name"] = planted("db")
        image.header["aux_file"], image.header["intent_name"] = planted("aux"), planted("is")
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", planted("extension").encode()))
        folder = raw / f"{planted('folder')} {index}"
        folder.mkdir(parents=True)
        nibabel.save(image, folder / f"{planted('file')}_{index}.nii.gz")
    (raw / f"{planted('torn')}.nii").write_bytes(b"torn")
    return [planted(kind) for kind in ("descrip", "db", "aux", "is", "extension", "folder", "file", "torn")]


MADE: dict[str, tuple[Callable[[Path], list[str]], dict[str, object]]] = {
    "dicom": (dicom, {}),
    "folder": (
        pictures,
        {
            "table": {"path": "list.csv", "file": "file", "patient": "patient", "split": "split"},
            "masks": "masks",
        },
    ),
    "nifti": (volumes, {"slices": "middle", "patient": "^(.*)/"}),
}


def left(clone: Clone) -> Iterator[Path]:
    """All files of a clone that are not raw ones, and not the list of their names beside them."""
    raw = clone.root / "data" / "raw"
    for folder, folders, names in os.walk(clone.root):
        folders[:] = [name for name in folders if Path(folder, name) != raw and name != ".git"]
        yield from (Path(folder, name) for name in names)


def _within_base64(text: bytes, before: int) -> bytes:
    """The letters that stand for nothing but this text, wherever it begins in what is encoded."""
    first, last = math.ceil(8 * before / 6), 8 * (before + len(text)) // 6
    return b64encode(bytes(before) + text)[first:last]


def found(clone: Clone, identifiers: list[str]) -> set[tuple[str, str]]:
    """Which file holds which identifier, in capitals or not, in UTF-8, 16 or 32, in base 64, or as a hash."""
    wanted: dict[str, list[bytes]] = {}
    for text in identifiers:
        plain = [text.encode(), text.lower().encode(), text.encode("utf-16-le"), text.encode("utf-32-be")]
        plain += [_within_base64(text.encode(), skipped) for skipped in range(3)]
        whole = [f"{text}{index}" for index in range(3)] + [f"{text} {index}" for index in range(3)] + [text]
        digests = (hashlib.new(name, item.encode()) for name in ("md5", "sha1", "sha256") for item in whole)
        hashes = [digest.hexdigest()[:16] for digest in digests]
        wanted[text] = plain + [made.encode() for made in hashes]
    holding = set()
    for path in left(clone):
        content = path.read_bytes() + str(path.relative_to(clone.root)).encode()
        holding |= {
            (text, str(path.relative_to(clone.root)))
            for text, forms in wanted.items()
            if any(form in content for form in forms)
        }
    return holding


@pytest.mark.parametrize("kind", MADE)
def test_prepared_data_name_nobody(clone: Clone, kind: str) -> None:
    make, options = MADE[kind]
    identifiers = make(clone.root / "data" / "raw" / "scans")
    clone.params({"data.source": kind, "data.raw": "data/raw/scans", "data.options": options, "data.name": "scans"})
    clone.params({**_SMALL, "data.max_rejected": 0.2})
    done = clone.stage("prepare")
    assert done.returncode == 0, no_traceback(done)
    assert "cannot be used" in done.stdout and planted("torn") in done.stdout  # people are told which
    assert not found(clone, identifiers)
    (names,) = (clone.root / "data" / "raw" / "scans.files").glob("*.csv")
    assert planted("file") in names.read_text() and planted("torn") in names.read_text()


def test_a_set_that_cannot_be_used_names_nobody(clone: Clone) -> None:
    identifiers = dicom(clone.root / "data" / "raw" / "scans")
    clone.params({"data.source": "dicom", "data.raw": "data/raw/scans", "data.options": {}, "data.name": "scans"})
    done = clone.stage("prepare")
    assert done.returncode == 2 and "data.max_rejected" in no_traceback(done)
    assert not found(clone, identifiers)


@pytest.mark.slow
def test_nothing_that_a_pipeline_leaves_names_anybody(clone: Clone) -> None:
    """Prepared data, DVC's cache of them, checkpoints, study, runs, report and generator."""
    identifiers = dicom(clone.root / "data" / "raw" / "scans")
    clone.params({"data.source": "dicom", "data.raw": "data/raw/scans", "data.options": {}, "data.name": "scans"})
    clone.params({**_SMALL, "data.max_rejected": 0.2, "search.trials": 1})
    for done in (clone.stages(*STAGES), clone.run(PYTHON, "-m", "dvc", "commit", "-f", "dvc.yaml")):
        assert done.returncode == 0, done.stdout + done.stderr
    names = {path.name for path in left(clone)}
    assert {"mlflow.db", "optuna.db", "generator.onnx", "metrics.json", "index.csv", "dvc.lock"} <= names
    assert any("cache" in path.parts for path in left(clone))
    assert not found(clone, identifiers)


def test_pseudonyms_are_of_a_key_and_nothing_else_is(clone: Clone, tmp_path: Path) -> None:
    """Another key gives other pseudonyms; splits, md5 and what follows from them stay."""
    dicom(clone.root / "data" / "raw" / "scans")
    clone.params({"data.source": "dicom", "data.raw": "data/raw/scans", "data.options": {}, "data.name": "scans"})
    clone.params({**_SMALL, "data.max_rejected": 0.2})
    (tmp_path / "link").symlink_to(clone.root)
    for key, folder in ((clone.root, clone.root), (tmp_path / "link", clone.root), (clone.root, clone.root / "data")):
        command = (PYTHON, "-c", "from medgan.workspace.naming import patients_key; patients_key()")
        environment = {"MEDGAN_KEY": str(key / "patients.key"), "PYTHONPATH": str(clone.root)}
        inside = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
        assert "keep the key of patients' names somewhere else" in inside.stderr
        assert not (clone.root / "patients.key").exists()
    other = clone.copied(tmp_path / "other")
    patients, rests = [], []
    for place, key in ((clone, "one.key"), (other, "two.key")):
        done = place.stage("prepare", env={"MEDGAN_KEY": str(tmp_path / key)})
        assert done.returncode == 0, no_traceback(done)
        prepared = place.root / "data" / "prepared"
        with (prepared / "index.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        patients.append([row.pop("patient") for row in rows])
        rests.append((rows, (prepared / "spec.json").read_text(), (prepared / "rejected.csv").read_text()))
    assert rests[0] == rests[1] and not set(patients[0]) & set(patients[1])
    assert (tmp_path / "one.key").stat().st_mode & 0o777 == 0o600


def test_the_planted_names_are_in_the_raw_files(tmp_path: Path) -> None:
    """Else there would be nothing to find."""
    identifiers = dicom(tmp_path / "raw")
    everything = b"".join(
        path.read_bytes() + str(path.relative_to(tmp_path)).encode() for path in tmp_path.rglob("*.*") if path.is_file()
    )
    assert pydicom.dcmread(next(tmp_path.rglob("* 0.dcm"))).PatientName == f"{planted('name')}^0"
    assert [text for text in identifiers if text.encode() not in everything] == []
