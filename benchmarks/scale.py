"""A search on three "machines": clones that share PostgreSQL, an MLflow server and a DVC remote -> results/scale.*

    python -m benchmarks.scale             # some 5 minutes; needs Debian's package postgresql
    python -m benchmarks.scale --s3        # with an S3 server: pip install 'moto[server]' boto3 dvc-s3

The first clone prepares the data, pushes them and begins the search; the others get them by `dvc pull` and help with
`medgan worker`. All of it is as docs/scale.md says, on loopback, with a small budget on phantoms. Data and MLflow's
files are in folders, or in buckets.
"""

import argparse
import importlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import yaml

from benchmarks.judging import ROOT
from benchmarks.postgresql import Server, server
from benchmarks.servers import mlflow_server, s3_server
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
DATA, FILES = "medgan", "mlflow"  # buckets


@dataclass(frozen=True)
class Found:
    """trials: that ended, by clone. fresh: likewise, trainings on fresh seeds. runs: trials in MLflow.

    objects: in each bucket of the S3 server, where there was one.
    """

    trials: dict[str, int]
    fresh: dict[str, int]
    retried: int
    runs: int
    version: str
    seconds: float
    objects: dict[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--s3", action="store_true", help="data and files in buckets of an S3 server")
    s3 = parser.parse_args().s3
    with ExitStack() as opened:
        place = Path(opened.enter_context(TemporaryDirectory()))
        database = opened.enter_context(server())
        os.environ.update(database.environment)
        store = _buckets(opened.enter_context(s3_server(place))) if s3 else {}
        files = f"s3://{FILES}" if s3 else None
        os.environ["MLFLOW_TRACKING_URI"] = opened.enter_context(mlflow_server(database, place, artifacts=files))
        found = _searched(place, database, store, opened)
    save("scale-s3" if s3 else "scale", asdict(found), _lines(found))


def _buckets(url: str) -> dict[str, str]:
    """Make them; returns what tells a DVC remote of that server."""
    os.environ.update(AWS_ACCESS_KEY_ID="medgan", AWS_SECRET_ACCESS_KEY="medgan", AWS_DEFAULT_REGION="us-east-1")
    os.environ.update(MLFLOW_S3_ENDPOINT_URL=url)
    for bucket in (DATA, FILES):
        _s3().create_bucket(Bucket=bucket)
    return {"endpointurl": url}


def _s3() -> Any:
    boto3 = importlib.import_module("boto3")
    return boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])


def _searched(place: Path, database: Server, store: Mapping[str, str], opened: ExitStack) -> Found:
    """store: options of the DVC remote, which is a folder without any."""
    began = time.monotonic()
    first = place / "clone-0"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(first)], check=True)
    params = read_yaml(first / "params.yaml")
    for path, value in {**CHANGES, "search.storage": database.url}.items():
        set_path(params, path, value)
    (first / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    remote = f"s3://{DATA}/medgan" if store else str(place / "store")
    _done(first, "dvc", "remote", "add", "-q", "-d", "store", remote)
    for option, value in store.items():
        _done(first, "dvc", "remote", "modify", "-q", "store", option, value)
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
    mlflow = store_at(first, "phantom")
    runs = mlflow.client.search_runs([mlflow.experiment_id], "tags.`medgan.kind` = 'trial'", max_results=500)
    registry = yaml.safe_load((first / "artifacts" / "registry.json").read_text())
    return Found(
        trials=dict(counted[searched]),
        fresh=dict(counted[fresh]),
        retried=sum(RETRY_OF in trial.user_attrs for trial in names[searched]),
        runs=len(runs),
        version=f"{registry['name']} {registry['version']}",
        seconds=time.monotonic() - began,
        objects={bucket: _objects(bucket) for bucket in (DATA, FILES)} if store else {},
    )


def _objects(bucket: str) -> int:
    pages = _s3().get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return sum(page["KeyCount"] for page in pages)


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
        f"`python -m benchmarks.scale{' --s3' if found.objects else ''}`: PostgreSQL for studies and for MLflow, an "
        f"MLflow server and a DVC remote{' in buckets of an S3 server (moto)' if found.objects else ''}, all on one "
        "machine.",
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
        f"{found.runs} of them; registered as {found.version}; {found.seconds:.0f} seconds in all."
        + "".join(f" Bucket {bucket} holds {count} objects." for bucket, count in found.objects.items()),
    ]
    return lines


if __name__ == "__main__":
    main()
