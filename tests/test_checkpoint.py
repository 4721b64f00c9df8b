"""Checkpoints: complete or not there, whatever happens to the file or to the process that writes it."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from medgan.errors import MedganError
from medgan.training.checkpoint import (
    KEPT_FOLDERS,
    Checkpoint,
    discard,
    held,
    load_checkpoint,
    prune_folders,
    remove_folders,
    save_checkpoint,
)


def made(step: int) -> Checkpoint:
    tensors = {
        "weight": torch.randn(3, 5, generator=torch.Generator().manual_seed(step)),
        "step": torch.tensor(float(step)),
        "half": torch.arange(4, dtype=torch.bfloat16),
        "count": torch.tensor(2**40 + step),
    }
    return Checkpoint(step, tensors, {"rows": [{"step": step, "loss": 0.1 + step}], "best": {"score": float("inf")}})


def same(one: Checkpoint | None, other: Checkpoint) -> bool:
    return (
        one is not None
        and (one.step, one.meta) == (other.step, other.meta)
        and one.tensors.keys() == other.tensors.keys()
        and all(
            tensor.dtype == other.tensors[name].dtype and torch.equal(tensor, other.tensors[name])
            for name, tensor in one.tensors.items()
        )
    )


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, made(7))
    assert same(load_checkpoint(tmp_path), made(7))


def test_strided_tensors_come_back_by_value(tmp_path: Path) -> None:
    image = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    save_checkpoint(tmp_path, Checkpoint(1, {"image": image, "column": image[0, :, 0, 0]}, {}))
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert torch.equal(loaded.tensors["image"], image)
    assert torch.equal(loaded.tensors["column"], image[0, :, 0, 0])


def test_the_newest_two_are_kept_in_order_of_steps(tmp_path: Path) -> None:
    for step in (5, 90, 100, 1000):
        save_checkpoint(tmp_path, made(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-00000100.checkpoint",
        "step-00001000.checkpoint",
    ]
    assert same(load_checkpoint(tmp_path), made(1000))


def test_a_hundred_truncations_fall_back_to_the_one_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    whole, newest = _two(tmp_path)
    lengths = {0, 1, 31, 32, 33, 39, 40, 41, len(whole) - 1, *range(64, len(whole), len(whole) // 95)}
    assert len(lengths) >= 100
    for length in lengths:
        newest.write_bytes(whole[:length])
        assert same(load_checkpoint(tmp_path), made(1))
        assert "step-00000002.checkpoint is damaged" in caplog.text


def test_a_hundred_flipped_bits_fall_back_to_the_one_before(tmp_path: Path) -> None:
    whole, newest = _two(tmp_path)
    offsets = {*range(0, 40, 4), len(whole) - 1, *range(40, len(whole), len(whole) // 95)}
    assert len(offsets) >= 100
    for offset in offsets:
        content = bytearray(whole)
        content[offset] ^= 1 << (offset % 8)
        newest.write_bytes(content)
        assert same(load_checkpoint(tmp_path), made(1))


def _two(folder: Path) -> tuple[bytes, Path]:
    """Two checkpoints: the bytes and the path of the newer one."""
    folder.mkdir(exist_ok=True)
    save_checkpoint(folder, made(1))
    save_checkpoint(folder, made(2))
    newest = folder / "step-00000002.checkpoint"
    return newest.read_bytes(), newest


def test_two_damaged_ones_are_none(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, made(step))
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    assert load_checkpoint(tmp_path) is None
    # What is saved next has fewer steps than the damaged ones, and stays.
    save_checkpoint(tmp_path, made(1))
    save_checkpoint(tmp_path, made(1))
    assert same(load_checkpoint(tmp_path), made(1))


def test_beside_a_damaged_one_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 9):
        save_checkpoint(tmp_path, made(step))
    (tmp_path / "step-00000009.checkpoint").write_bytes(b"")
    assert same(load_checkpoint(tmp_path), made(1))
    for step in (2, 3):
        save_checkpoint(tmp_path, made(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "damaged.checkpoint",
        "step-00000002.checkpoint",
        "step-00000003.checkpoint",
    ]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What a full disk does to a file that is being written: the system takes no more of it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_write_leaves_the_old_state_alone_and_says_so(tmp_path: Path) -> None:
    size = len(_two(tmp_path / "whole")[0])
    folder = tmp_path / "full"
    folder.mkdir()
    with (
        files_of_at_most(size // 2),
        pytest.raises(MedganError, match="File too large; it takes 0 MB, and there is none before it"),
    ):
        save_checkpoint(folder, made(1))
    assert list(folder.iterdir()) == []
    save_checkpoint(folder, made(1))
    with files_of_at_most(size // 2), pytest.raises(MedganError) as caught:
        save_checkpoint(folder, made(2))
    assert "the last one, step-00000001.checkpoint, is whole. Make room" in str(caught.value)
    assert [path.name for path in folder.iterdir()] == ["step-00000001.checkpoint"]
    assert same(load_checkpoint(folder), made(1))


def test_what_a_kill_left_aside_is_removed(tmp_path: Path) -> None:
    (tmp_path / f".new-{2**22 + 1}-01234567.checkpoint").write_bytes(b"half of it, by a process that is gone")
    assert load_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, made(1))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.checkpoint"]


def test_discard_takes_checkpoints_and_samples(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, made(1))
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "step-000001.png").write_bytes(b"")
    with held(tmp_path):
        discard(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def folders(root: Path, count: int) -> list[Path]:
    made_folders = [root / f"train-{index}" for index in range(count)]
    for age, folder in enumerate(made_folders):
        folder.mkdir()
        os.utime(folder, (time.time() - 1000 + age,) * 2)
    return made_folders


def test_old_folders_are_pruned_but_neither_the_kept_nor_one_in_use(tmp_path: Path) -> None:
    keep, used, *others = folders(tmp_path, KEPT_FOLDERS + 4)
    (tmp_path / "study-0").mkdir()  # holds a lock alone
    os.utime(tmp_path / "study-0", (0, 0))
    with held(used):
        os.utime(used, (1, 1))
        prune_folders(tmp_path, keep=keep)
    # Of the others the newest stay, so that `keep` and they are KEPT_FOLDERS; the one in use comes on top.
    assert sorted(path for path in tmp_path.iterdir() if path.is_dir()) == sorted(
        [tmp_path / "study-0", keep, used, *others[-(KEPT_FOLDERS - 1) :]]
    )
    prune_folders(tmp_path, keep=keep)
    assert not used.exists() and keep.exists()


def test_few_folders_are_all_kept(tmp_path: Path) -> None:
    made_folders = folders(tmp_path, KEPT_FOLDERS)
    prune_folders(tmp_path, keep=made_folders[0])
    assert all(folder.exists() for folder in made_folders)


def test_trial_folders_of_another_search_stay(tmp_path: Path) -> None:
    mine, other = folders(tmp_path, 2)
    with held(other):
        remove_folders(tmp_path.glob("train-*"))
        assert other.exists() and not mine.exists()


def test_a_held_folder_is_refused_by_name(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(MedganError, match=str(tmp_path)), held(tmp_path):
        pass
