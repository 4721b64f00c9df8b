"""Raw data sets where DVC cannot work: one sentence and status 2."""

from pathlib import Path

import pytest

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
