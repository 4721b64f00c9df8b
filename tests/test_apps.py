"""Apps stand on what `pip install medgan` brings."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_packaging import BLOCKED

from medgan.runtime import OnnxGenerator

ROOT = Path(__file__).parents[1]


def balance(*arguments: Path) -> subprocess.CompletedProcess[str]:
    """Run the app where nothing can be imported that apps do not install."""
    script = (
        f"import runpy, sys\nsys.modules.update(dict.fromkeys({BLOCKED!r}))\n"
        f"sys.argv = ['balance', *{[str(each) for each in arguments]!r}]\n"
        "runpy.run_module('apps.balance', run_name='__main__')\n"
    )
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, count in (("healthy", 5), ("tumour", 2)):
        (tmp_path / "raw" / name).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(np.full((20, 20), 10 * index, np.uint8)).save(tmp_path / "raw" / name / f"{index}.PNG")
    return tmp_path / "raw"


def test_classes_are_levelled_in_a_copy_and_each_drawn_image_says_that_it_is(
    folder: Path, tiny_onnx: Path, tmp_path: Path
) -> None:
    done = balance(folder, tiny_onnx, tmp_path / "level")
    assert done.returncode == 0, done.stderr
    assert "5 healthy and 0 drawn, 2 tumour and 3 drawn" in done.stdout
    assert "Drawn images are (1, 16, 16), real ones (1, 20, 20)" in done.stdout
    assert len(list((tmp_path / "level/healthy").iterdir())) == 5 and len(list(folder.rglob("*.PNG"))) == 7
    drawn = sorted((tmp_path / "level/tumour").glob("synthetic-*.png"))
    assert len(drawn) == 3 and len(list((tmp_path / "level/tumour").glob("*.PNG"))) == 2
    images = OnnxGenerator(tiny_onnx).draw(3, seed=0, labels="tumour")
    for index, file in enumerate(drawn):
        beside = json.loads(file.with_suffix(".json").read_text())
        assert beside["synthetic"] and (beside["label"], beside["index"]) == ("tumour", index)
        with Image.open(file) as image:
            assert image.info["Comment"].startswith("synthetic; not for diagnosis")
            assert np.allclose(np.asarray(image), (images[index, 0] + 1) * 127.5, atol=0.51)


def test_what_cannot_be_levelled_is_a_sentence(folder: Path, tiny_onnx: Path, tmp_path: Path) -> None:
    (folder / ".cache").mkdir()  # of no class
    there, inside = balance(folder, tiny_onnx, folder), balance(folder, tiny_onnx, folder / "out")
    drawn = folder / "tumour" / "synthetic-0-00000.png"
    drawn.write_bytes(b"")
    again = balance(folder, tiny_onnx, tmp_path / "out")
    drawn.unlink()
    for file in (folder / "tumour").iterdir():
        file.rename(file.with_suffix(".dcm"))
    unread = balance(folder, tiny_onnx, tmp_path / "out")
    (folder / "unknown").mkdir()
    other = balance(folder, tiny_onnx, tmp_path / "out")
    for done, sentence in (
        (there, "is there already"),
        (inside, "or lies in"),
        (again, "synthetic-0-00000.png was drawn"),
        (unread, "tumour has no pictures: .png"),
        (other, "'unknown'], the classes of"),
    ):
        assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "out").exists() and not (folder / "out").exists()
