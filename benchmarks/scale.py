"""A search on three "machines": clones that share PostgreSQL, an MLflow server and a DVC remote -> results/scale.*

    python -m benchmarks.scale             # some 5 minutes; needs Debian's package postgresql

The first clone prepares the data, pushes them and begins the search; the others get them by `dvc pull` and help with
`medgan worker`. All of it is as docs/scale.md says, on loopback, with a small budget on phantoms.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import yaml

from benchmarks.judging import ROOT
from benchmarks.postgresql import Server, server
from benchmarks.search_kills import mlflow_server
from benchmarks.tables import save
from medgan.config.trees import read_yaml, set_path
from medgan.search.history import RETRY_OF, WORKER, ended
from medgan.search.storage import open_storage
from medgan.tracking.opening import store_at

CHANGES = {
    "data.options.count": 1200,
    "features.steps": 60,
    "search.trials": 12,
    "search.steps": 60,
    "search.n": 200,
    "search.seeds": 2,
    "search.grace": 10,
    "train.steps": 60,
    "train.n": 200,
    "train.evaluations": 2,
    "evaluate.n": 200,
    "evaluate.told_apart_steps": 60,
    "utility.seeds": 0,
}
HELPERS = 2


@dataclass(frozen=True)
class Found:
    """trials: that ended, by clone. fresh: likewise, trainings on fresh seeds. runs: trials in MLflow."""

    trials: dict[str, int]
    fresh: dict[str, int]
    retried: int
    runs: int
    version: str
    seconds: float


def main() -> None:
    with ExitStack() as opened:
        place = Path(opened.enter_context(TemporaryDirectory()))
        database = opened.enter_context(server())
        os.environ.update(database.environment)
        os.environ["MLFLOW_TRACKING_URI"] = opened.enter_context(mlflow_server(database, place))
        found = _searched(place, database, opened)
    save("scale", asdict(found), _lines(found))


def _searched(place: Path, database: Server, opened: ExitStack) -> Found:
    began = time.monotonic()
    first = place / "clone-0"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(first)], check=True)
    params = read_yaml(first / "params.yaml")
    for path, value in {**CHANGES, "search.storage": database.url}.items():
        set_path(params, path, value)
    (first / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    _done(first, "dvc", "remote", "add", "-q", "-d", "store", str(place / "store"))
    _done(first, "dvc", "repro", "features")
    _done(first, "dvc", "push", "prepare", "features")
    told = ["-c", "user.name=medgan", "-c", "user.email=medgan@localhost"]
    subprocess.run(["git", "add", "params.yaml", "dvc.lock", ".dvc/config"], cwd=first, check=True)
    subprocess.run(["git", *told, "commit", "-qm", "A search of many"], cwd=first, check=True)
    others = [place / f"clone-{number}" for number in range(1, HELPERS + 1)]
    for other in others:
        subprocess.run(["git", "clone", "-q", str(first), str(other)], check=True)
        _done(other, "dvc", "pull", "prepare", "features")
    helpers = {other: _started(other, _log(other, opened), "medgan.cli.main", "worker") for other in others}
    pids = {process.pid: other.name for other, process in helpers.items()}
    _done(first, "pipelines")
    for other, process in helpers.items():
        if process.wait(120):
            sys.exit((other / "printed").read_text())
    storage = open_storage(database.url, 60)
    names = {study.study_name: storage.get_all_trials(study._study_id) for study in storage.get_all_studies()}
    storage.close()
    counted = {
        name: Counter(_clone(trial.user_attrs[WORKER], pids) for trial in ended(trials))
        for name, trials in names.items()
    }
    fresh = next(name for name in counted if "-confirmation-" in name)
    (searched,) = counted.keys() - {fresh}
    store = store_at(first, "phantom")
    runs = store.client.search_runs([store.experiment_id], "tags.`medgan.kind` = 'trial'", max_results=500)
    registry = yaml.safe_load((first / "artifacts" / "registry.json").read_text())
    return Found(
        trials=dict(counted[searched]),
        fresh=dict(counted[fresh]),
        retried=sum(RETRY_OF in trial.user_attrs for trial in names[searched]),
        runs=len(runs),
        version=f"{registry['name']} {registry['version']}",
        seconds=time.monotonic() - began,
    )


def _clone(worker: str, helpers: dict[int, str]) -> str:
    return helpers.get(int(worker.rpartition("-")[2]), "clone-0")


def _log(clone: Path, opened: ExitStack) -> IO[bytes]:
    return opened.enter_context((clone / "printed").open("wb"))


def _started(clone: Path, log: IO[bytes] | None, *command: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(clone), "MEDGAN_PYTHON": sys.executable, "PYTHONUNBUFFERED": "1"}
    program = "from medgan.cli.main import main; main()" if command[0] == "medgan.cli.main" else None
    start = ["-c", program, *command[1:]] if program else ["-m", *command]
    return subprocess.Popen([sys.executable, *start], cwd=clone, env=environment, stdout=log, stderr=log)


def _done(clone: Path, *command: str) -> None:
    if _started(clone, None, *command).wait():
        sys.exit(f"{' '.join(command)} failed in {clone.name}, see above")


def _lines(found: Found) -> list[str]:
    clones = [f"clone-{number}" for number in range(HELPERS + 1)]
    lines = [
        "# A search on three clones",
        "",
        "`python -m benchmarks.scale`: PostgreSQL for studies and for MLflow, an MLflow server and a DVC remote, all "
        "on one machine.",
        "",
        "| clone | what it runs | trials | trainings on fresh seeds |",
        "| --- | --- | --- | --- |",
    ]
    for name in clones:
        what = "`make repro`" if name == "clone-0" else "`dvc pull prepare features`, `medgan worker`"
        lines.append(f"| {name} | {what} | {found.trials.get(name, 0)} | {found.fresh.get(name, 0)} |")
    total = sum(found.trials.values())
    lines += [
        "",
        f"{total} of {CHANGES['search.trials']} trials ended, {found.retried} were tried again, MLflow has "
        f"{found.runs} of them; registered as {found.version}; {found.seconds:.0f} seconds in all.",
    ]
    return lines


if __name__ == "__main__":
    main()
