"""What `medgan data check` makes of names: roles, masks, patients, tables; and which of them it says will stay."""

import csv
import subprocess
from pathlib import Path

import numpy as np
import pytest
from test_check import blob, bytes_of, picture, said
from test_folder import read
from volumes import nifti

from medgan.data.spec import Rejected
from medgan.errors import MedganError
from medgan.sources.account import rejections
from medgan.sources.check.kinds import propose
from medgan.sources.check.tables import guess_table
from medgan.sources.folder import Folder
from medgan.sources.names import write_names
from medgan.sources.rejections import check_rejected, write_rejected
from medgan.sources.table import Table
from medgan.walking import walk
from medgan.workspace.exposure import left_to_git
from medgan.workspace.naming import listing

PEOPLE = ("Huber", "Kunz", "Lang", "Maier", "Meier", "Ott", "Paul", "Roth", "Sohn", "Vogt", "Wolf", "Zorn")


def volume(path: Path, seed: int) -> None:
    values = np.stack([blob(10 * seed + index, (8, 8)) for index in range(6)], axis=2)
    nifti(path, (values > 0.5).astype(np.uint8) if "seg" in path.name else (1000 * values).astype(np.int16))


@pytest.mark.parametrize("form", ["{}/{}.nii.gz", "{0}/{0}_{1}.nii", "{}_{}.nii", "mr_{0}.nii", "{0}/{0}{1}7.nii"])
def test_people_are_no_roles_of_volumes(tmp_path: Path, form: str) -> None:
    for number, who in enumerate(PEOPLE):
        for kind in ("t1", "seg"):
            volume(tmp_path / form.format(who, kind), 2 * number + (kind == "t1"))
    proposal = propose(tmp_path)
    assert not [who for who in PEOPLE if who in str((proposal.options, proposal.raw, proposal.notes))]
    if "seg" in next(tmp_path.rglob("*seg*"), Path()).name and "7" not in form:
        assert proposal.options["mask"] == "^(.*[^A-Za-z0-9])seg$" and proposal.files == len(PEOPLE)
    elif "/" in form:
        assert proposal.options["patient"] == "([^/]+)/[^/]+$"


@pytest.mark.parametrize("form", ["scan{}{}.png", "ill/{}{}.png"])
def test_masks_beside_images_are_no_images(tmp_path: Path, form: str) -> None:
    for number in range(40):
        values = blob(number)
        picture(tmp_path / form.format(number, ""), bytes_of(values))
        for ending in ("_mask", "_mask_1"):
            picture(tmp_path / form.format(number, ending), bytes_of(values > 0.6))
    proposal = propose(tmp_path)
    samples, _ = read(tmp_path, Folder(**proposal.options))
    assert len(samples) == proposal.files == 40 and not [s for s in samples if "mask" in s.origin]
    assert "80 pictures such as" in " ".join(proposal.notes) and "_mask" in " ".join(proposal.notes)


@pytest.mark.parametrize("form", ["patient{}_{}.png", "patient{}/{}.png", "Subject-{}/{}.png"])
def test_few_patients_who_are_called_so_are_patients(tmp_path: Path, form: str) -> None:
    for number in range(40):
        picture(tmp_path / form.format(number % 4, number), bytes_of(blob(number)))
    proposal = propose(tmp_path)
    samples, rejected = read(tmp_path, Folder(**proposal.options))
    assert not proposal.labels and not rejected and len({sample.patient for sample in samples}) == 4


def test_an_odd_name_does_not_hide_patients(tmp_path: Path) -> None:
    names = [f"p{number // 2}_{number}.png" for number in range(98)] + ["figure.png"]
    for number, name in enumerate(names):
        picture(tmp_path / name, bytes_of(blob(number)))
    proposal = propose(tmp_path)
    samples, rejected = read(tmp_path, Folder(**proposal.options))
    assert len({sample.patient for sample in samples}) == 49 and [item.origin for item in rejected] == ["figure.png"]
    assert "finds 49" in " ".join(proposal.notes) and "leaves out 1 of other names" in " ".join(proposal.notes)


@pytest.mark.parametrize("above", ["", "train/"])
def test_a_loose_picture_does_not_hide_classes(tmp_path: Path, above: str) -> None:
    for number in range(98):
        picture(tmp_path / above / "ab"[number % 2] / f"{number}.png", bytes_of(blob(number)))
    picture(tmp_path / "legend.png", bytes_of(blob(98)))
    proposal = propose(tmp_path)
    samples, _ = read(tmp_path, Folder(**proposal.options))
    assert proposal.labels and {sample.label for sample in samples} - {None} == {"a", "b"}
    assert "1 pictures lie in no class folder" in " ".join(proposal.notes)


def test_a_test_set_that_is_not_kept_is_told(tmp_path: Path) -> None:
    for number in range(12):
        picture(tmp_path / ("test" if number % 3 else "train") / f"{number}.png", bytes_of(blob(number)))
    assert "folders test, train are read as one" in " ".join(propose(tmp_path).notes)


def test_a_column_of_people_is_no_column_of_classes(tmp_path: Path) -> None:
    rows = [[f"{number}.png", PEOPLE[number % 12], "ab"[number % 2]] for number in range(48)]
    for name, columns in (("case_type", ["file", "case_type"]), ("both", ["file", "patient_class", "label"])):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([columns, *(row[: len(columns)] for row in rows)])
    files = [Path(row[0]) for row in rows]
    assert guess_table(tmp_path, files, []) == {
        "path": "both.csv", "file": "file", "label": "label", "patient": "patient_class",
    }  # fmt: skip
    (tmp_path / "both.csv").unlink()
    assert guess_table(tmp_path, files, []) == {"path": "case_type.csv", "file": "file", "patient": "case_type"}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("list.csv", "Datei;Diagnose\n0.png;Ödem\n", "is no CSV file in UTF-8"),
        ("list.xlsx", "PK", "is no CSV file in UTF-8"),
        ("list.csv", "file,label\nC:\\scans\\0.png,ill\n", "has no column that names most images"),
        ("more/list.csv", "file,label\n0.png,ill\n", "is not in"),
    ],
)
def test_a_table_that_is_not_used_is_told(tmp_path: Path, name: str, text: str, says: str) -> None:
    for number in range(9):
        picture(tmp_path / f"{number}.png", bytes_of(blob(number)))
    (tmp_path / "more").mkdir()
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    (note,) = (note for note in propose(tmp_path).notes if "nothing in it is used" in note)
    assert note.startswith(f"{name} {says}")


def test_a_folder_that_holds_the_clone_is_refused_before_it_is_looked_through(clone: Path) -> None:
    for folder in (clone, clone / "data", Path("/")):
        with pytest.raises(MedganError, match="folder of their own"):
            said(clone, folder)


def test_what_stays_of_names_is_told(clone: Path, tmp_path: Path) -> None:
    for number in range(90):
        picture(tmp_path / "raw" / "Doe Jane" / "ab"[number % 2] / f"x{number}.png", bytes_of(blob(number)))
    (line,) = (line for line in said(clone, tmp_path / "raw") if line.startswith("names that params.yaml"))
    assert f"hold: raw, {tmp_path / 'raw' / 'Doe Jane'}, a, b; where one is a person's" in line


def test_raw_files_that_git_would_take_are_told(clone: Path, tmp_path: Path) -> None:
    (clone / ".gitignore").write_text("/data/raw/\n")
    folders = [clone / "data" / "raw" / "scans", tmp_path / "scans", clone / "scans"]
    for folder in folders:
        folder.mkdir(parents=True)
    assert not any(left_to_git(clone, folder) for folder in folders)  # no git
    subprocess.run(("git", "init", "-q"), cwd=clone, check=True)
    assert [left_to_git(clone, folder) for folder in folders] == [False, False, True]


def test_a_row_that_is_missing_costs_no_class(tmp_path: Path) -> None:
    """The folder of images is none, where a table or an expression says the labels."""
    for number in range(4):
        picture(tmp_path / "images" / "ab"[number % 2] / f"{number}.png", bytes_of(blob(number)))
    (tmp_path / "list.csv").write_text("file,label\n0.png,ill\n1.png,well\n2.png,ill\n")
    (tmp_path / "images" / "a" / "notes.txt").write_text("mine")
    by_table = Folder(table=Table(path="list.csv", file="file", label="label"))
    by_path = Folder(label="^[^/]+/([^/]+)/", patient=r"([0-2])\.png$", files="(png|txt)$")
    for source, classes in ((by_table, {"ill", "well"}), (by_path, {"a", "b"})):
        samples, rejected = read(tmp_path, source)
        assert {sample.label for sample in samples} == classes and len(samples) == 3
        assert {item.origin for item in rejected} == {"images/b/3.png", "images/a/notes.txt"}
        check_rejected(rejected, len(samples), classes, most=0.5)


def test_lists_of_names_are_no_raw_files(tmp_path: Path) -> None:
    for name in ("a/1.png", "a.files/0123456789abcdef.csv", "b.files/mine.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert [path.relative_to(tmp_path).as_posix() for path in walk(tmp_path).files] == ["a/1.png", "b.files/mine.csv"]


@pytest.mark.parametrize("content", ["used;rejected;file\n;0;x\n", "a,b\n1,2\n", "used,rejected\n,1\n"])
def test_a_list_that_a_spreadsheet_has_saved_anew_is_passed_over(tmp_path: Path, content: str) -> None:
    refused = [Rejected("Doe.png", "it is torn")]
    write_names(tmp_path / "x.files" / "list.csv", [], refused)
    write_rejected(tmp_path / "rejected.csv", refused)
    assert rejections(tmp_path, tmp_path / "x.files" / "list.csv") == refused
    (tmp_path / "x.files" / "list.csv").write_text(content)
    assert rejections(tmp_path, tmp_path / "x.files" / "list.csv") == [Rejected("file 0", "it is torn")]


def test_only_lists_of_names_make_room_for_newer_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder may be called like that of lists and hold tables of people's own."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "scans.files"
    folder.mkdir()
    for number in range(6):
        (folder / f"mine {number}.csv").write_text("mine")
        (folder / f"{number:016x}.csv").write_text("ours")
    assert listing(tmp_path / "scans", f"{5:064x}") == Path("scans.files/0000000000000000.csv")
    assert len([*folder.glob("mine*")]) == 6 and len([*folder.glob("0*")]) == 3
