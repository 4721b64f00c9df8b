"""The choice on fresh seeds: what was luck is not chosen, and what is better is."""

import csv
from collections.abc import Callable
from importlib import import_module
from math import inf
from pathlib import Path

import numpy as np
import optuna
import pytest
import yaml

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.errors import DivergedError, MedganError
from medgan.search.choice import Outcome, described, write_outcome
from medgan.search.confirmation import Candidate
from medgan.search.deciding import confirmed
from medgan.search.objective import Attempt
from medgan.search.session import Search, run_search
from medgan.search.study import TrialRecord

SPEC = ImageSpec(16, 1, classes=3)
SPACE = {"gan.batch": {"low": 4, "high": 30}}


@pytest.fixture
def several(config: Config) -> Config:
    """params.yaml has a batch of 8; more is better."""
    changes = {"search.space": SPACE, "search.trials": 6, "search.finalists": 2, "search.seeds": 3, "gan.batch": 8}
    return config.override(changes)


class Killed(BaseException):
    """As SIGKILL: nothing in between may catch it."""


Asked = list[tuple[int, int, str]]


def search(config: Config, folder: Path, better: Callable[[int, int], float], asked: Asked | None = None) -> Outcome:
    """better: of a batch and a seed."""

    def objective(candidate: Config, seed: int, attempt: Attempt) -> float:
        if asked is not None:
            asked.append((candidate.gan.batch, seed, attempt.title))
        return better(candidate.gan.batch, seed)

    url = f"sqlite:///{folder / 'optuna.db'}"
    return run_search(Search(objective, config, SPEC, "s", folder), url, lambda trials, status: None)


def noise(batch: int, seed: int) -> float:
    return float(np.random.default_rng([batch, seed]).normal())


def test_what_is_better_is_chosen_with_its_first_score_left_out(several: Config, tmp_path: Path) -> None:
    asked: Asked = []
    outcome = search(several, tmp_path, lambda batch, seed: 100 - batch + noise(batch, seed), asked)
    again = [(batch, seed) for batch, seed, title in asked if "fresh seed" in title]
    assert len(again) == 3 * 3 and {batch for batch, _ in again} >= {8}
    seeds = {seed for _, seed in again}
    assert len(seeds) == 3 and several.seed not in seeds  # the same for all, and none that a trial had
    best, *_ = outcome.confirmed
    assert outcome.best == best.candidate.values == {"gan.batch": max(batch for batch, _ in again)}
    assert best.mean == pytest.approx(np.mean(best.scores)) and best.candidate.first not in best.scores
    low, high = best.interval or (0, 0)
    assert low < best.mean < high and best.chance < 0.05
    lines = list(described(outcome, several.search))
    assert lines[0].startswith(f"finalist {best.candidate.number}: {best.mean:.4g} on fresh seeds (")
    assert any(line.startswith("params.yaml as it is: ") for line in lines)
    assert lines[-1] == f"best of 6 trials: {outcome.best}"
    asked.clear()
    assert search(several, tmp_path, noise, asked) == outcome and not asked  # the study keeps all of it


def test_luck_is_not_chosen_and_best_yaml_says_so(
    several: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a parameter that does nothing; fresh seeds are as good for all."""
    monkeypatch.setattr("medgan.search.session.study_pictures", lambda *_: {})  # they take a second
    chosen = []
    for repetition in range(10):
        folder = tmp_path / str(repetition)
        folder.mkdir()
        outcome = search(several.override({"seed": repetition}), folder, noise)
        assert len(outcome.confirmed) == 3
        chosen.append(outcome.best)
    assert sum(best != {} for best in chosen) <= 1
    write_outcome(tmp_path / "search", outcome, several.search)
    text = (tmp_path / "search" / "best.yaml").read_text()
    assert yaml.safe_load(text) == outcome.best == {}
    assert "no finalist beats it beyond doubt on 3 fresh seeds" in text.splitlines()[0]
    with (tmp_path / "search" / "fresh.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 and [row["number"] for row in rows].count("") == 1
    assert all(float(row["mean"]) == pytest.approx(outcome.confirmed[i].mean, rel=1e-5) for i, row in enumerate(rows))


def test_a_finalist_that_diverges_on_a_fresh_seed_loses(several: Config, tmp_path: Path) -> None:
    seen: list[int] = []

    def diverges(batch: int, seed: int) -> float:
        seen.append(seed)
        if seed != several.seed and seen.count(seed) == 2 and batch != 8:
            raise DivergedError("step 1: loss/generator is not finite")
        return 100 - batch + noise(batch, seed)

    outcome = search(several, tmp_path, diverges)
    lost = next(item for item in outcome.confirmed if np.isinf(item.mean))
    assert lost.interval is None and lost.chance == 1 and outcome.best not in ({}, lost.candidate.values)


def test_fewer_seeds_than_before_are_the_first_ones(several: Config, tmp_path: Path) -> None:
    more = search(several, tmp_path, noise)
    fewer = search(several.override({"search.seeds": 2}), tmp_path, noise)
    scores = {item.candidate.name: item.scores for item in more.confirmed}
    assert all(item.scores == scores[item.candidate.name][:2] for item in fewer.confirmed)


def test_a_training_that_two_workers_took_for_another_is_done_at_last(
    several: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both had begun it before either said so."""
    expected = search(several, tmp_path, noise)
    place = "medgan.search.confirmation._free"
    real = import_module("medgan.search.confirmation")._free
    (tmp_path / "again").mkdir()
    monkeypatch.setattr(place, lambda trials, number, wanted: 4 if number == 5 else real(trials, number, wanted))
    asked: Asked = []
    outcome = search(several, tmp_path / "again", noise, asked)
    assert (outcome.best, outcome.confirmed) == (expected.best, expected.confirmed)
    assert sum("fresh seed" in title for _, _, title in asked) == 9 + 1


def test_nothing_that_diverges_is_chosen_where_params_breaks_a_constraint(several: Config, tmp_path: Path) -> None:
    def objective(candidate: Config, seed: int, attempt: Attempt) -> float:
        attempt.measured("copies", 0.5 if candidate.gan.batch == 8 else 0.0)
        if seed != several.seed and candidate.gan.batch != 8:
            raise DivergedError("step 1: loss/generator is not finite")
        return float(candidate.gan.batch)

    limited = several.override({"search.constraints": {"copies": 0.1}, "search.pruner": "none"})
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    with pytest.raises(MedganError, match=r"params\.yaml breaks copies <= 0\.1 on .*, and what keeps .* diverges"):
        run_search(Search(objective, limited, SPEC, "s", tmp_path), url, lambda trials, status: None)


def test_what_the_space_makes_of_params_is_not_taken_for_it(several: Config, tmp_path: Path) -> None:
    """params.yaml has another value than `otherwise`: it is in no trial, and what is tried in its place may win."""
    space = {
        "gan.loss": {"choices": ["bce", "relativistic"]},
        "gan.ema": {"low": 0.9, "high": 0.99, "when": {"gan.loss": ["bce"]}, "otherwise": 0.5},
    }
    changes = {"search.space": space, "gan.loss": "relativistic", "gan.ema": 0.995}

    def objective(candidate: Config, seed: int, attempt: Attempt) -> float:
        return candidate.gan.ema + noise(1, seed) / 1000

    outcome = run_search(
        Search(objective, several.override(changes), SPEC, "s", tmp_path),
        f"sqlite:///{tmp_path / 'optuna.db'}",
        lambda trials, status: None,
    )
    assert outcome.best == {"gan.loss": "relativistic", "gan.ema": 0.5}
    (present,) = [item for item in outcome.confirmed if item.candidate.number is None]
    assert present.mean == pytest.approx(0.995, abs=0.01) and present.candidate.first is None


def test_a_kill_on_the_way_costs_no_training_that_has_ended(several: Config, tmp_path: Path) -> None:
    whole, asked = tmp_path / "whole", Asked()
    whole.mkdir()
    expected = search(several, whole, noise, asked)

    def killed(batch: int, seed: int) -> float:
        again.append((batch, seed, ""))
        if len(again) in (9, 10, 12):
            raise Killed
        return noise(batch, seed)

    again: Asked = []
    for _ in range(3):
        with pytest.raises(Killed):
            search(several, tmp_path, killed)
    outcome = search(several, tmp_path, killed)
    assert (outcome.best, outcome.confirmed) == (expected.best, expected.confirmed)
    assert len(again) == len(asked) + 3


def test_without_finalists_the_best_trial_wins_and_may_be_luck(several: Config, tmp_path: Path) -> None:
    asked: Asked = []
    outcome = search(several.override({"search.finalists": 0}), tmp_path, noise, asked)
    assert len(asked) == 6 and not outcome.confirmed
    best = min(outcome.trials, key=lambda trial: trial.score or 0.0)
    assert outcome.best == best.values
    assert list(described(outcome, several.search)) == [
        f"best of 6 trials: {best.values}; on no fresh seeds, so it may be luck"
    ]


@pytest.mark.parametrize(
    ("present", "other", "better"),
    [
        ([5.0, 5.1, 4.9], [4.0, 4.1, 3.9], True),
        ([5.0, 5.1, 4.9], [5.0, 4.9, 4.8], False),
        ([5.0, 5.0], [4.0, 4.0], True),
        ([5.0, 5.0], [5.0, 5.0], False),
        ([inf, 5.0], [9.0, 9.0], False),
        ([inf, 5.0, 5.0], [4.0, 4.1, 3.9], True),
        ([inf, 5.0, 5.0], [6.0, 6.1, 5.9], False),
        ([inf, inf, inf], [6.0, 6.1, 5.9], True),
        ([inf, inf], [6.0, 6.1], False),
        ([5.0, 5.1], [inf, 1.0], False),
    ],
)
def test_beyond_doubt(config: Config, present: list[float], other: list[float], better: bool) -> None:
    scores = [score for pair in zip(present, other, strict=True) for score in pair]
    places = optuna.distributions.IntDistribution(0, len(scores) - 1)
    trials = [
        optuna.create_trial(value=score, params={"place": place}, distributions={"place": places})
        for place, score in enumerate(scores)
    ]
    chosen = [Candidate(None, {}, None), Candidate(3, {"gan.batch": 4}, 1.0)]
    found = confirmed(trials, chosen, config.override({"search.seeds": len(present)}).search)
    assert next(item for item in found if item.candidate.number == 3).better is better


def test_trials_that_failed_stand_in_the_table(config: Config, tmp_path: Path) -> None:
    record = TrialRecord(0, "FAIL", {"gan.batch": 9}, None, {}, None, 0, 1, "no memory", "here-1")
    write_outcome(tmp_path / "search", Outcome({}, [record]), config.override({"search.space": SPACE}).search)
    with (tmp_path / "search" / "trials.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["state"] == "FAIL" and row["reason"] == "no memory" and row["score"] == ""
