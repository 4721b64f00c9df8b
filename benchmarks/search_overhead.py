"""What sharing a study costs: one, two and four workers -> results/search_overhead.*

    python -m benchmarks.search_overhead [SECONDS]        # that a trial waits: 30; then 12 minutes

Trials that wait measure what the study costs; trials that train, one worker a core, what the machine gives besides.
Needs Debian's package postgresql. Times are those that the study has of its trials: starting Python is left out.
"""

import math
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import NullPool, create_engine, text

from benchmarks.judging import configuration, judges
from benchmarks.postgresql import Server, server
from benchmarks.search_worker import SPACE, STUDY, command, tell
from benchmarks.tables import rounds, save
from medgan.device import resolve_threads
from medgan.search.history import ended
from medgan.search.storage import open_storage, whole_url

TRIALS, WORKERS = 8, (1, 2, 4)
# Some 20 seconds on one core; of one size, so that trials cost the same.
TRAINED = {"search.steps": 300, "search.evaluations": 2, "search.space": {"gan.r1": {"low": 0.5, "high": 2.0}}}
_SERVED = 1000  # transactions a second of a PostgreSQL on a small machine, for the model beyond what was measured


@dataclass(frozen=True)
class Row:
    """seconds: from the begin of the first trial to the end of the last. transactions: of the database, all told."""

    workers: int
    seconds: float
    transactions: int


def main() -> None:
    seconds = rounds(__doc__, default=30)
    with TemporaryDirectory() as folder, server() as database:
        os.environ.update(database.environment)
        place = Path(folder)
        rows = [_row(place / f"waits-{workers}", database, workers, seconds, {}) for workers in WORKERS]
        judges(configuration("default"))  # for the workers to find
        cores = [workers for workers in WORKERS if workers <= resolve_threads("auto")]
        trained = [_row(place / f"trains-{workers}", database, workers, None, TRAINED) for workers in cores]
    figures = {"seconds": seconds, "rows": list(map(asdict, rows)), "trained": list(map(asdict, trained))}
    save("search_overhead", figures, _lines(rows, trained, seconds))


def _row(folder: Path, database: Server, workers: int, seconds: float | None, more: Mapping[str, Any]) -> Row:
    """One search. seconds: that a trial waits; None where it trains. more: changes of the configuration."""
    changes = {"search.trials": TRIALS, "search.finalists": 0, "search.space": SPACE, "search.pruner": "none"}
    changes["search.storage"] = database.url
    tell(folder, configuration("default", changes={**changes, **more}), database.url, seconds=seconds)
    before = _transactions(database)
    processes = [subprocess.Popen(command(role, folder)) for role in ["make", *["join"] * (workers - 1)]]
    if sum(process.wait() for process in processes):
        raise RuntimeError("a worker failed, see above")
    spent = _transactions(database) - before
    storage = open_storage(database.url, 60)
    study = storage.get_study_id_from_name(STUDY)
    trials = ended(storage.get_all_trials(study))
    storage.delete_study(study)
    storage.close()
    begun = min(trial.datetime_start for trial in trials if trial.datetime_start)
    done = max(trial.datetime_complete for trial in trials if trial.datetime_complete)
    return Row(workers, (done - begun).total_seconds(), spent)


def _transactions(database: Server) -> int:
    with create_engine(whole_url(database.url), poolclass=NullPool).connect() as connection:
        asked = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        return int(connection.execute(text(asked)).scalar_one())


def _lines(rows: list[Row], trained: list[Row], seconds: float) -> list[str]:
    lines = [
        "# What sharing a study costs",
        "",
        f"`python -m benchmarks.search_overhead {seconds:g}`: {TRIALS} trials that wait {seconds:g} seconds, "
        "PostgreSQL on the same machine.",
        "",
        "| workers | seconds | at best | more than that | of one worker's time | transactions a second and worker |",
        "| --- " * 6 + "|",
    ]
    for row in rows:
        best = math.ceil(TRIALS / row.workers) * seconds
        rate = row.transactions / row.seconds / row.workers
        lines.append(
            f"| {row.workers} | {row.seconds:.1f} | {best:.0f} | {row.seconds / best - 1:.1%} "
            f"| {row.seconds / rows[0].seconds:.2f} | {rate:.1f} |"
        )
    lines += [
        "",
        f"{TRIALS} trials that train `default` for {TRAINED['search.steps']} steps on one thread each:",
        "",
        "| workers, a core each | seconds | of one worker's time |",
        "| --- | --- | --- |",
        *(f"| {row.workers} | {row.seconds:.1f} | {row.seconds / trained[0].seconds:.2f} |" for row in trained),
    ]
    most = max(row.transactions / row.seconds / row.workers for row in rows)
    lines += [
        "",
        f"Beyond four workers a model: at {most:.1f} transactions a second and worker a database that does {_SERVED:,} "
        f"of them serves some {_SERVED / most:,.0f} workers. Not measured: reading a study of thousands of trials, "
        "which every suggestion does, and networks slower than loopback.",
    ]
    return lines


if __name__ == "__main__":
    main()
