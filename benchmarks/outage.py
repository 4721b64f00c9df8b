"""What a dead MLflow server costs a training, in time and in figures -> results/outage.*.

    python -m benchmarks.outage [ROUNDS]             # some 10 minutes

The same training, by turns without MLflow, with a server that answers, and with one that is killed before its first
step and comes back after its last. A step and what it logs are real, its checkpoints closer together than anyone's.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch
from urllib.request import urlopen

import numpy as np

from benchmarks.judging import configuration
from benchmarks.tables import rounds, save
from medgan.config.schema import Config
from medgan.data.loader import conditions
from medgan.data.store import Prepared
from medgan.device import use_cpu
from medgan.sources.prepare import prepare
from medgan.tracking.opening import store_at
from medgan.tracking.recording import Recorder
from medgan.tracking.runs import Store
from medgan.training.judge import Judge
from medgan.training.loop import Listener, fit
from medgan.training.state import Row as Logged

RECIPE = "dcgan-published"
SERVERS = NONE, ANSWERS, DEAD = "none", "answers", "is dead"
SMALL: dict[str, Any] = {
    "data.size": 32,
    "data.options.count": 600,
    "gan.batch": 32,
    "train.steps": 300,
    "train.evaluations": 2,
    "train.checkpoint_every": 10,
}


@dataclass(frozen=True)
class Row:
    """One training. seconds: a step, saving and all. expected, present, doubled: points of its figures in the store."""

    server: str
    seconds: float
    expected: int
    present: int
    doubled: int


def main() -> None:
    turns = rounds(__doc__, default=6)
    use_cpu(1)
    config = configuration(RECIPE, changes=SMALL)
    rows = []
    with TemporaryDirectory() as folder:
        prepared = prepare(config.data, Path(folder) / "prepared", seed=0)
        _timed(config, prepared, Path(folder) / "first", lambda rows, samples: None)  # slower than those after it
        for number in range(turns):
            for server in (*SERVERS[number % 3 :], *SERVERS[: number % 3]):
                place = Path(folder) / f"{number}-{server}"
                place.mkdir()
                rows.append(_trained(config, prepared, place, server))
                print(f"round {number + 1}/{turns}: {rows[-1]}", flush=True)
    _write(rows)


def _trained(config: Config, prepared: Prepared, place: Path, server: str) -> Row:
    if server == NONE:
        _, seconds = _timed(config, prepared, place, lambda rows, samples: None)
        return Row(server, seconds, 0, 0, 0)
    port = free_port()
    with patch.dict(os.environ, {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}):

        def opened() -> tuple[Store, str]:
            store = store_at(place, "outage")
            return store, store.run("outage", "outage", params={}, tags={})

        if server == ANSWERS:
            with served(place, port):
                recorder = Recorder(opened, "fid")
                rows, seconds = _timed(config, prepared, place, recorder)
                recorder.complete(rows, place / "train" / "samples")
                return Row(server, seconds, *_points(*opened(), rows))
        recorder = Recorder(opened, "fid")
        with served(place, port):
            opened()
        rows, seconds = _timed(config, prepared, place, recorder)
        with served(place, port):
            recorder.complete(rows, place / "train" / "samples")
            return Row(server, seconds, *_points(*opened(), rows))


def _timed(
    config: Config, prepared: Prepared, place: Path, on_checkpoint: Callable[[list[Logged], Path], None]
) -> tuple[list[Logged], float]:
    """The rows of a training, and the seconds that a step took, those that saved a checkpoint included."""
    times: list[float] = []
    listener = Listener(on_step=lambda step: times.append(time.perf_counter()), on_checkpoint=on_checkpoint)
    given = conditions(prepared, np.arange(16))
    judge = Judge(16, given, lambda images: float(images.mean()), given)
    trained = fit(config.gan, config.train, prepared, seed=0, judge=judge, directory=place / "train", listener=listener)
    return trained.rows, (times[-1] - times[0]) / (len(times) - 1)


def _points(store: Store, run_id: str, rows: list[Logged]) -> tuple[int, int, int]:
    """Points that the rows hold, those of them that the store has with their value, and those that it has twice."""
    wanted = {(key, int(row["step"])): row[key] for row in rows for key in row if key not in ("step", "time")}
    found: list[tuple[str, int, float]] = [
        (key, point.step, point.value)
        for key in {key for key, _ in wanted}
        for point in store.client.get_metric_history(run_id, key)
    ]
    held = {(key, step) for key, step, value in found if wanted.get((key, step)) == value}
    return len(wanted), len(held), len(found) - len({(key, step) for key, step, _ in found})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(folder: Path, port: int) -> Iterator[None]:
    """A real MLflow server on this port, killed at the end; the next one on the same folder has what it had."""
    uri = f"sqlite:///{folder / 'served.db'}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--backend-store-uri", uri, "--artifacts-destination", str(folder / "served")],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 90
            while True:
                with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                    break
                if server.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"the MLflow server did not start:\n{(folder / 'server.log').read_text()}")
                time.sleep(0.2)
            yield
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _write(rows: list[Row]) -> None:
    kinds = {server: [row for row in rows if row.server == server] for server in SERVERS}
    ratios = {
        server: sorted(a.seconds / b.seconds for a, b in zip(kind, kinds[NONE], strict=True))
        for server, kind in kinds.items()
    }
    lines = [
        "# An MLflow server that is dead for a whole training",
        "",
        f"`python -m benchmarks.outage`: {SMALL['train.steps']} steps of recipe {RECIPE} at {SMALL['data.size']} "
        f"pixels, a checkpoint every {SMALL['train.checkpoint_every']}, by turns without MLflow, with a server that "
        "answers and one that is killed before the first step and back after the last. Against none: medians of "
        f"{len(kinds[NONE])} ratios within a turn, and the range.",
        "",
        "| server | trainings | a step | against none | figures logged | present afterwards | twice |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {server} | {len(kind)} | {1000 * median(row.seconds for row in kind):.1f} ms "
            f"| {median(ratios[server]):.3f} ({ratios[server][0]:.2f} to {ratios[server][-1]:.2f}) "
            f"| {sum(row.expected for row in kind):,} | {sum(row.present for row in kind):,} "
            f"| {sum(row.doubled for row in kind)} |"
            for server, kind in kinds.items()
        ),
    ]
    save("outage", {"ratios": ratios, "rows": [asdict(row) for row in rows]}, lines)


if __name__ == "__main__":
    main()
