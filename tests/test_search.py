"""The search: the study is the truth; a break in it changes neither what is tried nor what is chosen."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.trial import FrozenTrial, TrialState

from medgan.config.schema import Config
from medgan.config.search import Distribution, SearchConfig
from medgan.data.spec import ImageSpec
from medgan.errors import DivergedError, Interrupted, MedganError
from medgan.search import history
from medgan.search.choice import Outcome, described, write_outcome
from medgan.search.confirmation import candidates, lucky
from medgan.search.history import asked_for
from medgan.search.objective import Objective
from medgan.search.session import Mirror, Search, run_search
from medgan.search.space import check_space, trials_wanted, values_of
from medgan.search.storage import Storage, open_storage, with_password
from medgan.search.study import Sweeper, TrialRecord, open_study, records
from medgan.search.suggestion import Given, _draw, repeated, seen_by
from medgan.search.trying import try_candidate
from medgan.search.worker import Work, work

SPACE = {
    "gan.lr": {"low": 0.0001, "high": 0.01, "log": True},
    "gan.batch": {"low": 4, "high": 12},
    "gan.loss": {"choices": ["bce", "relativistic"]},
}
Report = Callable[[int, float], None]

SPEC = ImageSpec(16, 1, classes=3)


@pytest.fixture
def wide(config: Config) -> Config:
    return config.override({"search.space": SPACE, "search.trials": 6, "search.finalists": 2})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'optuna.db'}"


@pytest.fixture
def storage(url: str) -> Storage:
    return open_storage(url, grace=60)


def run_trials(
    study: optuna.Study,
    config: Config,
    objective: Objective,
    told: Callable[[FrozenTrial], None] = lambda trial: None,
) -> None:
    """All that are wanted, as a search does."""
    work(
        Work(
            study,
            study._storage._backend,  # type: ignore[attr-defined]
            trials_wanted(config.search),
            60,
            lambda trial: try_candidate(trial, config, SPEC, objective),
            told,
        )
    )


def sweep(study: optuna.Study) -> list[int]:
    """What a process that comes after an ended one queues again."""
    before = len(study.trials)
    Sweeper(study, study._storage._backend, 60)()  # type: ignore[attr-defined]
    return [trial.user_attrs[history.RETRY_OF] for trial in study.trials[before:]]


def search(
    config: Config, objective: Objective, url: str, folder: Path, mirror: Mirror = lambda trials, status: None
) -> Outcome:
    return run_search(Search(objective, config, SPEC, "s", folder), url, mirror)


def quality(candidate: Config, seed: int, report: Report) -> float:
    """Best at batch 8; falls a little at each of three steps."""
    score = abs(candidate.gan.batch - 8) + 100 * candidate.gan.lr
    for step in (1, 2, 3):
        report(step, score + 3 - step)
    return score


class Killed(BaseException):
    """As SIGKILL: nothing in between may catch it."""


def told(study: optuna.Study) -> list[tuple[dict[str, Any], float | None, dict[int, float], str]]:
    """What each trial that ended tried and got."""
    ended = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    return [(trial.params, trial.value, trial.intermediate_values, trial.state.name) for trial in ended]


def test_the_first_trial_is_the_unchanged_configuration(wide: Config, storage: Storage) -> None:
    study = open_study("s", storage)
    run_trials(study, wide, quality)
    assert study.trials[0].params == {
        "gan.lr": wide.gan.lr,
        "gan.batch": wide.gan.batch,
        "gan.loss": wide.gan.loss,
    }
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 6


def test_a_value_outside_its_range_is_drawn_in_the_first_trial(wide: Config, storage: Storage) -> None:
    study = open_study("s", storage)
    run_trials(study, wide.override({"gan.batch": 64, "search.trials": 1}), quality)
    assert study.trials[0].params["gan.lr"] == wide.gan.lr
    assert 4 <= study.trials[0].params["gan.batch"] <= 12


def test_an_option_left_at_its_default_can_be_searched(wide: Config, storage: Storage) -> None:
    space = {"gan.model.upsample": {"choices": ["nearest", "transposed"]}, "gan.model.width": {"low": 4, "high": 8}}
    changed = wide.override({"search.space": space, "search.trials": 2})
    assert "upsample" not in changed.gan.model
    check_space(changed, SPEC)
    study = open_study("s", storage)
    run_trials(study, changed, quality)
    assert study.trials[0].params["gan.model.width"] == changed.gan.model["width"]


def test_every_suggestion_follows_from_what_its_trial_records(wide: Config, storage: Storage) -> None:
    study = open_study("s", storage)
    run_trials(study, wide.override({"search.trials": 14}), quality)
    assert len(study.trials[13].user_attrs[history.SEEN]["ended"]) == 13
    for trial in study.trials:
        assert repeated(study.trials, trial, wide) == trial.params
    changed = wide.override({"seed": 1})
    assert sum(repeated(study.trials, trial, changed) == trial.params for trial in study.trials) == 1  # the first


def test_what_others_try_at_the_moment_is_seen_and_not_tried_again(wide: Config, storage: Storage) -> None:
    """Two workers on the same history: each knows what the other is at."""
    study = open_study("s", storage)
    run_trials(study, wide.override({"search.trials": 12}), quality)

    def at_once(candidate: Config, seed: int, report: Report) -> float:
        inner = open_study("s", storage)
        if len(inner.trials) < 14:
            inner.optimize(lambda trial: try_candidate(trial, wide, SPEC, at_once), n_trials=1)
        return quality(candidate, seed, lambda step, score: None)

    study.optimize(lambda trial: try_candidate(trial, wide, SPEC, at_once), n_trials=1)
    *_, outer, inner = study.trials
    assert inner.user_attrs[history.SEEN]["running"] == [outer.number]
    assert inner.params != outer.params
    assert [repeated(study.trials, trial, wide) for trial in (outer, inner)] == [outer.params, inner.params]


def test_one_that_is_being_given_its_values_is_not_seen(wide: Config, storage: Storage) -> None:
    """It would be another one when the suggestion is made again."""
    study = open_study("s", storage)
    run_trials(study, wide.override({"search.trials": 12}), quality)
    study.sampler = given = Given()
    given.values = {"gan.lr": 0.001, "gan.batch": 8, "gan.loss": "bce"}
    half, whole = study.ask(), len(study.trials) + 1
    for path, distribution in wide.search.space.items():
        assert seen_by(study.trials, whole, wide.search.space) == {"ended": list(range(12)), "running": []}
        _draw(half, path, distribution)
    assert seen_by(study.trials, whole, wide.search.space)["running"] == [half.number]


def test_two_studies_suggest_the_same_and_another_seed_does_not(wide: Config, storage: Storage) -> None:
    studies = {name: open_study(name, storage) for name in ("a", "b", "c")}
    run_trials(studies["a"], wide, quality)
    run_trials(studies["b"], wide, quality)
    run_trials(studies["c"], wide.override({"seed": 9}), quality)
    assert told(studies["a"]) == told(studies["b"])
    assert told(studies["a"])[1:] != told(studies["c"])[1:]


@pytest.mark.parametrize("victim", [0, 1, 3, 5])
def test_an_interrupted_study_tries_what_the_unbroken_one_does(wide: Config, storage: Storage, victim: int) -> None:
    whole = open_study("whole", storage)
    run_trials(whole, wide, quality)

    calls = iter(range(100))

    def killed(candidate: Config, seed: int, report: Report) -> float:
        if next(calls) == victim:
            report(1, 0.5)
            raise Killed
        return quality(candidate, seed, report)

    with pytest.raises(Killed):
        run_trials(open_study("broken", storage), wide, killed)
    broken = open_study("broken", storage)
    assert [trial.number for trial in broken.trials if trial.state == TrialState.RUNNING] == [victim]
    assert sweep(broken) == [victim]
    assert sweep(broken) == []
    assert len(broken.trials) == victim + 2
    run_trials(broken, wide, quality)
    assert told(broken) == told(whole)
    assert broken.trials[victim].state == TrialState.FAIL
    assert [trial.user_attrs.get("retry_of") for trial in broken.trials].count(victim) == 1
    assert candidates(broken.trials, wide)[1].values == candidates(whole.trials, wide)[1].values


def test_a_trial_killed_before_its_first_suggestion_keeps_its_queued_values(wide: Config, storage: Storage) -> None:
    study = open_study("s", storage)
    study.enqueue_trial({"gan.lr": 0.005, "gan.batch": 5, "gan.loss": "bce"})
    study.ask()
    assert sweep(study) == [0]
    run_trials(study, wide.override({"search.trials": 1}), quality)
    assert study.trials[1].params == {"gan.lr": 0.005, "gan.batch": 5, "gan.loss": "bce"}
    assert study.trials[1].user_attrs["retry_of"] == 0


def test_a_retry_that_is_killed_as_well_is_not_retried(wide: Config, storage: Storage) -> None:
    study = open_study("s", storage)

    def killed(candidate: Config, seed: int, report: Report) -> float:
        raise Killed

    for swept in ([0], [], [2]):
        with pytest.raises(Killed):
            run_trials(study, wide, killed)
        assert sweep(study) == swept
    run_trials(study, wide, quality)
    assert [trial.user_attrs.get("retry_of") for trial in study.trials[:4]] == [None, 0, None, 2]
    assert study.trials[2].params != study.trials[0].params  # the third attempt moves on
    assert sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in study.trials) == 6


@pytest.mark.parametrize("told_by", [Interrupted("stopped and saved"), KeyboardInterrupt()], ids=["saved", "Ctrl-C"])
@pytest.mark.parametrize("early", [False, True], ids=["training", "building"])
def test_a_trial_that_is_told_to_stop_again_and_again_goes_on(
    wide: Config, storage: Storage, monkeypatch: pytest.MonkeyPatch, told_by: BaseException, early: bool
) -> None:
    """In its steps, or outside of them where nothing is to be saved."""
    whole, study = open_study("whole", storage), open_study("s", storage)
    run_trials(whole, wide, quality)

    def stopped(*_: Any) -> float:
        raise told_by

    for swept in ([0], [1], [2]):
        with pytest.raises(Interrupted), monkeypatch.context() as patch:
            if early:
                patch.setattr("medgan.search.trying.check_gan", stopped)
            run_trials(study, wide, stopped)
        assert sweep(study) == swept
    run_trials(study, wide, quality)
    assert [trial.user_attrs.get("retry_of") for trial in study.trials[:4]] == [None, 0, 1, 2]
    assert told(study) == told(whole)


def test_a_kill_between_failing_a_trial_and_queueing_its_retry_is_mended(wide: Config, storage: Storage) -> None:
    study = open_study("s", storage)
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    trial = study.ask()
    trial.suggest_float("gan.lr", 0.0001, 0.01, log=True)
    study.tell(trial, state=TrialState.FAIL)
    assert sweep(study) == [0]
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.WAITING]
    sweep(study)
    assert len(study.trials) == 2


def test_a_finished_study_does_nothing_more_and_a_larger_one_goes_on(wide: Config, storage: Storage) -> None:
    study = open_study("s", storage)
    run_trials(study, wide, quality)
    before = told(study)
    run_trials(open_study("s", storage), wide, quality)
    assert told(study) == before
    run_trials(open_study("s", storage), wide.override({"search.trials": 7}), quality)
    assert len(told(study)) == 7 and told(study)[:6] == before


def test_fewer_trials_give_what_they_alone_would_have_given(wide: Config, storage: Storage) -> None:
    """A study keeps the trials of a larger search, which are not those that were asked for now."""

    seen: list[int] = []

    def better_and_better(candidate: Config, seed: int, report: Report) -> float:
        seen.append(seed)
        return -float(len(seen))

    study = open_study("s", storage)
    run_trials(study, wide, better_and_better)
    for count in (1, 2, 5, 6):
        asked = asked_for(study.trials, count)
        assert [trial.number for trial in asked] == list(range(count))
        assert lucky(asked, wide.search) == study.trials[count - 1].params
    assert len(seen) == 6


def test_a_retry_is_asked_for_in_the_place_of_what_it_repeats(wide: Config, storage: Storage) -> None:
    """Trials 0 and 1 are killed; their retries, 2 and 3, count as the first two; 5 is killed twice and never ends."""
    study = open_study("s", storage)

    def numbers(count: int) -> list[int]:
        return [trial.number for trial in asked_for(study.trials, count)]

    def attempt(state: TrialState, retry_of: int | None = None) -> None:
        attributes = {} if retry_of is None else {"retry_of": retry_of}
        study.enqueue_trial({"gan.lr": 0.001}, user_attrs=attributes)
        study.tell(study.ask(), values=1.0 if state == TrialState.COMPLETE else None, state=state)

    assert numbers(2) == []
    failed, complete, pruned = TrialState.FAIL, TrialState.COMPLETE, TrialState.PRUNED
    attempt(failed)
    attempt(failed)
    attempt(pruned, retry_of=0)
    attempt(complete, retry_of=1)
    attempt(complete)
    attempt(failed)
    attempt(failed, retry_of=5)
    attempt(complete)
    assert numbers(1) == [0, 2]
    assert numbers(2) == [0, 1, 2, 3]
    assert numbers(3) == [0, 1, 2, 3, 4]
    assert numbers(4) == numbers(9) == list(range(8))


@pytest.mark.parametrize("space", [{}, {"gan.batch": {"choices": [6]}}])
def test_a_space_of_a_single_configuration_is_tried_once(
    wide: Config, url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, space: dict[str, Any]
) -> None:
    changed = wide.override({"search.space": space, "search.trials": 3})
    trained: list[int] = []

    def counted(candidate: Config, seed: int, report: Report) -> float:
        trained.append(seed)
        return quality(candidate, seed, report)

    outcome = search(changed, counted, url, tmp_path)
    assert len(outcome.trials) == 1 and trained[0] == changed.seed
    assert len(trained) == (1 + 2 * changed.search.seeds if space else 1)  # params.yaml has another batch
    assert "search.space holds a single configuration: 1 trial instead of 3" in caplog.messages


def test_what_is_drawn_twice_is_trained_once(wide: Config, storage: Storage) -> None:
    """By trials on one seed; and a finalist competes with another configuration."""
    space = {"gan.loss": {"choices": ["bce", "hinge"]}, "gan.batch": {"choices": [6, 8]}}
    changed = wide.override({"search.space": space, "search.trials": 8})
    trained: list[tuple[str, int, int]] = []

    def counted(candidate: Config, seed: int, report: Report) -> float:
        trained.append((candidate.gan.loss, candidate.gan.batch, seed))
        return float(candidate.gan.batch)

    study = open_study("s", storage)
    run_trials(study, changed, counted)
    tried = [(trial.params["gan.loss"], trial.params["gan.batch"], trial.value) for trial in study.trials]
    assert len(tried) == 8 and all(value == batch for _, batch, value in tried)
    assert len(trained) == len(set(trained)) == len(set(tried)) > 1
    chosen = candidates(study.trials, changed)
    values = [tuple(sorted(candidate.values.items())) for candidate in chosen]
    assert len(set(values)) == len(values) == 3  # params.yaml as it is, which no finalist repeats, and two


def test_a_whole_search_tells_its_mirror_of_every_trial(wide: Config, url: str, tmp_path: Path) -> None:
    heard: list[tuple[list[str], str]] = []

    fresh: list[list[TrialRecord]] = []

    def mirror(trials: Sequence[TrialRecord], status: str) -> None:
        if trials and trials[0].fresh:
            fresh.append(list(trials))
        else:
            heard.append(([trial.state for trial in trials], status))

    def diverges(candidate: Config, seed: int, report: Report) -> float:
        raise DivergedError("diverged")

    for study in ("s", "another"):
        (tmp_path / f"trial-{study}-0").mkdir()
    outcome = search(wide, quality, url, tmp_path, mirror)
    assert [(len(states), status) for states, status in heard] == [*[(k, "RUNNING") for k in range(7)], (6, "FINISHED")]
    assert [trial.number for trial in outcome.trials] == list(range(6))
    again = fresh[-1]
    assert len(again) == wide.search.seeds * len(outcome.confirmed) and {trial.state for trial in again} == {"COMPLETE"}
    assert {trial.score for trial in again} == {score for each in outcome.confirmed for score in each.scores}
    assert len({trial.fresh for trial in again}) == len(again) and {} in [trial.values for trial in again]
    assert not (tmp_path / "trial-s-0").exists() and (tmp_path / "trial-another-0").exists()
    heard.clear()
    fewer = search(wide.override({"search.trials": 2}), quality, url, tmp_path, mirror)
    assert [status for _, status in heard] == ["RUNNING", "FINISHED"] and fewer.trials == outcome.trials[:2]
    heard.clear()
    with pytest.raises(MedganError, match="5 trials in a row failed, the last one with: diverged"):
        run_search(Search(diverges, wide, SPEC, "diverging", tmp_path), url, mirror)
    assert heard[-1] == (["FAIL"] * 5, "FAILED")


@pytest.mark.parametrize(
    "error", [DivergedError("step 3: loss is not finite"), MemoryError("no memory"), ValueError("nan")], ids=type
)
def test_a_trial_that_raises_has_failed_with_its_reason_and_the_search_goes_on(
    wide: Config, storage: Storage, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fails_once(candidate: Config, seed: int, report: Report) -> float:
        if candidate.gan.lr == wide.gan.lr:
            raise error
        return quality(candidate, seed, report)

    study = open_study("s", storage)
    run_trials(study, wide, fails_once)
    failed, *others = records(study.trials, wide.search)
    assert failed.state == "FAIL" and failed.reason is not None and str(error) in failed.reason
    assert f"trial 0 failed: {failed.reason}" in caplog.messages
    assert len(others) == wide.search.trials and all(trial.state in ("COMPLETE", "PRUNED") for trial in others)
    assert sweep(study) == []  # its reason is its own: nobody tries it again


def test_a_trial_that_another_worker_took_over_is_left_to_it(
    wide: Config, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    study = open_study("s", storage)

    def taken(candidate: Config, seed: int, report: Report) -> float:
        if len(study.trials) == 1:
            study.tell(0, state=TrialState.FAIL)  # as the sweep of another worker does
        return 1.0

    run_trials(study, wide.override({"search.trials": 2}), taken)
    assert "a trial of this worker was taken over by another one" in caplog.messages
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE", "COMPLETE"]


def test_what_goes_wrong_once_a_trial_has_ended_is_not_taken_for_that(wide: Config, storage: Storage) -> None:
    def told(trial: FrozenTrial) -> None:
        raise ValueError("of who is told")

    with pytest.raises(ValueError, match="of who is told"):
        run_trials(open_study("s", storage), wide, quality, told)


def test_ctrl_c_ends_a_worker_whose_trial_was_taken_over(wide: Config, storage: Storage) -> None:
    study = open_study("s", storage)

    def stopped(candidate: Config, seed: int, report: Report) -> float:
        study.tell(0, state=TrialState.FAIL)
        raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        run_trials(study, wide, stopped)


@pytest.mark.parametrize(
    "refused",
    [
        "postgresql+pg8000://u:S3cret@host/db",
        "postgresql+pg8000://u:my S3cret@host/db",
        "postgresql+pg8000://me@corp.com:S3cret@host/db",
        "postgresql+pg8000://u:p@ss:S3cret@host/db",
        "postgresql+pg8000://u:S3cret",
        "postgresql+pg8000://u@host:S3cret/db",
        "postgresql+pg8000://u/x:S3cret@host/db",
        "postgresql+pg8000://u%3AS3cret@host/db",
        "postgresql+pg8000://u@host/db?p%61ssword=S3cret",
        "postgresql+pg8000://u@host/db?sslpass=S3cret",
        "postgresql+pg8000://u@host/db?sslmode=require",
        "postgresql+pg8000://host/db",
        "u:S3cret@host",
        "sqlite://",
        "mysql://u@host/db",
    ],
)
def test_an_address_that_may_hold_a_password_is_refused_and_not_shown(refused: str) -> None:
    with pytest.raises(MedganError, match=r"^search\.storage: ") as error:
        open_storage(refused, 60)
    assert "S3cret" not in str(error.value) and "host/db" not in str(error.value).replace("user@host/database", "")


@pytest.mark.parametrize(
    ("content", "says"), [(None, "cannot be read: No such file or directory"), (b"\xff\xfe", "it is no text in UTF-8")]
)
def test_a_password_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, says: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("MEDGAN_SEARCH_PASSWORD", "")  # as if it were not set
    monkeypatch.setenv("MEDGAN_SEARCH_PASSWORD_FILE", str(file))
    with pytest.raises(MedganError, match=says):
        with_password("postgresql+pg8000://user@host/database")
    file.write_text("S3cret\n")
    assert "user:S3cret@host" in with_password("postgresql+pg8000://user@host/database")


def test_a_driver_that_nobody_brings_is_a_sentence() -> None:
    with pytest.raises(MedganError, match=r"asks for the driver psycopg2?; .*postgresql\+pg8000://"):
        open_storage("postgresql://user@host/database", 60)


@pytest.mark.parametrize("space", [{"gan.loss": {"choices": ["bce", "relativistic"]}}, None])
def test_a_study_in_which_nothing_differs_has_its_pictures(
    wide: Config, url: str, tmp_path: Path, space: dict[str, Any] | None
) -> None:
    """All scores alike, as `passing` has them; or a parameter that no complete trial has."""

    def alike(candidate: Config, seed: int, report: Report) -> float:
        if candidate.gan.loss == "bce":
            raise DivergedError("diverged")
        return 1.0 if space else float(candidate.gan.batch)

    smoothing = {"low": 0.7, "high": 0.9, "when": {"gan.loss": ["bce"]}, "otherwise": 1.0}
    wider = space or {**SPACE, "gan.label_smoothing": smoothing}
    outcome = search(wide.override({"search.space": wider, "gan.loss": "relativistic"}), alike, url, tmp_path)
    assert "history" in outcome.pictures and ("importances" in outcome.pictures) is (space is None)


def test_nothing_to_choose_from_is_a_sentence(wide: Config, storage: Storage) -> None:
    study = open_study("s", storage)
    study.tell(study.ask(), state=TrialState.PRUNED)
    with pytest.raises(MedganError, match="no trial ended with a score"):
        candidates(study.trials, wide)


def test_hopeless_trials_are_pruned_by_the_median(wide: Config, storage: Storage) -> None:
    seen: list[int] = []

    def worse_and_worse(candidate: Config, seed: int, report: Report) -> float:
        score = float(len(seen))
        seen.append(0)
        for step in (1, 2):
            seen[-1] = step
            report(step, score)
        return score

    study = open_study("s", storage, search=wide.search)
    run_trials(study, wide, worse_and_worse)
    # Two trials set the median; each later one is above it at its first step.
    assert seen == [2, 2, 1, 1, 1, 1]
    found = records(study.trials, wide.search)
    assert [record.state for record in found] == ["COMPLETE"] * 2 + ["PRUNED"] * 4
    assert found[2].score is None and found[2].scores == {1: 2.0}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"train.steps": {"low": 1, "high": 2}}, "'train.steps' is outside the gan section"),
        ({"gan.lrr": {"low": 1, "high": 2}}, r"unknown parameter 'gan\.lrr' \(did you mean 'lr'"),
        ({"gan.lr": {"low": -1, "high": 1}}, r"'gan\.lr' = -1"),
        ({"gan.loss": {"choices": ["bce", "wasserstein"]}}, "wasserstein"),
        ({"gan.model.widht": {"low": 8, "high": 16}}, r"unknown parameter 'gan\.model\.widht' \(did you mean 'width'"),
        ({"gan.model.width": {"low": 1, "high": 16}}, r"'gan\.model\.width' = 1"),
        ({"gan.model.name": {"choices": ["dcgan", "stylegan"]}}, "stylegan"),
    ],
)
def test_a_space_that_cannot_work_is_refused_before_anything_runs(
    config: Config, space: dict[str, Any], message: str
) -> None:
    with pytest.raises(MedganError, match=message):
        check_space(config.override({"search.space": space}), SPEC)


def test_conditional_trials_need_labels(config: Config) -> None:
    space = {"gan.conditional": {"choices": [False, True]}}
    check_space(config.override({"search.space": space}), SPEC)
    with pytest.raises(MedganError, match="no labels"):
        check_space(config.override({"search.space": space, "gan.conditional": False}), ImageSpec(16, 1))


def test_values_that_do_not_go_together_fail_their_trial(
    config: Config, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """Each value alone is fine, so nothing can be said before."""
    space = {"gan.loss": {"choices": ["bce", "hinge"]}, "gan.label_smoothing": {"low": 0.8, "high": 1.0}}
    changed = config.override({"search.space": space, "search.trials": 12, "gan.loss": "bce"})
    check_space(changed, SPEC)
    study = open_study("s", storage)
    run_trials(study, changed, quality)
    states = {(trial.params["gan.loss"], trial.state) for trial in study.trials}
    assert states == {("bce", TrialState.COMPLETE), ("hinge", TrialState.FAIL)}
    assert "failed: params.yaml: gan: label_smoothing needs loss" in caplog.text


def test_a_stepped_range_and_a_place_in_a_list_can_be_searched(config: Config, storage: Storage) -> None:
    """gan.betas.0 is the momentum of sgd; some models take multiples only."""
    space = {
        "gan.model.width": {"low": 4, "high": 16, "step": 4},
        "gan.betas.0": {"low": 0.0, "high": 0.9, "step": 0.1},
    }
    changed = config.override({"search.space": space, "search.trials": 8})
    check_space(changed, SPEC)
    study = open_study("s", storage)
    run_trials(study, changed, quality)
    assert study.trials[0].params["gan.betas.0"] == changed.gan.betas[0]
    assert len({trial.params["gan.model.width"] for trial in study.trials}) > 1
    for trial in study.trials:
        assert type(trial.params["gan.model.width"]) is int and trial.params["gan.model.width"] % 4 == 0
        momentum = changed.override(trial.params).gan.betas[0]
        assert momentum == trial.params["gan.betas.0"] == pytest.approx(round(momentum, 1))


@pytest.mark.parametrize("when", [{}, {"gan.model": [{"name": "dcgan", "width": 4}]}])
def test_a_mapping_and_a_place_in_it_can_be_searched(
    config: Config, url: str, tmp_path: Path, when: dict[str, Any]
) -> None:
    """What one trial tries must not change what is in the space."""
    space = {
        "gan.model": {"choices": [{"name": "dcgan", "width": 4}, {"name": "residual", "width": 4}]},
        "gan.model.width": {"choices": [4, 8], "when": when},
    }
    changed = config.override({"search.space": space, "search.trials": 8, "search.finalists": 0})
    before = changed.model_dump()
    check_space(changed, SPEC)
    outcome = search(changed, quality, url, tmp_path)
    assert [trial.state for trial in outcome.trials] == ["COMPLETE"] * 8 and changed.model_dump() == before
    tried = [changed.override(trial.values).gan.model for trial in outcome.trials]
    assert {model["name"] for model in tried} == {"dcgan", "residual"} and {model["width"] for model in tried} == {4, 8}


def test_otherwise_holds_beside_a_parameter_that_is_not_searched_either() -> None:
    drawn = SearchConfig(
        trials=1,
        steps=1,
        evaluations=1,
        n=2,
        finalists=0,
        seeds=2,
        space={
            "gan.loss": Distribution(choices=("bce", "relativistic")),
            "gan.label_smoothing": Distribution(low=0.8, high=1.0, when={"gan.loss": ("bce",)}),
            "gan.instance_noise": Distribution(choices=(0.1, 0.2), when={"gan.label_smoothing": (0.8,)}, otherwise=0.0),
        },
    ).drawn
    assert values_of({"gan.loss": "relativistic"}, drawn) == {"gan.loss": "relativistic", "gan.instance_noise": 0.0}
    assert values_of({}, drawn) == {}  # nothing is known yet


def test_the_shipped_space_is_accepted(config: Config) -> None:
    assert config.search.space
    check_space(config, SPEC)


def test_trials_are_told_and_written_as_they_were(wide: Config, storage: Storage, tmp_path: Path) -> None:
    study, ended = open_study("s", storage), list[FrozenTrial]()
    run_trials(study, wide.override({"search.trials": 2}), quality, ended.append)
    heard = records(ended, wide.search)
    assert heard == records(study.trials, wide.search) and len(heard) == 2
    best = {"gan.lr": 0.5, "gan.loss": "bce"}
    for _ in range(2):  # what is there is replaced
        write_outcome(tmp_path / "search", Outcome(best, heard), wide.search)
    with (tmp_path / "search" / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    text = (tmp_path / "search" / "best.yaml").read_text()
    assert yaml.safe_load(text) == best and text.startswith("# best of 2 trials")
    failed = replace(heard[0], state=TrialState.FAIL.name)
    assert next(described(Outcome({}, [*heard, failed]), wide.search)).startswith("best of 2 trials: params.yaml")
    assert list(rows[0]) == ["number", "state", "score", "fresh", "retry_of", "reason", *SPACE]
    assert rows[0]["state"] == "COMPLETE" and float(rows[0]["score"]) == pytest.approx(heard[0].score, rel=1e-5)
    assert float(rows[1]["gan.lr"]) == heard[1].values["gan.lr"]
