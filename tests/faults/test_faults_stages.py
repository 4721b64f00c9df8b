"""Faults of stages and of `make repro` in a new clone: the wrong Python, no git repository, too few images."""

import shutil

import pytest

from .conftest import PYTHON, Clone, no_traceback


def test_dvc_runs_stages_without_an_activated_environment(clone: Clone) -> None:
    (clone.root / ".venv").symlink_to(PYTHON.parents[1])
    nowhere = {"PATH": "/usr/bin:/bin", "MEDGAN_PYTHON": ""}
    done = clone.run(PYTHON, "-m", "dvc", "repro", "prepare", env=nowhere)
    assert done.returncode == 0, done.stderr
    assert (clone.root / "data/prepared/images.npy").exists()


def test_a_folder_that_is_no_git_repository_is_said_with_the_remedy(clone: Clone) -> None:
    shutil.rmtree(clone.root / ".git")
    done = clone.repro()
    assert done.returncode == 2
    said = no_traceback(done)
    assert "git init" in said and "core.no_scm true" in said
    assert clone.run(PYTHON, "-m", "dvc", "config", "--local", "core.no_scm", "true").returncode == 0
    assert clone.run(PYTHON, "-m", "dvc", "repro", "prepare", env={"MEDGAN_PYTHON": str(PYTHON)}).returncode == 0


@pytest.mark.slow
def test_more_test_images_than_there_are_is_said_before_any_training(clone: Clone) -> None:
    clone.params({"evaluate.n": 5000})
    for name in ("prepare", "features"):
        done = clone.stage(name)
        assert done.returncode == 2
        assert "evaluate.n is 5,000 and there are 120 test images: set evaluate.n: 120" in no_traceback(done)
