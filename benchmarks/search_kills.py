"""Four workers on one PostgreSQL study, killed at random moments -> results/search_kills.*.

    python -m benchmarks.search_kills [TRIALS]             # some 5 minutes

Needs Debian's package postgresql. Trials wait for some seconds instead of training. One process begins and ends the
search and mirrors it to an MLflow server on the same PostgreSQL, three join it; each that is killed by SIGKILL is
started again at once. Then the study, the MLflow runs and every suggestion are looked at.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from optuna.trial import TrialState

from benchmarks.judging import configuration
from benchmarks.postgresql import Server, server
from benchmarks.search_worker import ABOUT, SPACE, STUDY, command, tell
from benchmarks.servers import mlflow_server
from benchmarks.tables import rounds, save
from medgan.config.schema import Config
from medgan.search.history import RETRY_OF, ended, tried
from medgan.search.storage import open_storage
from medgan.search.study import NAME, open_study
from medgan.search.suggestion import repeated
from medgan.tracking.opening import store_at

GRACE = 6


@dataclass(frozen=True)
class Found:
    """What is left of the search. begun: trials, with all attempts. runs: of MLflow, one a trial.

    repeated: suggestions that follow from their record. twice: retries beyond the first one of a trial that ended.
    """

    wanted: int
    kills: int
    seconds: float
    begun: int
    complete: int
    pruned: int
    running: int
    waiting: int
    retried: int
    twice: int
    suggested: int
    repeated: int
    runs: int
    missing: int
    doubled: int
    parents: int


def main() -> None:
    wanted = rounds(__doc__, default=60)
    with TemporaryDirectory() as folder, server() as database:
        os.environ.update(database.environment)
        with mlflow_server(database, Path(folder)) as uri:
            os.environ["MLFLOW_TRACKING_URI"] = uri
            found = survive(Path(folder) / "search", database, Plan(wanted))
    print(found)
    save("search_kills", asdict(found), _lines(found))


@dataclass(frozen=True)
class Plan:
    """seconds: of a trial. apart: seconds between two kills, at least and at most."""

    wanted: int
    kills: int = 30
    workers: int = 4
    seconds: float = 6.0
    apart: tuple[float, float] = (1.0, 7.0)
    finalists: int = 2


def survive(folder: Path, database: Server, plan: Plan) -> Found:
    """Search under kills, then count."""
    changes = {"trials": plan.wanted, "grace": GRACE, "finalists": plan.finalists, "space": SPACE}
    config = configuration("default", changes={f"search.{key}": value for key, value in changes.items()})
    tell(folder, config, database.url, seconds=plan.seconds)
    began, killed = time.monotonic(), _run(folder, plan)
    return _found(folder, config, database, killed, time.monotonic() - began)


def _run(folder: Path, plan: Plan) -> int:
    """Keep all processes going until the first one has ended well; returns how many were killed."""
    roles, chance = ["make", *["join"] * (plan.workers - 1)], random.Random(0)

    def start(role: str) -> "subprocess.Popen[bytes]":
        with (folder / f"{role}.log").open("ab") as log:
            return subprocess.Popen(command(role, folder), stdout=log, stderr=log)

    processes, killed = [start(role) for role in roles], 0
    next_kill = time.monotonic() + 5 + plan.seconds  # until all of them have begun
    while processes[0].poll() != 0:
        time.sleep(0.05)
        for index, process in enumerate(processes):
            if (status := process.poll()) not in (None, 0):
                if status != -signal.SIGKILL:
                    raise RuntimeError(f"ended with {status}: {(folder / f'{roles[index]}.log').read_text()[-4000:]}")
                processes[index] = start(roles[index])
        if killed < plan.kills and time.monotonic() > next_kill:
            victim = chance.choice([process for process in processes if process.poll() is None])
            victim.send_signal(signal.SIGKILL)
            killed += 1
            next_kill = time.monotonic() + chance.uniform(*plan.apart)
    for process in processes:
        process.wait(60)
    return killed


def _found(folder: Path, config: Config, database: Server, killed: int, seconds: float) -> Found:
    storage = open_storage(database.url, GRACE)
    trials = open_study(STUDY, storage).get_trials(deepcopy=False)
    storage.close()
    states = Counter(trial.state for trial in trials)
    own = [trial for trial in trials if RETRY_OF not in trial.user_attrs and trial.params]
    worked = Counter(trial.user_attrs[RETRY_OF] for trial in ended(trials) if RETRY_OF in trial.user_attrs)
    runs = mlflow_runs(folder)
    numbers = Counter(runs["trial"])
    told = {trial.number for trial in tried(trials) if trial.state.is_finished()}
    return Found(
        wanted=config.search.trials,
        kills=killed,
        seconds=seconds,
        begun=len(trials),
        complete=states[TrialState.COMPLETE],
        pruned=states[TrialState.PRUNED],
        running=states[TrialState.RUNNING],
        waiting=states[TrialState.WAITING],
        retried=sum(RETRY_OF in trial.user_attrs for trial in trials),
        twice=sum(count - 1 for count in worked.values()),
        suggested=len(own),
        repeated=sum(trial.params.items() <= (repeated(trials, trial, config) or {}).items() for trial in own),
        runs=sum(numbers.values()),
        missing=len(told - set(numbers)),
        doubled=sum(count - 1 for count in numbers.values()),
        parents=len(runs["search"]),
    )


def mlflow_runs(folder: Path) -> dict[str, list[int]]:
    """Numbers of trials of which there are runs; of searches and trainings on fresh seeds, a 0 each."""
    store = store_at(folder, ABOUT[NAME])
    found: dict[str, list[int]] = {"trial": [], "search": [], "fresh": []}
    token = None
    while True:
        page = store.client.search_runs([store.experiment_id], max_results=500, page_token=token)
        for run in page:
            kind = run.data.tags["medgan.kind"]
            number = run.data.tags["medgan.fingerprint"].rpartition("-")[2] if kind == "trial" else "0"
            found[kind].append(int(number))
        token = page.token
        if not token:
            return found


def _lines(found: Found) -> list[str]:
    rows = {
        "trials that ended, of those wanted": f"{found.complete + found.pruned} of {found.wanted}",
        "of these complete, pruned": f"{found.complete}, {found.pruned}",
        "workers killed": f"{found.kills}",
        "trials left running, waiting": f"{found.running}, {found.waiting}",
        "trials tried again; ended twice": f"{found.retried}; {found.twice}",
        "suggestions made again from their record": f"{found.repeated} of {found.suggested}",
        "runs of MLflow; missing, doubled": f"{found.runs}; {found.missing}, {found.doubled}",
        "parents": f"{found.parents}",
        "seconds": f"{found.seconds:.0f}",
    }
    return ["| what | figure |", "| --- | --- |", *[f"| {name} | {value} |" for name, value in rows.items()]]


if __name__ == "__main__":
    main()
