"""Raw files outside the clone or of odd names, and files of another run among the prepared ones."""

import csv
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from .conftest import PYTHON, Clone, no_traceback

_ODD = (
    *(b"new\nline", b"carriage\rreturn", b"tab\t", b'comma, "quoted"', b" lead", b"back\\slash"),
    *(b"${data.raw}", b"h#%41?", "\u00fc\u4e2d".encode(), b"-o"),
)


def images(folder: Path, *names: bytes) -> Path:
    """PNG files of two classes, sixty each, these names among them."""
    for code, label in enumerate((b"ill", b"well")):
        (folder / os.fsdecode(label)).mkdir(parents=True)
        for index in range(60):
            name = names[index] if index < len(names) else b"%d" % index
            # Blots of their own: no two are near-copies.
            blots = Image.frombytes("L", (4, 4), random.Random(100 * code + index).randbytes(16))
            blots.resize((16 + index, 40 + code)).save(folder / os.fsdecode(label + b"/" + name + b".png"))
    return folder


def read(clone: Clone, raw: str | Path) -> None:
    clone.params({"data.source": "folder", "data.raw": str(raw), "data.options": {}, "data.name": "mine"})
    clone.params({"search.n": 30, "train.n": 30, "evaluate.n": 30})  # a quarter of the images


def test_a_raw_folder_outside_the_clone_may_hold_any_name_of_utf8(clone: Clone) -> None:
    folder = images(clone.root.parent / "my scans", *_ODD)
    read(clone, "../my scans")
    path = f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"
    done = clone.run(PYTHON, "-m", "dvc", "repro", "prepare", env={"PATH": path, "MEDGAN_PYTHON": str(PYTHON)})
    assert done.returncode == 0, no_traceback(done)
    (names,) = folder.with_name(f"{folder.name}.files").glob("*.csv")
    with names.open(newline="", encoding="utf-8") as file:
        origins = {row["file"] for row in csv.DictReader(file)}
    assert origins == {path.relative_to(folder).as_posix() for path in folder.glob("*/*.png")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_check_that_was_stopped_leaves_no_names_behind(clone: Clone, number: signal.Signals) -> None:
    raw, place = images(clone.root / "data" / "raw" / "scans"), clone.root.parent / "temporary"
    place.mkdir()
    before = (clone.root / "params.yaml").read_bytes()
    command = [PYTHON.with_name("medgan"), "data", "check", raw, "--write", "--force"]
    environment = {**os.environ, "TMPDIR": str(place)}
    with subprocess.Popen(command, cwd=clone.root, env=environment, stderr=subprocess.PIPE, text=True) as checking:
        while checking.poll() is None and not [*place.glob("medgan-check-*/*.csv")]:
            time.sleep(0.001)
        checking.send_signal(number)
        assert checking.stderr and "Traceback" not in checking.stderr.read()
    assert checking.returncode != 0 and (clone.root / "params.yaml").read_bytes() == before
    if number == signal.SIGKILL:
        assert clone.medgan("data", "check", raw, env=environment).returncode == 0
    assert not [*place.glob("medgan-check-*")]


def test_a_name_that_dvc_cannot_take_is_told_with_a_remedy(clone: Clone) -> None:
    read(clone, images(clone.root.parent / "scans", b"caf\xe9"))
    done = clone.repro()
    said = no_traceback(done)
    assert done.returncode == 2 and r"scans/ill/caf\xe9.png is not UTF-8" in said and "rename it" in said, said


def test_a_raw_folder_that_holds_what_is_made_of_it_is_refused(clone: Clone) -> None:
    images(clone.root.parent / "scans")
    read(clone, "..")
    done = clone.repro()
    said = no_traceback(done)
    assert done.returncode == 2 and "data.raw: .. holds" in said and "folder of their own" in said, said
