"""Faults of the search: which trials count, and what is trained twice."""

import csv

import pytest
import yaml

from .conftest import Clone, make_clone, no_traceback

pytestmark = pytest.mark.slow  # together half a minute: the stages before it run once


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone after the stages before the search."""
    clone = make_clone(tmp_path_factory.mktemp("search") / "clone", git=False)
    assert clone.stages("prepare", "features").returncode == 0
    return clone


def searched(clone: Clone, changes: dict[str, object]) -> tuple[dict[str, object], list[dict[str, str]], str]:
    """best.yaml, the rows of trials.csv and all that was printed."""
    clone.params({f"search.{key}": value for key, value in changes.items()})
    result = clone.stage("search")
    printed = no_traceback(result)
    assert result.returncode == 0, printed
    folder = clone.root / "artifacts" / "search"
    with (folder / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return yaml.safe_load((folder / "best.yaml").read_text()), rows, printed


def test_fewer_trials_choose_among_the_first_ones(prepared: Clone) -> None:
    """The study keeps what a larger search tried. The first trial hardly learns, so that a later one is the best."""
    prepared.params({"gan.lr": 1e-6})
    space = {"gan.lr": {"choices": [1e-6, 0.1, 0.15, 0.2]}}
    _, four, _ = searched(prepared, {"trials": 4, "finalists": 0, "space": space})
    scores = [float(row["score"]) if row["score"] else float("inf") for row in four]
    winner = scores.index(min(scores))
    assert len(four) == 4 and winner > 0
    best, fewer, _ = searched(prepared, {"trials": winner})
    expected = min(range(winner), key=scores.__getitem__)
    assert best == {"gan.lr": pytest.approx(float(four[expected]["gan.lr"]))}
    assert fewer == four[:winner]


def test_an_empty_space_is_tried_once_and_said(prepared: Clone) -> None:
    best, rows, printed = searched(prepared, {"trials": 2, "finalists": 2, "space": {}})
    assert best == {} and len(rows) == 1
    assert "single configuration: 1 trial instead of 2" in printed
