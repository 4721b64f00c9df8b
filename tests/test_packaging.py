"""The wheel: what an app installs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What `pip install medgan` brings, and what each of them imports on its own account, may be imported; training may not.
BLOCKED = ("torch", "torchvision", "mlflow", "optuna", "dvc", "onnx", "yaml", "scipy", "sklearn", "nibabel", "pydicom")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check", "-o", str(out)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


def test_it_holds_the_package_alone_and_asks_for_little(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        (metadata,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        lines = archive.read(metadata).decode().splitlines()
    assert {top for top in tops if not top.endswith(".dist-info")} == {"medgan"}
    required = [line.split(": ")[1] for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    names = {entry.split(">")[0].split("=")[0].strip() for entry in required}
    assert names == {"numpy", "onnxruntime", "pillow", "typer"}
    extras = {line.split("; ")[1]: line for line in lines if line.startswith("Requires-Dist") and "extra ==" in line}
    assert {"extra == 'dicom'", "extra == 'gdcm'"} <= extras.keys()
    assert [line for line in lines if "extra == 'nifti'" in line] == ["Requires-Dist: nibabel>=5.3; extra == 'nifti'"]


def test_it_draws_where_no_training_package_can_be_imported(wheel: Path, tiny_onnx: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = (
        f"import sys\nsys.modules.update(dict.fromkeys({BLOCKED!r}))\n"
        "import medgan, medgan.cli.main, medgan.runtime.translate\n"
        "from medgan.runtime import OnnxGenerator\n"
        "print(medgan.__file__)\n"
        f"print(OnnxGenerator({str(tiny_onnx)!r}).draw(3, seed=1).shape)\n"
        f"sys.argv = ['medgan', 'generate', {str(tiny_onnx)!r}, '--count', '3', '--out', {str(tmp_path / 'drawn')!r}]\n"
        "medgan.cli.main.main()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "site") in done.stdout and "(3, 1, 16, 16)" in done.stdout
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 4
