"""Real folders, one of each kind, from `medgan data check --write` to a registered version -> results/first-folder.md.

    MEDGAN_REAL_DATA=FOLDER python -m benchmarks.first_folder     # some 15 minutes; see benchmarks/real_data.py

Each in a fresh clone of what is committed here, by commands alone: no file is touched by hand. The budget is small: it
says that the way works from raw files to the registry, not how good a generator is.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.judging import ROOT
from benchmarks.real_data import unpacked
from benchmarks.tables import save
from medgan.data.store import open_prepared
from medgan.sources.rejections import read_rejected
from medgan.workspace.places import PREPARED, REGISTRY

WORK = ROOT / ".benchmarks" / "first-folder"
FOLDERS = {  # by kind: a name, the archive, and the folder in it
    "pictures, a class a sub-folder": ("chest-xray", "chest-xray-kermany.tar.xz", "chest_xray"),
    "pictures with a CSV": ("isic2017", "isic2017-lesions.tar.xz", "isic2017"),
    "pictures with masks": ("cheng", "brain-tumour-cheng.tar.xz", "cheng"),
    "DICOM": ("dicom-ct", "dicom-ct-ny-sbu.tar.xz", "dicom_ct"),
    "NIfTI": ("hippocampus", "hippocampus-nifti.tar.xz", "hippocampus"),
    "MedMNIST": ("breastmnist", "medmnist-28.tar.xz", "medmnist"),
    # Not data/raw/ixi: data/ixi.dvc makes that, and DVC would ask its source over the network.
    "pairs": ("ixi-pairs", "ixi.tar.xz", "."),
}
BUDGET = {
    "features.steps": 100,
    "search.trials": 0,
    "train.steps": 60,
    "train.evaluations": 2,
    "train.checkpoint_every": 30,
    "evaluate.bootstrap": 10,
    "evaluate.segmenter_steps": 60,
    "evaluate.told_apart_steps": 60,
}
_STAGE = "Running stage '"


@dataclass(frozen=True)
class Row:
    """files: that lie in the folder. used, rejected, classes, patients: of the prepared data. seconds: of each step.

    version: name and number in the registry, empty where there is none. verdict: crowned, or why not, or why nothing
    could be made of the folder.
    """

    kind: str
    folder: str
    files: int
    used: int
    rejected: int
    classes: list[str]
    patients: int
    seconds: dict[str, float]
    version: str
    verdict: str


def main() -> None:
    rows = []
    for kind, (name, archive, within) in FOLDERS.items():
        raw = unpacked(name, archive, within)
        if raw is None:
            sys.exit("set MEDGAN_REAL_DATA to the folder of the archives")
        rows.append(_row(kind, name, raw))
    _write(rows)


def _row(kind: str, name: str, raw: Path) -> Row:
    clone = WORK / name
    shutil.rmtree(clone, ignore_errors=True)
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    folder = Path("data") / "raw" / name
    shutil.copytree(raw, clone / folder, copy_function=os.link)
    files = sum(path.is_file() for path in (clone / folder).rglob("*"))
    print(f"\n{name}: {files:,} files", flush=True)
    checked, seconds = _call(clone, "medgan.cli.main", "data", "check", str(folder), "--write")
    if checked.startswith("error: "):
        return Row(kind, name, files, 0, 0, [], 0, {"check": seconds["check"]}, "", checked.removeprefix("error: "))
    changes = [part for key, value in BUDGET.items() for part in ("-S", f"{key}={value}")]
    _, of_stages = _call(clone, "dvc", "exp", "run", *changes, "dvc.yaml")
    registry = json.loads((clone / REGISTRY).read_text())
    prepared = open_prepared(clone / PREPARED)
    return Row(
        kind=kind,
        folder=name,
        files=files,
        used=len(prepared.images),
        rejected=len(read_rejected(clone / PREPARED / "rejected.csv")),
        classes=list(prepared.label_names),
        patients=len({*prepared.patients}),
        seconds=seconds | of_stages,
        version=f"{registry['name']} {registry['version']}",
        verdict="crowned" if registry["crowned"] else "; ".join(registry["reasons"]),
    )


def _call(clone: Path, *command: str) -> tuple[str, dict[str, float]]:
    """The last line that a command printed, and the seconds of each stage that it ran, or of "check"."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=clone,
        env={**environment, "PYTHONPATH": str(clone), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds, step, since, last = dict[str, float](), "check", time.perf_counter(), ""
    for line in process.stdout or ():
        print(line, end="", flush=True)
        last = line.strip() or last
        if line.startswith(_STAGE):
            seconds[step], since = time.perf_counter() - since, time.perf_counter()
            step = line.removeprefix(_STAGE).partition("'")[0]
    seconds[step] = time.perf_counter() - since
    if process.wait() and not last.startswith("error: "):
        sys.exit(f"{' '.join(command)} failed in {clone}, see above")
    return last, {step: round(value, 1) for step, value in seconds.items() if step != "check" or command[0] != "dvc"}


def _write(rows: list[Row]) -> None:
    steps = [*dict.fromkeys(step for row in rows for step in row.seconds)]
    columns = (
        "kind",
        "folder",
        "files",
        "used",
        "rejected",
        "classes",
        "patients",
        *(f"{s}, s" for s in steps),
        "version",
    )
    cells = [
        (
            row.kind,
            row.folder,
            *(f"{number:,}" for number in (row.files, row.used, row.rejected)),
            ", ".join(row.classes) or "none",
            f"{row.patients:,}",
            *(f"{row.seconds[step]:.0f}" if step in row.seconds else "" for step in steps),
            row.version or "none",
        )
        for row in rows
    ]
    budget = ", ".join(f"{key} {value}" for key, value in BUDGET.items())
    lines = [
        "# A first folder of each kind",
        "",
        "`python -m benchmarks.first_folder`: in a fresh clone, `medgan data check data/raw/NAME --write`, then `dvc "
        f"exp run -S ... dvc.yaml` with a small budget ({budget}), one thread. No file is touched by hand; all "
        "numbers of images are those that the check fitted.",
        "",
        f"| {' | '.join(columns)} |",
        f"|{' --- |' * len(columns)}",
        *(f"| {' | '.join(line)} |" for line in cells),
        "",
        "Verdicts, of so few steps:",
        "",
        *(f"- {row.folder}: {row.verdict}" for row in rows),
    ]
    save("first-folder", [asdict(row) for row in rows], lines)


if __name__ == "__main__":
    main()
