"""Several metrics, constraints, samplers and pruners by name."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from optuna.trial import TrialState

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.search.choice import Outcome, described, write_outcome
from medgan.search.objective import Attempt
from medgan.search.session import Search, run_search
from medgan.search.study import TrialRecord

SPEC = ImageSpec(16, 1, classes=3)
SPACE = {"gan.lr": {"low": 0.001, "high": 0.01}, "gan.batch": {"low": 4, "high": 12}}
MANY = {"search.metrics": ["fid", "train_seconds"], "search.pruner": "none", "search.space": SPACE}
Objective = Callable[[Config, int, Attempt], float]


def seconds_of(config: Config) -> float:
    return 10.0 * config.gan.batch


def score(config: Config, seed: int, attempt: Attempt) -> float:
    """A larger batch is better and slower; the learning rate does nothing but harm."""
    attempt.measured("train_seconds", seconds_of(config))
    attempt.measured("copies", config.gan.batch / 100)
    return 1.0 / config.gan.batch + 10 * config.gan.lr + seed % 97 / 1e6


def nothing(trials: Sequence[TrialRecord], status: str) -> None:
    """MLflow is elsewhere."""


def searched(config: Config, objective: Objective, folder: Path) -> Outcome:
    folder.mkdir(exist_ok=True)
    search = Search(objective, config, SPEC, "s", folder)
    outcome = run_search(search, f"sqlite:///{folder / 'optuna.db'}", nothing)
    write_outcome(folder / "search", outcome, config.search)
    return outcome


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_two_objectives_write_their_front(config: Config, tmp_path: Path) -> None:
    many = config.override({**MANY, "search.trials": 14, "search.finalists": 1, "search.seeds": 3, "gan.batch": 8})
    outcome = searched(many, score, tmp_path)
    front, trials = rows(tmp_path / "search" / "front.csv"), rows(tmp_path / "search" / "trials.csv")
    assert len(trials) == 14 and 1 < len(front) < 14

    def beaten(row: dict[str, str]) -> bool:
        mine = (float(row["score"]), float(row["train_seconds"]))
        others = [(float(other["score"]), float(other["train_seconds"])) for other in trials]
        return any(other != mine and other[0] <= mine[0] and other[1] <= mine[1] for other in others)

    assert [row["number"] for row in trials if not beaten(row)] == [row["number"] for row in front]
    assert outcome.pictures["front"].startswith(b"\x89PNG")
    # The first metric decides.
    best = min(trials, key=lambda row: float(row["score"]))
    assert yaml.safe_load((tmp_path / "search" / "best.yaml").read_text())["gan.batch"] == int(best["gan.batch"])
    assert any("no other beats in fid, train_seconds" in line for line in described(outcome, many.search))


@pytest.mark.parametrize("finalists", [0, 2])
def test_nothing_that_breaks_a_constraint_is_chosen(config: Config, tmp_path: Path, finalists: int) -> None:
    changes = {"search.space": SPACE, "search.trials": 12, "search.finalists": finalists, "search.seeds": 3}
    limited = config.override({**changes, "search.constraints": {"copies": 0.07}, "gan.batch": 11, "gan.lr": 0.009})
    outcome = searched(limited, score, tmp_path)
    assert 4 <= outcome.best["gan.batch"] <= 7  # params.yaml as it is breaks it, and most of what is better does
    broken = [trial for trial in outcome.trials if trial.figures["copies"] > 0.07]
    assert len(broken) > 3 and min(trial.score or 9 for trial in broken) < min(
        trial.score or 9 for trial in outcome.trials if trial not in broken
    )
    if finalists:
        fresh = rows(tmp_path / "search" / "fresh.csv")
        assert {row["number"]: row["breaks"] for row in fresh}[""] == "copies"
        assert any(
            "params.yaml as it is" in line and "breaks copies <= 0.07" in line
            for line in described(outcome, limited.search)
        )


def test_one_that_breaks_a_constraint_on_a_fresh_seed_is_not_chosen(config: Config, tmp_path: Path) -> None:
    def on_fresh_seeds(candidate: Config, seed: int, attempt: Attempt) -> float:
        attempt.measured("copies", 0.0 if seed == candidate.seed or candidate.gan.batch == 8 else 0.2)
        return 1.0 / candidate.gan.batch + seed % 97 / 1e6

    changes = {"search.space": SPACE, "search.trials": 8, "search.finalists": 2, "search.seeds": 3, "gan.batch": 8}
    outcome = searched(config.override({**changes, "search.constraints": {"copies": 0.1}}), on_fresh_seeds, tmp_path)
    assert outcome.best == {}
    assert [item.breaks for item in outcome.confirmed if item.better] == [("copies",)] * 2


def test_where_every_trial_breaks_a_constraint_the_nearest_figure_is_named(config: Config, tmp_path: Path) -> None:
    strict = config.override({"search.space": SPACE, "search.trials": 5, "search.constraints": {"copies": 0.01}})
    with pytest.raises(MedganError, match=r"^no trial keeps copies <= 0.01: copies is 0\.0\d+ at least"):
        searched(strict, score, tmp_path)


def test_random_draws_do_not_learn(config: Config, tmp_path: Path) -> None:
    """The same values whatever the scores were; TPE's hang on them."""

    def other(candidate: Config, seed: int, attempt: Attempt) -> float:
        return -score(candidate, seed, attempt)

    found: dict[str, list[Any]] = {}
    for sampler in ("random", "tpe"):
        wide = config.override(
            {"search.space": SPACE, "search.trials": 14, "search.sampler": sampler, "search.finalists": 0}
        )
        for name, objective in (("one", score), ("other", other)):
            outcome = searched(wide, objective, tmp_path / f"{sampler}-{name}")
            found[f"{sampler}-{name}"] = [trial.values for trial in outcome.trials]
    assert found["random-one"] == found["random-other"]
    assert found["tpe-one"] != found["tpe-other"]


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_nothing_is_pruned_at_its_last_step(config: Config, tmp_path: Path, pruner: str) -> None:
    def worse(candidate: Config, seed: int, attempt: Attempt) -> float:
        seen.append(0)
        attempt(candidate.search.steps, float(len(seen)))
        return float(len(seen))

    seen: list[int] = []
    changes = {"search.space": SPACE, "search.evaluations": 1, "search.finalists": 0, "search.pruner": pruner}
    outcome = searched(config.override({**changes, "search.trials": 8}), worse, tmp_path)
    assert [trial.state for trial in outcome.trials] == ["COMPLETE"] * 8


def test_what_breaks_a_constraint_prunes_nothing(config: Config, tmp_path: Path) -> None:
    def reported(candidate: Config, seed: int, attempt: Attempt) -> float:
        attempt(1, score(candidate, seed, attempt))
        return score(candidate, seed, attempt)

    changes = {
        "search.space": SPACE,
        "search.trials": 12,
        "search.finalists": 0,
        "search.constraints": {"copies": 0.07},
    }
    outcome = searched(config.override({**changes, "gan.batch": 11, "gan.lr": 0.001}), reported, tmp_path)
    states = {trial.state for trial in outcome.trials}
    allowed = [trial for trial in outcome.trials if trial.values["gan.batch"] <= 7]
    assert states == {"COMPLETE", "PRUNED"} and [trial.state for trial in allowed[:2]] == ["COMPLETE"] * 2


@pytest.mark.parametrize(("pruner", "pruned"), [("none", 0), ("median", 6), ("hyperband", 3)])
def test_pruners_go_by_name(config: Config, tmp_path: Path, pruner: str, pruned: int) -> None:
    """Each trial is worse than the one before."""
    seen: list[int] = []

    def worse(candidate: Config, seed: int, attempt: Attempt) -> float:
        seen.append(0)
        for step in range(10, 100, 10):
            attempt(step, float(len(seen)))
            seen[-1] = step
        return float(len(seen))

    changes = {"search.space": SPACE, "search.steps": 90, "search.evaluations": 9, "search.finalists": 0}
    wide = config.override({**changes, "search.pruner": pruner, "search.trials": 8})
    outcome = searched(wide, worse, tmp_path)
    states = [trial.state for trial in outcome.trials]
    assert states.count(TrialState.PRUNED.name) >= pruned and len(states) == 8
    assert (sum(seen) < 8 * 90) == (pruned > 0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"search.metrics": ["fid", "train_seconds"]}, "set pruner: none"),
        ({"search.metrics": ["fid", "fid"], "search.pruner": "none"}, "each once"),
        ({"search.metrics": ["fid"], "search.pruner": "none"}, "a single one is `metric`"),
        ({"search.metrics": ["copies", "fid"], "search.pruner": "none"}, "metrics begin with a score"),
        ({**MANY, "search.metric": "fid"}, "leave metric empty"),
        ({"search.metrics": ["fid", "speed"]}, "speed"),
        ({"search.constraints": {"copys": 0.1}}, "copys"),
        ({"search.sampler": "grid"}, "search.sampler"),
        ({"search.pruner": "halving"}, "search.pruner"),
        ({"search.pruner": "hyperband", "search.constraints": {"copies": 0.1}}, "set pruner: median or none"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(config: Config, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(MedganError) as refused:
        config.override(changes)
    assert says in str(refused.value)
