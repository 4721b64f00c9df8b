"""Killed and started again: real processes, real stores, and results that do not show it."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from benchmarks.resume import left_behind
from medgan.config.schema import Config
from medgan.data.store import Prepared
from medgan.sources.prepare import prepare

# MLflow's own use of SQLAlchemy, in every query for runs.
pytestmark = pytest.mark.filterwarnings("ignore:The ..noload.. loader strategy:DeprecationWarning")

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}

TRAINING = """
import json, sys, time
from pathlib import Path
import numpy as np
from medgan.config.schema import parse_config
from medgan.console import run
from medgan.data.loader import conditions
from medgan.data.store import open_prepared
from medgan.training.judge import Judge
from medgan.training.loop import Listener, fit

config = parse_config(json.loads(Path("config.json").read_text()))
prepared = open_prepared(Path(sys.argv[1])).balanced(config.data.balance)
given = conditions(prepared, np.arange(16))
judge = Judge(16, given, lambda images: float(images.mean()), given)

def heard(step):
    print("step", step, flush=True)
    time.sleep(0.01)

def main():
    trained = fit(config.gan, config.train, prepared, seed=3, judge=judge, directory=Path(sys.argv[2]),
                  listener=Listener(on_step=heard))
    print("resumed from", trained.resumed_from)

run(main)
"""


BUDGET = {"train.steps": 40, "train.checkpoint_every": 6, "train.evaluations": 4, "gan.penalty_every": 2}
Start = Callable[[str], "subprocess.Popen[str]"]


def starter(folder: Path, config: Config, prepared: Path) -> Start:
    """Starts the training above in a process of its own; the argument names its checkpoint folder."""
    (folder / "config.json").write_text(json.dumps(config.model_dump(mode="json", by_alias=True)))

    def started(name: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-W", "error", "-c", TRAINING, str(prepared), name]
        return subprocess.Popen(
            command, cwd=folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    return started


@pytest.fixture
def start(tmp_path: Path, config: Config, prepared_folder: Path) -> Start:
    return starter(tmp_path, config.override(BUDGET), prepared_folder)


@pytest.fixture(scope="module")
def prepared_folder(prepared: Prepared) -> Path:
    return Path(prepared.images.filename).parent  # type: ignore[attr-defined]


def wait_for(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdout is not None
    for printed in process.stdout:
        if printed.strip() == line:
            return
    raise AssertionError(f"ended before '{line}': {process.communicate()[1]}")


def finish(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


@pytest.mark.slow
def test_a_killed_training_ends_with_the_bits_of_an_unbroken_one(start: Start, tmp_path: Path) -> None:
    finish(start("whole"))
    whole = left_behind(tmp_path / "whole")
    assert whole[0] == 40 and len(whole[2]) == 44 and len(whole[4]) == 5
    parts = {name.split(".")[0] for name in whole[1]}
    assert parts == {"gan", "ema", "best", "generator", "discriminator"}

    victim = start("killed")
    wait_for(victim, f"step {random.randint(7, 38)}")
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    victim.communicate()
    out = finish(start("killed"))
    assert int(out.rsplit("resumed from ", 1)[1]) >= 6
    assert left_behind(tmp_path / "killed") == whole

    asked = start("stopped")
    wait_for(asked, "step 21")
    asked.send_signal(signal.SIGTERM)
    out, err = asked.communicate(timeout=60)
    assert asked.returncode == 1
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    stopped_at = int(err.split("at step ")[1].split()[0])
    assert int(finish(start("stopped")).rsplit("resumed from ", 1)[1]) == stopped_at
    assert left_behind(tmp_path / "stopped") == whole


@pytest.mark.slow
def test_a_killed_cyclegan_ends_with_the_bits_of_an_unbroken_one(config: Config, tmp_path: Path) -> None:
    """Strangers for pairs, four networks, and what its discriminators remember."""
    changed = config.override(
        {
            **BUDGET,
            "data.labels": False,
            "data.options": {"count": 160, "slices": 2, "modalities": ["T2w"], "source_modalities": ["T1w"]},
            "gan.name": "cyclegan",
            "gan.model": {"name": "unet", "width": 4, "max_width": 8, "levels": 1, "discriminator_width": 4},
            "gan.buffer": 8,
        }
    )
    prepare(changed.data, tmp_path / "prepared", seed=0)
    start = starter(tmp_path, changed, tmp_path / "prepared")
    finish(start("whole"))
    victim = start("killed")
    wait_for(victim, f"step {random.randint(13, 38)}")
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    victim.communicate()
    assert int(finish(start("killed")).rsplit("resumed from ", 1)[1]) >= 12
    whole = left_behind(tmp_path / "whole")
    assert {"gan.memory_image", "gan.memory_source"} <= set(whole[1])
    assert left_behind(tmp_path / "killed") == whole


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, config: Config, prepared_folder: Path) -> Path:
    """A folder in which the stages search and train can run: params.yaml, prepared images and features."""
    from medgan.data.store import open_prepared
    from medgan.scores.learning import extractor_of

    place = tmp_path_factory.mktemp("workplace")
    values = {
        "search.trials": 3,
        "search.steps": 60,
        "search.evaluations": 6,
        "search.space": {"gan.lr": {"low": 0.0001, "high": 0.001, "log": True}},
        "train.steps": 60,
        "train.evaluations": 5,
        "train.checkpoint_every": 7,
    }
    tree = config.override(values).model_dump(mode="json", by_alias=True)
    (place / "params.yaml").write_text(yaml.safe_dump(tree))
    (place / "data").mkdir()
    (place / "data" / "prepared").symlink_to(prepared_folder)
    prepared = open_prepared(prepared_folder)
    extractor = extractor_of(prepared, config.features.model_copy(update={"steps": 2, "batch": 8}), seed=0)
    (place / "artifacts" / "features").mkdir(parents=True)
    extractor.save(place / "artifacts" / "features" / "extractor.safetensors")
    (place / "artifacts" / "search").mkdir()
    (place / "artifacts" / "search" / "best.yaml").write_text("{}\n")
    return place


def stage(name: str, place: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", f"pipelines.{name}"]
    environment = {key: value for key, value in ENVIRONMENT.items() if key != "MLFLOW_TRACKING_URI"}
    return subprocess.Popen(
        command, cwd=place, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def kill_when(process: "subprocess.Popen[str]", ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.communicate()


def trial_states(database: Path) -> list[str]:
    if not database.exists():
        return []
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            return [state for (state,) in connection.execute("select state from trials order by number")]
    except sqlite3.OperationalError:
        return []


@pytest.mark.slow
def test_a_killed_search_retries_the_trial_once_and_leaves_nothing_running(workplace: Path) -> None:
    import optuna
    from mlflow import MlflowClient
    from optuna.trial import TrialState

    def second_trial_has_trained() -> bool:
        # One folder a trial: the second one exists, and holds a checkpoint.
        states = trial_states(workplace / "optuna.db")
        running = len(states) == 2 and states[1] == "RUNNING"
        return running and len(list(workplace.glob(".checkpoints/trial-*/step-*20.checkpoint"))) >= 1

    victim = stage("search", workplace)
    kill_when(victim, second_trial_has_trained)
    assert trial_states(workplace / "optuna.db")[1] == "RUNNING"
    resumed = stage("search", workplace)
    printed = "".join(resumed.communicate(timeout=120))
    assert resumed.returncode == 0, printed
    assert "trial 1 was interrupted; it is tried again" in printed

    names = optuna.get_all_study_names(f"sqlite:///{workplace / 'optuna.db'}")
    (study,) = [name for name in names if "confirmation" not in name]
    trials = optuna.load_study(study_name=study, storage=f"sqlite:///{workplace / 'optuna.db'}").trials
    by_state = {state: [trial for trial in trials if trial.state == state] for state in TrialState}
    assert [trial.number for trial in by_state[TrialState.FAIL]] == [1]
    assert not by_state[TrialState.RUNNING] and not by_state[TrialState.WAITING]
    assert len(by_state[TrialState.COMPLETE]) + len(by_state[TrialState.PRUNED]) == 3
    (retry,) = [trial for trial in trials if "retry_of" in trial.user_attrs]
    assert retry.user_attrs["retry_of"] == 1
    assert retry.params == trials[1].params
    # The retry went on from a checkpoint and still tells what was scored before the kill.
    assert set(trials[1].intermediate_values.items()) <= set(retry.intermediate_values.items())
    assert 10 in retry.intermediate_values

    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("phantom")
    runs = client.search_runs([experiment.experiment_id])
    by_kind = {kind: [run for run in runs if run.data.tags["medgan.kind"] == kind] for kind in ("trial", "fresh")}
    children = {run.data.tags["medgan.fingerprint"]: run for run in by_kind["trial"]}
    assert len(runs) - len(by_kind["fresh"]) == len(children) + 1 == len(trials) + 1
    assert not [run for run in runs if run.info.status == "RUNNING"]
    for trial in trials:
        child = children[f"trial-{study}-{trial.number}"]
        expected = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}
        assert child.info.status == expected[trial.state]
        if trial.state == TrialState.COMPLETE:
            assert child.data.metrics["validation/fid"] == trial.value
        history = client.get_metric_history(child.info.run_id, "validation/fid")
        assert sorted((p.step, p.value) for p in history) == sorted(trial.intermediate_values.items())
    assert children[f"trial-{study}-{retry.number}"].data.tags["medgan.retry_of"] == "1"
    assert not list(workplace.glob(".checkpoints/trial-*"))


@pytest.mark.slow
def test_a_killed_train_stage_ends_as_one_finished_run_with_each_point_once(workplace: Path) -> None:
    from mlflow import MlflowClient

    from medgan.tracking.names import named

    victim = stage("train", workplace)
    # Late enough that rows and pictures were sent already.
    kill_when(victim, lambda: any(workplace.glob(".checkpoints/train-*/step-*35.checkpoint")))
    finish(stage("train", workplace))

    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("phantom")
    (run,) = client.search_runs([experiment.experiment_id], "tags.`medgan.kind` = 'training'")
    assert run.info.status == "FINISHED"
    rows = [json.loads(line) for line in (workplace / "artifacts/train/history.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss/generator" in row] == list(range(1, 61))
    rows = named(rows, "fid")
    for key in {key for row in rows for key in row} - {"step", "time"}:
        sent = [(p.step, p.value, p.timestamp) for p in client.get_metric_history(run.info.run_id, key)]
        assert sorted(sent) == sorted((row["step"], row[key], int(1000 * row["time"])) for row in rows if key in row)
    pictures = [
        item.path.replace("%", "+").removeprefix("images/")
        for item in client.list_artifacts(run.info.run_id, "images")
        if item.path.endswith(".png")
    ]
    assert sorted(int(path.split("+step+")[1].split("+")[0]) for path in pictures) == [0, 12, 24, 36, 48, 60]
