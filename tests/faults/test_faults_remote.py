"""Raw files added to a clone, a remote, and another clone that has what was made of them and not themselves."""

import subprocess
import time
from pathlib import Path

import pytest
import yaml

from .conftest import PYTHON, Clone, no_traceback
from .test_faults_data import images

_GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b")


def dvc(clone: Clone, *arguments: str | Path) -> str:
    done = clone.run(PYTHON, "-m", "dvc", *arguments)
    assert done.returncode == 0, no_traceback(done)
    return done.stdout


def test_raw_files_are_added_once_and_pushed_only_if_asked(clone: Clone, tmp_path: Path) -> None:
    folder = images(tmp_path / "my scans")
    added = clone.medgan("data", "add", folder, "--name", "scans")
    assert added.returncode == 0 and "data/raw/scans: 120 files" in no_traceback(added)
    (first,) = yaml.safe_load((clone.root / "data" / "scans.dvc").read_text())["outs"]
    assert first["push"] is False and first["nfiles"] == 120
    again = clone.medgan("data", "add", folder, "--name", "scans")
    assert again.returncode == 2 and "the name 'scans' is taken" in no_traceback(again)
    raw = clone.root / "data" / "raw" / "scans"
    next(raw.glob("ill/*.png")).unlink()
    changed = clone.medgan("data", "add", raw, "--name", "scans", "--push")
    assert changed.returncode == 0 and "119 files" in no_traceback(changed) and "sends them too" in changed.stdout
    (second,) = yaml.safe_load((clone.root / "data" / "scans.dvc").read_text())["outs"]
    assert second["md5"] != first["md5"] and second.get("push", True)


@pytest.mark.parametrize(
    ("path", "name", "says"),
    [
        ("scans", "a b", "letters, digits"),
        ("scans", "../up", "letters, digits"),
        ("nowhere", "scans", "does not exist"),
        ("scans", "ixi", "the name 'ixi' is taken"),
        ("bad", "scans", "is a link to nothing"),
        ("empty", "scans", "holds no file"),
        ("scans.zip", "scans", "unpack it"),
    ],
)
def test_what_cannot_be_added_is_a_sentence(clone: Clone, tmp_path: Path, path: str, name: str, says: str) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "scans.zip").write_bytes(b"PK")
    (tmp_path / "bad" / "lost.png").symlink_to(tmp_path / "none.png")
    done = clone.medgan("data", "add", tmp_path / path, "--name", name)
    assert done.returncode == 2 and says in no_traceback(done)
    assert not (clone.root / "data" / "scans.dvc").exists() and not (clone.root / "data" / "raw").exists()


def test_an_add_that_was_killed_leaves_no_pointer_that_says_nothing(clone: Clone, tmp_path: Path) -> None:
    folder, data = images(tmp_path / "my scans"), clone.root / "data"
    command = [PYTHON.with_name("medgan"), "data", "add", folder, "--name", "scans"]
    with subprocess.Popen(command, cwd=clone.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as adding:
        while adding.poll() is None and not [*data.glob("*scans*.dvc"), *data.glob(".new-*.dvc")]:
            time.sleep(0.001)
        adding.kill()
    assert not (data / "scans.dvc").exists()
    again = clone.medgan("data", "add", folder, "--name", "scans")
    assert again.returncode == 2 and "add data/raw/scans itself again" in no_traceback(again)
    done = clone.medgan("data", "add", data / "raw" / "scans", "--name", "scans")
    assert done.returncode == 0 and "data/raw/scans: 120 files" in no_traceback(done)
    assert not [*data.glob(".new-*")] and "md5" in (data / "scans.dvc").read_text()


@pytest.mark.slow
def test_elsewhere_only_registration_is_left_to_do(finished: Clone, tmp_path: Path) -> None:
    """Without the raw files, and without a network for the public sources of data/*.dvc."""
    dvc(finished, "remote", "add", "-d", "store", tmp_path / "store")
    dvc(finished, "push")
    finished.run(*_GIT, "add", ".")
    finished.run(*_GIT, "commit", "-qm", "pushed")
    other = Clone(tmp_path / "other")
    finished.run("git", "clone", "-q", finished.root, other.root)
    (other.root / "data" / "phantom.yaml").unlink()
    dvc(other, "pull", "dvc.yaml")
    done = other.repro()
    said = no_traceback(done)
    assert done.returncode == 0 and "version 1" in said
    assert [line for line in said.splitlines() if line.startswith("Running stage")] == ["Running stage 'register':"]
    again = other.repro()
    assert again.returncode == 0 and "nothing to do" in no_traceback(again)
    other.params({"data.size": 32})
    stopped = other.repro()
    assert stopped.returncode != 0 and "data/phantom.yaml" in no_traceback(stopped)
    assert "`dvc pull dvc.yaml`" in stopped.stderr
