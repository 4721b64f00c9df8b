"""Raw data sets where DVC cannot work: one sentence and status 2."""

from pathlib import Path

import pytest
import torch

from .conftest import Clone, make_clone, no_traceback


def fetched(clone: Clone, name: str) -> str:
    """The answer; before `medgan data fetch NAME` the command was `medgan data NAME`."""
    done = clone.medgan("data", "fetch", name)
    if "fetch" not in clone.medgan("data", "--help").stdout:
        done = clone.medgan("data", name)
    said = no_traceback(done)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, said
    return said


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """Files are there already: nothing is asked of a network."""
    made = make_clone(tmp_path / "clone", git=False)
    (made.root / "data" / "raw" / "ixi").mkdir(parents=True)
    (made.root / "data" / "raw" / "ixi" / "file").touch()
    return made


def test_without_git_the_remedy_works(clone: Clone) -> None:
    said = fetched(clone, "ixi")
    assert "no git repository" in said and "`dvc config --local core.no_scm true`" in said
    (clone.root / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    assert "data/raw/ixi has md5" in fetched(clone, "ixi")


def test_a_pointer_that_is_damaged(clone: Clone) -> None:
    (clone.root / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    (clone.root / "data" / "ixi.dvc").write_text("}")
    assert "data/ixi.dvc" in fetched(clone, "ixi")


def test_a_file_where_the_folder_belongs(clone: Clone) -> None:
    (clone.root / "data" / "raw" / "ixi" / "file").unlink()
    (clone.root / "data" / "raw" / "ixi").rmdir()
    (clone.root / "data" / "raw").rmdir()
    (clone.root / "data" / "raw").touch()
    assert "data/raw: " in fetched(clone, "pneumoniamnist")


def test_files_of_a_public_source_are_adopted_before_dvc_asks_for_them(tmp_path: Path) -> None:
    """Put there by hand, where there is no network; others are told by their md5."""
    clone = make_clone(tmp_path / "clone")
    pairs = clone.root / "data" / "raw" / "ixi"
    pairs.mkdir(parents=True)
    for name in ("T1", "T2"):
        torch.save(torch.zeros(64, 64, dtype=torch.float64), pairs / f"s - {name}.pt")
    clone.params({"data.source": "ixi", "data.raw": "data/raw/ixi", "data.options": {}, "data.labels": False})
    clone.params({"data.size": 64, "gan.conditional": False})
    done = clone.repro()
    said = no_traceback(done)
    assert done.returncode == 2 and "data/raw/ixi has md5 " in said and "data/ixi.dvc says a14f8a694e2d" in said
    assert "github" not in said
