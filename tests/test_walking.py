"""Folders as they lie about: links, loops, pipes, and names of any bytes."""

import os
import socket
from pathlib import Path

import pytest

from medgan.fingerprint import tree_digest
from medgan.walking import walk


def made(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(path.name))


def names(raw: Path) -> list[str]:
    return [path.relative_to(raw).as_posix() for path in walk(raw).files]


def test_links_to_folders_are_followed_in_order(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    made(raw / "well" / "b.png", tmp_path / "elsewhere" / "deep" / "a.png", tmp_path / "elsewhere" / "z.png")
    (raw / "ill").symlink_to(tmp_path / "elsewhere")
    assert names(raw) == ["ill/deep/a.png", "ill/z.png", "well/b.png"]
    assert walk(raw).refused == [] and walk(raw).links == [raw / "ill"]


def test_a_folder_is_read_once_and_under_its_own_name(tmp_path: Path) -> None:
    """Else an image would have two classes."""
    made(tmp_path / "b" / "1.png", tmp_path / "b" / "in" / "2.png")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "c").symlink_to(tmp_path / "b" / "in")
    (tmp_path / "b" / "loop").symlink_to("..")
    (tmp_path / "b" / "self").symlink_to(".")
    assert names(tmp_path) == ["b/1.png", "b/in/2.png"]
    refused = {path.relative_to(tmp_path).as_posix(): reason for path, reason in walk(tmp_path).refused}
    assert refused == {
        "a": "it is the same folder as «b», which is read",
        "c": "it is the same folder as «in», which is read",
        "b/loop": f"it is the same folder as «{tmp_path.name}», which is read",
        "b/self": "it is the same folder as «b», which is read",
    }


def test_links_out_that_lead_back(tmp_path: Path) -> None:
    raw = tmp_path / "up" / "raw"
    made(raw / "ill" / "a.png", tmp_path / "up" / "secret.png", tmp_path / "other" / "b.png")
    (raw / "ill" / "up").symlink_to(tmp_path / "up")
    (raw / "root").symlink_to("/")
    (raw / "other").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(raw)
    assert names(raw) == ["ill/a.png", "other/b.png"]
    refused = {path.relative_to(raw).as_posix(): reason for path, reason in walk(raw).refused}
    assert refused == {
        "ill/up": "it is a link to a folder that holds this one",
        "root": "it is a link to a folder that holds this one",
        "other/back": "it is the same folder as «raw», which is read",
    }


def test_what_is_no_folder_is_given_and_what_systems_leave_is_not(tmp_path: Path) -> None:
    made(tmp_path / "a.png", tmp_path / ".hidden", tmp_path / "__MACOSX" / "._a.png", tmp_path / "Thumbs.db")
    made(tmp_path / "x.png" / "in a folder.png", tmp_path / "new\nline.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "ring.png").symlink_to("ring.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
    odd = os.fsdecode(b"caf\xe9.png")
    made(tmp_path / odd)
    expected = ["a.png", odd, "gone.png", "new\nline.png", "pipe.png", "ring.png", "s", "x.png/in a folder.png"]
    assert names(tmp_path) == sorted(expected)
    assert tmp_path / ".hidden" in walk(tmp_path, hidden=True).files


def test_folders_deeper_than_the_stack(tmp_path: Path) -> None:
    folders = [tmp_path]
    for _ in range(1500):
        folders.append(folders[-1] / "d")
        folders[-1].mkdir()
    (folders[-1] / "a").touch()
    try:
        assert walk(tmp_path).files == [folders[-1] / "a"]
    finally:  # what cleans up here has a stack too
        (folders[-1] / "a").unlink()
        for folder in folders[:0:-1]:
            folder.rmdir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root looks into all")
def test_a_folder_that_may_not_be_looked_into(tmp_path: Path) -> None:
    made(tmp_path / "closed" / "a.png")
    (tmp_path / "closed").chmod(0)
    try:
        assert walk(tmp_path).refused == [(tmp_path / "closed", "it cannot be looked into: Permission denied")]
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_change_behind_a_link_changes_the_digest(tmp_path: Path) -> None:
    made(tmp_path / "raw" / "a", tmp_path / "other" / "b")
    (tmp_path / "raw" / "link").symlink_to(tmp_path / "other")
    before = tree_digest(tmp_path / "raw")
    (tmp_path / "other" / "b").write_text("new")
    assert tree_digest(tmp_path / "raw") != before
