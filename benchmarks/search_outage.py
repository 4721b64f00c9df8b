"""A database that is stopped for 20 s, then a worker cut off for 60 s, in a search -> results/search_outage.*

    python -m benchmarks.search_outage        # some 3 minutes

Needs Debian's package postgresql. Three workers, trials that wait 6 seconds. One worker reaches the database through a
relay that for 60 seconds passes nothing on and says nothing, as a network does that loses every packet.
"""

import os
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from optuna.trial import FrozenTrial, TrialState

from benchmarks.judging import configuration
from benchmarks.postgresql import server
from benchmarks.search_kills import mlflow_runs
from benchmarks.search_worker import SPACE, STUDY, command, tell
from benchmarks.servers import mlflow_server
from benchmarks.tables import save
from medgan.search.history import RETRY_OF, WORKER, ended, tried
from medgan.search.storage import Storage, open_storage

TRIALS, SECONDS, GRACE = 24, 6.0, 15
AWAY, CUT = 20.0, 60.0  # seconds


@dataclass(frozen=True)
class Found:
    """ended: complete or pruned. doubled: trials whose first attempt and its repetition both ended."""

    wanted: int
    ended: int
    running: int
    waiting: int
    retried: int
    doubled: int
    runs: int
    missing: int
    repeated_runs: int
    seconds: float


class Relay:
    """Passes a port on to another one, except while it is `cut`."""

    def __init__(self, port: int) -> None:
        self._to, self.cut = port, threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listening.accept()
            try:
                there = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            for source, target in ((client, there), (there, client)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                while self.cut.is_set():
                    time.sleep(0.05)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def main() -> None:
    with TemporaryDirectory() as name, server() as database:
        folder = Path(name)
        os.environ.update(database.environment)
        relay = Relay(database.port)
        changes = {"search.trials": TRIALS, "search.grace": GRACE, "search.finalists": 0, "search.space": SPACE}
        changes["search.pruner"] = "none"
        config = configuration("default", changes=changes)
        tell(folder / "near", config, database.url, seconds=SECONDS)
        tell(folder / "far", config, database.url.replace(f":{database.port}/", f":{relay.port}/"), seconds=SECONDS)
        with mlflow_server(database, folder) as uri:
            os.environ["MLFLOW_TRACKING_URI"] = uri
            began = time.monotonic()
            roles = [("make", "near"), ("join", "near"), ("join", "far")]
            processes = [subprocess.Popen(command(role, folder / place)) for role, place in roles]
            storage = open_storage(database.url, GRACE)
            far = f"-{processes[2].pid}"
            _until(lambda: len(ended(_trials(storage))) >= 3)
            print(f"the database is away for {AWAY:.0f} seconds", flush=True)
            database.stop()
            time.sleep(AWAY)
            database.start()
            _until(lambda: any(trial.state == TrialState.RUNNING and _is_of(trial, far) for trial in _trials(storage)))
            print(f"a worker is cut off for {CUT:.0f} seconds", flush=True)
            relay.cut.set()
            time.sleep(CUT)
            relay.cut.clear()
            if sum(process.wait() for process in processes):
                raise RuntimeError("a worker failed, see above")
            seconds = time.monotonic() - began
            runs = Counter(mlflow_runs(folder / "near")["trial"])
        trials = _trials(storage)
        storage.close()
    states = Counter(trial.state for trial in trials)
    done = {trial.number for trial in ended(trials)}
    again = [trial for trial in trials if RETRY_OF in trial.user_attrs]
    told = {trial.number for trial in tried(trials) if trial.state.is_finished()}
    found = Found(
        wanted=TRIALS,
        ended=len(done),
        running=states[TrialState.RUNNING],
        waiting=states[TrialState.WAITING],
        retried=len(again),
        doubled=sum(trial.number in done and trial.user_attrs[RETRY_OF] in done for trial in again),
        runs=sum(runs.values()),
        missing=len(told - set(runs)),
        repeated_runs=sum(count - 1 for count in runs.values()),
        seconds=seconds,
    )
    save("search_outage", asdict(found), _lines(found))


def _trials(storage: Storage) -> list[FrozenTrial]:
    return storage.get_all_trials(storage.get_study_id_from_name(STUDY))


def _is_of(trial: FrozenTrial, worker: str) -> bool:
    return str(trial.user_attrs.get(WORKER, "")).endswith(worker)


def _until(condition: Callable[[], bool]) -> None:
    """Wait for it; the study may not have begun yet."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with suppress(KeyError):
            if condition():
                return
        time.sleep(0.2)
    raise RuntimeError("the search does not go on")


def _lines(found: Found) -> list[str]:
    rows = {
        "trials that ended, of those wanted": f"{found.ended} of {found.wanted}",
        "trials left running, waiting": f"{found.running}, {found.waiting}",
        "trials tried again; ended twice": f"{found.retried}; {found.doubled}",
        "runs of MLflow; missing, doubled": f"{found.runs}; {found.missing}, {found.repeated_runs}",
        "seconds": f"{found.seconds:.0f}",
    }
    away = f"PostgreSQL is stopped for {AWAY:.0f} seconds; then one worker is cut off for {CUT:.0f}"
    return [
        "# A search whose database and whose network go away",
        "",
        f"`python -m benchmarks.search_outage`: three workers, {found.wanted} trials of {SECONDS:.0f} seconds. "
        f"{away}, and taken for dead after {GRACE}.",
        "",
        "| what | figure |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in rows.items()),
    ]


if __name__ == "__main__":
    main()
