"""The command line: what it draws, and that every mistake is one sentence and exit status 2."""

import os
import re
import shutil
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from medgan import __version__
from medgan.cli.main import app
from medgan.errors import MedganError
from medgan.imaging.arrays import to_uint8
from medgan.imaging.grids import by_class, grid
from medgan.workspace.doctor import Finding, findings


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def complaint(*arguments: str | Path) -> str:
    result = call(*arguments)
    assert isinstance(result.exception, MedganError), result.output
    return str(result.exception)


def medgan(*arguments: str | Path, cwd: Path, before: str = "") -> "subprocess.CompletedProcess[str]":
    """The real program, after some Python of the test's own."""
    code = f"import sys\n{before}\nfrom medgan.cli.main import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_help_lists_every_command() -> None:
    shown = call("--help").output
    for name in ("generate", "verify", "recipes", "use", "data", "doctor", "ui"):
        assert re.search(rf"\b{name}\b", shown)


def test_every_command_explains_itself() -> None:
    groups = [([group.name], group.typer_instance) for group in app.registered_groups]
    for path, command in [
        (path, command) for path, each in [([], app), *groups] for command in each.registered_commands
    ]:
        assert command.callback is not None
        result = call(*map(str, path), command.callback.__name__, "--help")
        assert result.exit_code == 0
        assert command.callback.__doc__
        assert command.callback.__doc__.split(".")[0][:30] in result.output


def test_version() -> None:
    assert call("--version").output.strip() == __version__


def test_a_command_for_a_clone_says_so_outside_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (["recipes"], ["use", "default"], ["doctor"], ["ui"]):
        assert "is not in a clone of medgan" in complaint(*arguments)


# generate


def test_generate_writes_a_picture_each_and_a_grid(tiny_onnx: Path, tmp_path: Path) -> None:
    result = call("generate", tiny_onnx, "--count", "7", "--seed", "3", "--out", tmp_path / "new" / "drawn")
    assert result.exit_code == 0, result.output
    assert "not for diagnosis" in result.output
    names = sorted(path.name for path in (tmp_path / "new" / "drawn").iterdir())
    kinds = ["healthy", "infarct", "tumour"]
    assert names == [*(f"3-{i:05d}-{kinds[i % 3]}.png" for i in range(7)), "grid.png"]
    with Image.open(tmp_path / "new" / "drawn" / names[0]) as picture:
        assert (picture.size, picture.mode) == ((16, 16), "L")


def test_the_same_seed_draws_the_same_pictures_and_another_others(tiny_onnx: Path, tmp_path: Path) -> None:
    def drawn(folder: str, seed: int) -> list[bytes]:
        assert call("generate", tiny_onnx, "--count", "4", "--seed", seed, "--out", tmp_path / folder).exit_code == 0
        return [path.read_bytes() for path in sorted((tmp_path / folder).glob("*-*.png"))]

    assert drawn("a", 1) == drawn("b", 1)
    assert drawn("a", 1) != drawn("c", 2)


def test_fewer_pictures_are_the_first_of_more(tiny_onnx: Path, tmp_path: Path) -> None:
    for folder, count in (("few", 2), ("many", 70)):
        assert call("generate", tiny_onnx, "--count", count, "--out", tmp_path / folder).exit_code == 0
    for path in (tmp_path / "few").glob("0-*.png"):
        few, many = (np.asarray(Image.open(p), dtype=int) for p in (path, tmp_path / "many" / path.name))
        assert np.abs(few - many).max() <= 1


def test_a_label_draws_that_class_alone(tiny_onnx: Path, tmp_path: Path) -> None:
    assert call("generate", tiny_onnx, "--count", "4", "--label", "tumour", "--out", tmp_path).exit_code == 0
    assert len(list(tmp_path.glob("0-*-tumour.png"))) == 4


def test_an_unknown_label_is_answered_with_the_choices(tiny_onnx: Path, tmp_path: Path) -> None:
    said = complaint("generate", tiny_onnx, "--label", "tumor", "--out", tmp_path / "drawn")
    assert said == "unknown label 'tumor'; choices: healthy, infarct, tumour"
    assert not (tmp_path / "drawn").exists()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_place_of_the_folder_is_kept(tiny_onnx: Path, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    said = complaint("generate", tiny_onnx, "--out", tmp_path / "file" / below)
    assert "is a file; name a folder" in said
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    assert "absent.onnx does not exist" in complaint("generate", tmp_path / "absent.onnx")
    (tmp_path / "wrong.onnx").write_bytes(b"not a model")
    said = complaint("generate", tmp_path / "wrong.onnx")
    assert "wrong.onnx is not an ONNX model" in said
    assert "\n" not in said


@pytest.mark.parametrize("arguments", [["--count", "0"], ["--seed", "-1"], ["--cuont", "3"]])
def test_arguments_out_of_range_are_refused(tiny_onnx: Path, arguments: list[str]) -> None:
    assert call("generate", tiny_onnx, *arguments).exit_code == 2


# verify


def test_verify_prints_what_the_model_says_of_itself(tiny_onnx: Path) -> None:
    result = call("verify", tiny_onnx)
    assert result.exit_code == 0, result.output
    assert re.search(r"name +tiny\n", result.output)
    assert re.search(r"difference +\d\.\de-\d\d from the golden vectors", result.output)


def test_verify_finds_a_model_that_draws_otherwise(tiny_onnx: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_onnx, tmp_path)
    with np.load(tiny_onnx.with_name("golden.npz")) as golden:
        np.savez(tmp_path / "golden.npz", **{**golden, "image": golden["image"] + 0.01})
    assert "differs from its golden vectors by 1.0e-02" in complaint("verify", tmp_path / tiny_onnx.name)


def test_verify_without_golden_vectors_says_where_they_belong(tiny_onnx: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_onnx, tmp_path)
    assert "golden.npz does not exist" in complaint("verify", tmp_path / tiny_onnx.name)


@pytest.mark.parametrize("damage", ["torn", "text", "other arrays"])
def test_verify_with_damaged_golden_vectors_is_a_sentence(tiny_onnx: Path, tmp_path: Path, damage: str) -> None:
    shutil.copy(tiny_onnx, tmp_path)
    golden = tmp_path / "golden.npz"
    if damage == "torn":
        golden.write_bytes(tiny_onnx.with_name("golden.npz").read_bytes()[:300])
    elif damage == "text":
        golden.write_text("mine")
    else:
        np.savez(golden, x=np.zeros(3))
    assert "golden.npz" in complaint("verify", tmp_path / tiny_onnx.name)


# in a clone


def test_recipes_are_listed_and_used(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    (clone / "recipes" / "quick.yaml").write_text("# Seven steps\ntrain: {steps: 7}\n")
    assert re.search(r"^quick +Seven steps$", call("recipes").output, re.MULTILINE)
    result = call("use", "quick")
    assert result.exit_code == 0
    assert re.fullmatch(r"train.steps: \d+ -> 7\n", result.output)


def test_doctor_looks_at_versions_parameters_and_stores(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    found = {finding.what: finding for finding in _before_pipeline(clone)}
    assert all(finding.good for finding in found.values())
    assert {"python", "torch", "onnxruntime", "device", "data", "mlflow"} <= found.keys()
    assert "made by the first run" in found["mlflow"].value
    assert not (clone / "mlflow.db").exists()


def test_doctor_says_what_is_wrong_with_the_parameters(clone: Path) -> None:
    (clone / "params.yaml").write_text("sede: 1\n")
    bad = [finding for finding in _before_pipeline(clone) if not finding.good]
    assert [finding.what for finding in bad] == ["params.yaml"]
    assert "'sede' (did you mean 'seed'?)" in bad[0].value


def _before_pipeline(clone: Path) -> list[Finding]:
    """All but the last finding, which asks DVC and takes seconds."""
    return list(takewhile(lambda finding: "optuna.db" not in finding.value, findings(clone)))


# the program itself


def test_a_mistake_is_one_sentence_and_status_2(tmp_path: Path, clone: Path) -> None:
    for folder, arguments, says in (
        (clone, ["use", "defualt"], "did you mean 'default'?"),
        (tmp_path, ["generate", "absent.onnx"], "absent.onnx does not exist"),
    ):
        done = medgan(*arguments, cwd=folder)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert says in done.stderr


def test_an_app_draws_without_the_training_packages(tiny_onnx: Path, tmp_path: Path) -> None:
    # pydantic is not among them: typer itself brings it.
    absent = "".join(
        f"sys.modules['{name}'] = None\n"
        for name in ("torch", "torchvision", "mlflow", "optuna", "onnx", "yaml", "scipy", "sklearn")
    )
    done = medgan("generate", tiny_onnx, "--count", "2", cwd=tmp_path, before=absent)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 3
    done = medgan("recipes", cwd=tmp_path, before=absent)
    assert done.returncode == 2
    assert re.fullmatch(r"error: this command needs \w+; install medgan\[train\], or work in a clone\n", done.stderr)


def test_the_installed_program_is_this_one(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("medgan")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == __version__


# pictures, which these commands write


def test_pixels_are_rounded_and_clipped() -> None:
    image = np.array([-3, -1, -0.999, 0, 0.5, 1, 2], np.float32).reshape(7, 1, 1, 1)
    assert to_uint8(image).flatten().tolist() == [0, 0, 0, 128, 191, 255, 255]


def test_every_grey_level_survives_normalising_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8)
    normalised = (levels.astype(np.float32) * np.float32(2 / 255) - 1).reshape(256, 1, 1, 1)
    assert np.array_equal(to_uint8(normalised).flatten(), levels)


@pytest.mark.parametrize(("n", "columns", "channels"), [(5, 3, 1), (1, 1, 3), (4, 10, 1), (60, 10, 3)])
def test_a_grid_shows_each_image_once_in_order(n: int, columns: int, channels: int) -> None:
    images = np.repeat(np.arange(1, n + 1, dtype=np.uint8), 64 * channels).reshape(n, 8, 8, channels)
    canvas = grid(images, columns=columns)
    factor = canvas.shape[1] // (columns * 10 + 2)
    assert canvas.shape == ((-(-n // columns) * 10 + 2) * factor, (columns * 10 + 2) * factor, channels)
    for index in range(n):
        top, left = (2 + 10 * (index // columns)) * factor, (2 + 10 * (index % columns)) * factor
        assert (canvas[top : top + 8 * factor, left : left + 8 * factor] == index + 1).all()
    assert (canvas > 0).sum() == n * 64 * factor**2 * channels


def test_a_row_a_class() -> None:
    labels = np.array([0, 1, 0, 1, 1, 0, 0])
    allowed = np.array([True, True, True, True, False, False, True])
    assert by_class(labels, allowed, classes=2, columns=2) == [0, 2, 1, 3]
    assert by_class(None, allowed, classes=0, columns=1) == [0, 1, 2, 3]
