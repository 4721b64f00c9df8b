"""What the operating system refuses to the commands of medgan: one sentence and status 2."""

from pathlib import Path

import pytest

from .conftest import PYTHON, Clone, no_traceback
from .models import save_model

_LONG = "n" * 300
_CALL = (
    "import sys; from importlib.metadata import entry_points; sys.argv[0] = 'medgan'; "
    "next(iter(entry_points(group='console_scripts', name='medgan'))).load()()"
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path / "few.onnx")


@pytest.mark.parametrize("out", ["/proc/there/out", f"{_LONG}", f"{_LONG}/below", "few.onnx/below", "/proc/version"])
@pytest.mark.parametrize("command", ["generate", "grid"])
def test_an_out_that_cannot_be_written(clone: Clone, model: Path, command: str, out: str) -> None:
    name = f"{out}.png" if command == "grid" else out
    done = clone.medgan(command, model, "--out", model.parent / name)
    said = no_traceback(done)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, said
    assert "--out" in said


@pytest.mark.parametrize(
    "command",
    [
        "generate few.onnx --out drawn",
        "grid few.onnx --out grid.png",
        "use medical-mnist --force",
    ],
)
def test_a_disk_that_is_full(clone: Clone, command: str) -> None:
    save_model(clone.root / "few.onnx", side=64)
    # A file of no more than no blocks: what a full disk is to a program, but for the number of the error.
    done = clone.run("bash", "-c", f'ulimit -f 0; exec {PYTHON} -c "$0" {command}', _CALL)
    said = no_traceback(done)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, said
    assert "File too large" in said
    assert not list(clone.root.glob(".params*"))


def test_a_stdout_that_is_full(clone: Clone) -> None:
    done = clone.run("bash", "-c", f'exec {PYTHON} -c "$0" recipes > /dev/full', _CALL)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("error: ")


def test_a_name_of_a_model_that_no_file_can_have(clone: Clone) -> None:
    for command in ("generate", "grid", "verify"):
        done = clone.medgan(command, f"{_LONG}.onnx")
        assert done.returncode == 2 and "does not exist" in no_traceback(done)


def test_a_recipe_that_cannot_replace_a_folder(clone: Clone) -> None:
    (clone.root / "params.yaml").unlink()
    (clone.root / "params.yaml").mkdir()
    for force in ([], ["--force"]):
        done = clone.medgan("use", "medical-mnist", *force)
        assert done.returncode == 2, no_traceback(done)
        assert no_traceback(done).startswith("error: ")
