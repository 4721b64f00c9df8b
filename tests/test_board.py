"""What people see of a search that is under way."""

from datetime import UTC, datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.search.board import board, boards, drawn
from medgan.search.history import REASON, SURPLUS, WORKER, ZONE
from medgan.search.objective import Attempt
from medgan.search.session import Search, run_search
from medgan.search.storage import open_storage
from medgan.search.study import record

NOW = datetime(2026, 1, 1, 12)


def trial(number: int, state: TrialState, worker: str, minute: float, long: float, **more: Any) -> FrozenTrial:
    """One that began so many minutes ago, and took so many."""
    attributes = {WORKER: worker, **more.pop("attributes", {})}
    values = {"value": more.pop("value", None), "intermediate_values": more.pop("seen", None)}
    made = optuna.create_trial(state=state, user_attrs=attributes, params={"gan.lr": 0.1}, distributions=LR, **values)
    made.number, made.datetime_start = number, NOW - timedelta(minutes=minute)
    made.datetime_complete = None if state == TrialState.RUNNING else made.datetime_start + timedelta(minutes=long)
    return made


LR = {"gan.lr": FloatDistribution(0, 1)}
TRIALS = [
    trial(0, TrialState.COMPLETE, "a-1", 30, 10, value=4.0),
    trial(1, TrialState.PRUNED, "b-2", 30, 6, seen={50: 9.0}),
    trial(2, TrialState.FAIL, "b-2", 24, 1, attributes={REASON: "no memory"}),
    trial(3, TrialState.COMPLETE, "a-1", 20, 8, value=2.5),
    trial(4, TrialState.RUNNING, "b-2", 2, 0, seen={50: 3.25}),
    trial(5, TrialState.RUNNING, "c-3", 4, 0),
    trial(6, TrialState.FAIL, "c-3", 1, 0, attributes={REASON: SURPLUS}),
]


def test_each_worker_has_a_row_and_the_time_left_is_that_of_those_at_work() -> None:
    found = board("search", TRIALS, 12, NOW.astimezone())
    assert [(row.worker, row.complete, row.pruned, row.failed, row.best) for row in found.rows] == [
        ("b-2", 0, 1, 1, None),
        ("c-3", 0, 0, 0, None),
        ("a-1", 2, 0, 0, 2.5),
    ]
    assert [row.running and row.running.number for row in found.rows] == [4, 5, None]
    # Nine more of 8 minutes, less 2 and 4 that two workers have done.
    assert found.left == pytest.approx(60 * (9 * 8 - 6) / 2)
    assert str(found) == "3 of 12 ended, 2 running, 1 pruned, 1 failed, best 2.5, about 33 min left"
    console = Console(file=StringIO(), width=120)
    console.print(drawn(found))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "b-2" in said and "3.25" in said and "3 of 12 ended" in said


def test_without_one_that_ended_nobody_knows_how_long_it_takes() -> None:
    assert board("search", [], 12, NOW.astimezone()).left is None
    assert str(board("search", TRIALS[5:6], 12, NOW.astimezone())) == "0 of 12 ended, 1 running, 0 pruned"


def test_workers_and_viewers_may_live_by_other_clocks() -> None:
    """Optuna keeps the time on the wall of whoever ran the trial, without its zone."""
    zone = 3 * 3600
    away = [trial(0, TrialState.COMPLETE, "a-1", 30, 10, value=4.0), trial(1, TrialState.RUNNING, "a-1", 4, 0)]
    for each in away:
        each.set_user_attr(ZONE, zone)
    now = NOW.replace(tzinfo=timezone(timedelta(seconds=zone))).astimezone(UTC)
    assert board("search", away, 2, now).left == pytest.approx(60 * 6)
    assert record(away[1], {}).began == 1000 * (now - timedelta(minutes=4)).timestamp()


def test_a_search_is_found_by_the_name_of_its_data_with_its_fresh_seeds(config: Config, tmp_path: Path) -> None:
    space = {"gan.lr": {"low": 0.001, "high": 0.01}}
    wide = config.override(
        {"search.space": space, "search.trials": 3, "search.finalists": 1, "search.seeds": 2, "search.pruner": "none"}
    )

    def score(candidate: Config, seed: int, attempt: Attempt) -> float:
        return candidate.gan.lr

    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    about = {"name": "phantom", "data": "aaaa"}
    run_search(Search(score, wide, ImageSpec(16, 1, classes=3), "s", tmp_path, about), url, lambda trials, status: None)
    storage = open_storage(url, 60)
    searched, fresh = boards(storage, "phantom", NOW.astimezone())
    assert (searched.ended, searched.wanted, fresh.ended, fresh.wanted) == (3, 3, 4, 4)
    assert searched.title == "search on phantom" and fresh.title == "fresh seeds"
    with pytest.raises(MedganError, match="no search on scans has begun there"):
        boards(storage, "scans", NOW.astimezone())
