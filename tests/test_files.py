"""Files and folders that are made aside and renamed; locks between processes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from medgan.errors import MedganError
from medgan.files import merging, replacing, write_atomically, writing
from medgan.locks import locked, waiting_for

GONE = 2**22 + 1  # beyond the largest number of a process


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_atomically(path, b"old")
    with pytest.raises(OSError, match="no room"), replacing(path) as aside:
        aside.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "no room")
    assert (path.read_bytes(), names(path.parent)) == (b"old", ["file.txt"])
    write_atomically(path, b"new")
    assert (path.read_bytes(), names(path.parent)) == (b"new", ["file.txt"])


def test_a_folder_replaces_one_that_holds_files(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for name in ("first", "second"):
        with replacing(folder) as aside:
            aside.mkdir()
            (aside / name).touch()
            assert folder.exists() == (name == "second")
        assert (names(folder), names(tmp_path)) == ([name], ["out"])


def test_a_folder_is_merged_into_one_and_what_others_made_there_stays(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    (folder / "pictures").mkdir(parents=True)
    for name in ("of others", "metrics", "pictures/old"):
        (folder / name).write_text("old")
    with merging(folder) as aside:
        (aside / "pictures").mkdir(parents=True)
        for name in ("metrics", "pictures/new"):
            (aside / name).write_text("new")
        assert (folder / "metrics").read_text() == "old"
    assert (names(folder), names(folder / "pictures")) == (["metrics", "of others", "pictures"], ["new"])
    assert [(folder / name).read_text() for name in ("metrics", "of others")] == ["new", "old"]
    with pytest.raises(OSError, match="no room"), merging(folder) as aside:
        aside.mkdir()
        raise OSError(errno.ENOSPC, "no room")
    assert names(folder) == ["metrics", "of others", "pictures"]


@pytest.mark.parametrize(("name", "suffix"), [("a.png", ".png"), ("a.scan.NII.GZ", ".NII.GZ"), ("bare", "")])
def test_the_name_aside_keeps_the_suffix_by_which_writers_choose_a_format(
    tmp_path: Path, name: str, suffix: str
) -> None:
    with replacing(tmp_path / name) as aside:
        assert aside.parent == tmp_path and aside.name.endswith(suffix) and not aside.exists()
        aside.touch()
    assert names(tmp_path) == [name]


def test_the_longest_name_that_a_file_system_takes_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".txt")
    write_atomically(path, b"content")
    assert path.read_bytes() == b"content"


def test_what_a_killed_process_left_aside_is_removed_and_what_a_living_one_makes_stays(tmp_path: Path) -> None:
    (tmp_path / f".new-{GONE}-01234567.txt").touch()
    (tmp_path / f".new-{GONE}-01234567").mkdir()
    (tmp_path / f".new-{os.getppid()}-01234567.txt").touch()
    write_atomically(tmp_path / "file", b"")
    assert names(tmp_path) == [f".new-{os.getppid()}-01234567.txt", "file"]


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    refused = pytest.raises(MedganError, match=r"x cannot be written: File name too long; nothing is lost\. Make room")
    with refused, writing(Path("x"), "nothing is lost"):
        write_atomically(tmp_path / ("x" * 300), b"")


def test_a_held_lock_is_refused_and_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    with locked(path, "it is held"), pytest.raises(MedganError, match="it is held"), locked(path, "it is held"):
        pass
    code = "import os, sys, medgan.locks as l; from pathlib import Path; c = l.waiting_for(Path(sys.argv[1])); "
    subprocess.run([sys.executable, "-c", f"{code}c.__enter__(); os.kill(os.getpid(), 9)", str(path)], check=False)
    with waiting_for(path), pytest.raises(MedganError, match="again"), locked(path, "again"):
        pass
