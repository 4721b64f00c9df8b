"""MLflow: whatever is sent twice is there once."""

import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.utils.file_utils import local_file_uri_to_path
from PIL import Image

from benchmarks.outage import free_port, served
from medgan.errors import MedganError
from medgan.runtime.generator import OnnxGenerator
from medgan.tracking import models, opening, runs, tracking_uri
from medgan.tracking.models import champion, crown, downloaded, log_model, register_version, up_to
from medgan.tracking.opening import store_at
from medgan.tracking.recording import Recorder
from medgan.tracking.runs import FAILURE, Store
from medgan.tracking.trials import Searched, SearchMirror, mirror_trial

# MLflow's own use of SQLAlchemy, in every query for runs.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The ..noload.. loader strategy:DeprecationWarning", "ignore::FutureWarning:mlflow", "ignore::UserWarning"
)
ROWS = [{"step": step, "time": 1000.5 + step, "loss": 1.0 / step, "score": float(step)} for step in (1, 2, 3)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `store` is."""
    return tmp_path_factory.mktemp("a%20b")


@pytest.fixture(scope="module")
def store(root: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        # MLflow sets this one for its children; set here first, so that it is gone afterwards.
        patch.setenv("MLFLOW_TRACKING_URI", "")
        yield store_at(root, "phantom")


@pytest.fixture
def other_uri(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A test may open another store than `store`."""
    uri = mlflow.get_tracking_uri()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield
    mlflow.set_tracking_uri(uri)


@pytest.fixture
def run_id(store: Store, request: pytest.FixtureRequest) -> str:
    return store.run(request.node.name, "a run", params={"lr": 0.1}, tags={"kind": "test"})


def points(store: Store, run_id: str, key: str) -> list[tuple[int, float, int]]:
    history = store.client.get_metric_history(run_id, key)
    return sorted((point.step, point.value, point.timestamp) for point in history)


def pictures(store: Store, run_id: str) -> list[str]:
    names = [item.path for item in store.client.list_artifacts(run_id, "images")]
    return sorted(name for name in names if name.endswith(".png"))


def test_a_run_is_found_again_by_its_fingerprint(store: Store) -> None:
    assert store.find_run("f1") is None
    first = store.run("f1", "one", params={"lr": 0.1}, tags={"kind": "old"})
    again = store.run("f1", "one", params={"lr": 0.1}, tags={"kind": "new"})
    other = store.run("f2", "two", params={"lr": 0.1}, tags={}, parent=first)
    assert first == again != other
    found = store.find_run("f1")
    assert found is not None and found.info.run_id == first
    assert found.data.tags["kind"] == "new" and found.data.params == {"lr": "0.1"}
    assert store.client.get_run(other).data.tags["mlflow.parentRunId"] == first


def test_a_request_whose_answer_was_lost_makes_no_second_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow sends it again, and the server makes a run each time."""
    once = store.client.create_run

    def twice(*arguments: Any, **named: Any) -> Any:
        once(*arguments, **named)
        return once(*arguments, **named)

    monkeypatch.setattr(store.client, "create_run", twice)
    made = store.run("twice", "twice", params={"lr": 0.1}, tags={})
    query = f"tags.`{runs.FINGERPRINT}` = 'twice'"
    found = store.client.search_runs([store.experiment_id], query)
    assert [run.info.run_id for run in found] == [made] and found[0].data.params == {"lr": "0.1"}


def test_a_param_outside_the_fingerprint_may_change_without_an_error(store: Store) -> None:
    """train.restart and search.trials do; MLflow refuses a second value."""
    first = store.run("f3", "one", params={"restart": False, "lr": 1}, tags={})
    assert store.run("f3", "one", params={"restart": True, "lr": 1, "new": 2}, tags={}) == first
    assert store.client.get_run(first).data.params == {"restart": "False", "lr": "1", "new": "2"}


def test_rows_sent_again_are_not_doubled(store: Store, run_id: str) -> None:
    store.log_rows(run_id, ROWS[:2])
    store.log_rows(run_id, ROWS)
    store.log_rows(run_id, ROWS)
    assert points(store, run_id, "score") == [(1, 1.0, 1001500), (2, 2.0, 1002500), (3, 3.0, 1003500)]
    assert len(points(store, run_id, "loss")) == 3
    store.log_rows(run_id, [])


def test_rows_that_were_trained_again_at_another_time_are_not_doubled(store: Store, run_id: str) -> None:
    """After a fall-back to an older checkpoint, or train.restart."""
    store.log_rows(run_id, ROWS)
    store.log_rows(run_id, [{**row, "time": row["time"] + 60} for row in ROWS])
    assert points(store, run_id, "score") == [(1, 1.0, 1001500), (2, 2.0, 1002500), (3, 3.0, 1003500)]


def test_more_rows_than_one_request_takes(store: Store, run_id: str) -> None:
    store.log_rows(run_id, [{"step": step, "time": 0.0, "a": step, "b": -step} for step in range(1, 701)])
    assert [step for step, _, _ in points(store, run_id, "b")] == list(range(1, 701))


def test_a_figure_that_is_not_a_number_arrives_once(store: Store, run_id: str) -> None:
    rows = [{"step": 1, "time": 0.0, "kid": float("nan")}]
    store.log_rows(run_id, rows)
    store.log_rows(run_id, rows)
    (point,) = points(store, run_id, "kid")
    assert np.isnan(point[1])


def test_one_picture_a_key_and_step(store: Store, run_id: str, tmp_path: Path) -> None:
    path = tmp_path / "grid.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)
    for key, step in (("samples", 1), ("samples", 10), ("samples", 1), ("final", 1), ("samples", 10)):
        store.log_picture(run_id, path, key=key, step=step)
    assert len(pictures(store, run_id)) == 3


def test_final_figures_are_renewed(store: Store, run_id: str) -> None:
    for _ in range(2):
        store.log_figures(run_id, {"test/fid": 3.0, "test/n": 100, "test/copied": 0.5})
    assert [value for _, value, _ in points(store, run_id, "test/fid")] == [3.0]
    store.log_figures(run_id, {"test/fid": 2.0, "test/n": 100})
    metrics = store.client.get_run(run_id).data.metrics
    assert metrics["test/fid"] == 2.0 and metrics["test/copied"] == 0.5
    assert len(points(store, run_id, "test/n")) == 1


def test_a_file_of_the_same_name_takes_the_place_of_the_one_before(store: Store, run_id: str, tmp_path: Path) -> None:
    for content in ("old", "new"):
        (tmp_path / "card.md").write_text(content)
        store.log_file(run_id, tmp_path / "card.md")
    (found,) = [item.path for item in store.client.list_artifacts(run_id) if item.path == "card.md"]
    assert Path(store.client.download_artifacts(run_id, found, str(tmp_path))).read_text() == "new"


def test_a_run_may_end_twice_and_otherwise(store: Store, run_id: str) -> None:
    store.end(run_id)
    ended = store.client.get_run(run_id).info
    store.end(run_id)
    again = store.client.get_run(run_id).info
    assert (ended.status, ended.end_time) == (again.status, again.end_time) == ("FINISHED", ended.end_time)
    store.end(run_id, "FAILED")
    assert store.client.get_run(run_id).info.status == "FAILED"


def test_a_run_that_had_failed_runs_again(store: Store, run_id: str) -> None:
    store.tag(run_id, FAILURE, "step 3: loss/generator is not finite")
    store.end(run_id, "FAILED")
    store.reopen(run_id)
    run = store.client.get_run(run_id)
    assert run.info.status == "RUNNING" and FAILURE not in run.data.tags
    store.end(run_id)
    ended = store.client.get_run(run_id).info
    store.reopen(run_id)
    assert store.client.get_run(run_id).info == ended


def test_data_are_an_input_once(store: Store, run_id: str) -> None:
    for _ in range(2):
        store.log_data(run_id, name="phantom", md5="0" * 32)
    (entered,) = store.client.get_run(run_id).inputs.dataset_inputs
    assert (entered.dataset.name, entered.dataset.digest) == ("phantom", "0" * 12)


OF = Searched("study", "fid", "phantom", "0" * 32)


@dataclass(frozen=True)
class Told:
    number: int
    state: str
    values: dict[str, Any] = field(default_factory=lambda: {"gan.lr": 0.125})
    score: float | None = None
    scores: dict[int, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    retry_of: int | None = None
    began: int | None = 1_000_000
    ended: int | None = 1_007_000
    fresh: tuple[str, str] | None = None


@pytest.mark.parametrize(
    ("trial", "status"),
    [
        (Told(0, "COMPLETE", score=2.0, scores={5: 3.0, 10: 2.0}), "FINISHED"),
        (Told(1, "PRUNED", scores={5: 9.0}), "KILLED"),
        (Told(2, "FAIL", scores={5: 9.0}, retry_of=1), "FAILED"),
    ],
)
def test_a_trial_is_mirrored_once(store: Store, run_id: str, trial: Told, status: str) -> None:
    for _ in range(2):
        mirror_trial(store, run_id, OF, trial)
    child = store.find_run(f"trial-study-{trial.number}")
    assert child is not None and child.info.status == status
    assert child.data.tags["mlflow.parentRunId"] == run_id
    assert child.data.tags.get("medgan.retry_of") == (None if trial.retry_of is None else str(trial.retry_of))
    assert child.data.params == {"gan.lr": "0.125"}
    sent = [(step, value) for step, value, _ in points(store, child.info.run_id, "validation/fid")]
    assert sent == sorted(trial.scores.items())
    assert (child.info.start_time, child.info.end_time) == (trial.began, trial.ended)
    assert child.info.run_name == f"trial {trial.number}: {'fid 2' if trial.score else trial.state.lower()}"
    assert [each.dataset.name for each in child.inputs.dataset_inputs] == ["phantom"]


def test_a_training_on_a_fresh_seed_is_a_run_beside_the_trials(store: Store, run_id: str) -> None:
    fresh = Told(0, "COMPLETE", score=2.0, fresh=("finalist 3, fresh seed 1", "study-confirmation"))
    for told in (Told(0, "COMPLETE", score=1.0), fresh, fresh):
        mirror_trial(store, run_id, replace(OF, study="confirmed"), told)
    child = store.find_run("trial-study-confirmation-0")
    assert child is not None and child.info.run_name == "finalist 3, fresh seed 1: fid 2"
    assert child.data.tags["medgan.kind"] == "fresh" and child.data.metrics["validation/fid"] == 2
    trial = store.find_run("trial-confirmed-0")
    assert trial is not None and trial.data.metrics["validation/fid"] == 1


@pytest.mark.parametrize("state", ["RUNNING", "WAITING"])
def test_a_trial_under_way_is_left_for_later(store: Store, run_id: str, state: str) -> None:
    mirror_trial(store, run_id, replace(OF, study="later"), Told(0, state))
    assert store.find_run("trial-later-0") is None


def test_one_version_a_fingerprint_with_its_signature(store: Store, run_id: str, tiny_onnx: Path) -> None:
    uris = {log_model(store, run_id, tiny_onnx, fingerprint="g1") for _ in range(2)}
    (uri,) = uris
    versions = [
        register_version(store, "tiny", uri, run_id, fingerprint="g1", tags={"fid": fid}) for fid in ("1.0", "2.0")
    ]
    assert len(store.client.search_model_versions("name = 'tiny'")) == 1
    assert versions[0].version == versions[1].version
    assert store.client.get_model_version("tiny", versions[0].version).tags["fid"] == "2.0"
    assert store.client.get_run(run_id).info.status == "FINISHED"

    signature = mlflow.models.get_model_info(f"models:/tiny/{versions[0].version}").signature
    assert [(i.name, i.type.name, i.shape) for i in signature.inputs] == [
        ("z", "float32", (-1, 8)),
        ("label", "int64", (-1,)),
    ]
    assert [(o.name, o.shape) for o in signature.outputs] == [("image", (-1, 1, 16, 16))]

    assert champion(store, "tiny") is None and champion(store, "unknown") is None
    crown(store, "tiny", versions[0].version)
    second = register_version(
        store, "tiny", log_model(store, run_id, tiny_onnx, fingerprint="g2"), run_id, fingerprint="g2", tags={}
    )
    assert second.version != versions[0].version
    for version, data in ((versions[0], "a"), (second, "a")):
        store.client.set_model_version_tag("tiny", version.version, "data_md5", data)
    assert [len(up_to(store, version, tag="data_md5")) for version in (versions[0], second)] == [1, 2]
    store.client.set_model_version_tag("tiny", second.version, "data_md5", "b")
    assert [version.version for version in up_to(store, second, tag="data_md5")] == [second.version]
    elsewhere = register_version(
        store, "huge", log_model(store, run_id, tiny_onnx, fingerprint="g3"), run_id, fingerprint="g3", tags={}
    )
    store.client.set_model_version_tag("huge", elsewhere.version, "data_md5", "b")
    assert len(up_to(store, elsewhere, tag="data_md5")) == 1
    found = up_to(store, elsewhere, tag="data_md5", every_name=True)
    assert [(version.name, version.version) for version in found] == [("tiny", second.version), ("huge", 1)]
    assert len(up_to(store, second, tag="data_md5", every_name=True)) == 1
    reigning = champion(store, "tiny")
    assert reigning is not None and reigning.version == versions[0].version
    crown(store, "tiny", second.version)
    reigning = champion(store, "tiny")
    assert reigning is not None and reigning.version == second.version
    with downloaded(reigning) as path:
        assert path is not None
        assert OnnxGenerator(path).label_names == OnnxGenerator(tiny_onnx).label_names
    assert path is not None and not path.exists()


def test_a_store_that_fails_is_not_taken_for_one_without_a_champion(
    store: Store, run_id: str, tiny_onnx: Path, root: Path
) -> None:
    uri = log_model(store, run_id, tiny_onnx, fingerprint="failing")
    crown(store, "failing", register_version(store, "failing", uri, run_id, fingerprint="failing", tags={}).version)
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        database.execute("ALTER TABLE registered_model_aliases RENAME TO elsewhere")
    try:
        with pytest.raises(MedganError, match=r"the champion of failing cannot be looked up: .*mend that"):
            champion(store, "failing")
    finally:
        with closing(sqlite3.connect(root / "mlflow.db")) as database:
            database.execute("ALTER TABLE elsewhere RENAME TO registered_model_aliases")
    found = champion(store, "failing")
    assert found is not None and int(found.version) == 1


def test_files_that_the_store_has_lost_are_put_back(
    store: Store, run_id: str, tiny_onnx: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uri = log_model(store, run_id, tiny_onnx, fingerprint="lost")
    version = register_version(store, "lost", uri, run_id, fingerprint="lost", tags={})
    with downloaded(version) as before:
        assert before is not None
        content = before.read_bytes()
    (model,) = [each for each in store.client.search_logged_models([store.experiment_id]) if each.model_uri == uri]
    shutil.rmtree(local_file_uri_to_path(model.artifact_location))
    with downloaded(version) as path:
        assert path is None and "MLflow has lost the files of lost version 1" in caplog.text
    assert log_model(store, run_id, tiny_onnx, fingerprint="lost") == uri
    assert f"{uri}; they are put back from {tiny_onnx}" in caplog.text
    with downloaded(version) as path:
        assert path is not None and path.read_bytes() == content


@pytest.mark.usefixtures("other_uri")
def test_an_experiment_that_was_deleted_is_restored(store: Store, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    deleted = store_at(root, "deleted")
    run_id = deleted.run("f1", "one", params={}, tags={})
    store.client.delete_experiment(deleted.experiment_id)
    again = store_at(root, "deleted")
    assert again.experiment_id == deleted.experiment_id and "'deleted' had been deleted" in caplog.text
    assert again.run("f1", "one", params={}, tags={}) == run_id


@pytest.mark.usefixtures("other_uri")
def test_a_copied_store_writes_beside_itself(  # noqa: PLR0917 (fixtures)
    store: Store, run_id: str, root: Path, tmp_path: Path, tiny_onnx: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = store.client.create_experiment("elsewhere", artifact_location=(tmp_path / "other").as_uri())
    uri = log_model(store, run_id, tiny_onnx, fingerprint="m1")
    crown(store, "copied", register_version(store, "copied", uri, run_id, fingerprint="m1", tags={}).version)
    copy, before = tmp_path / "copy ? #", sorted(root.rglob("*"))
    shutil.copytree(root, copy)
    copied = store_at(copy, "phantom")
    assert "was copied or moved" in caplog.text
    assert copied.client.get_experiment(elsewhere).artifact_location == (tmp_path / "other").as_uri()
    second = copied.run("second", "two", params={}, tags={})
    for each in (run_id, second):
        copied.client.log_text(each, "text", "note.txt")
    log_model(copied, second, tiny_onnx, fingerprint="m2")
    assert len(list((copy / "mlartifacts").rglob("note.txt"))) == 2
    reigning = champion(copied, "copied")
    assert reigning is not None
    with closing(sqlite3.connect(copy / "mlflow.db")) as database:
        assert str(root) not in "\n".join(database.iterdump()).replace(copy.as_uri(), "")
    with downloaded(reigning) as path:
        assert path is not None
    assert sorted(path for path in root.rglob("*") if path.name != ".mlflow.db.lock") == [
        path for path in before if path.name != ".mlflow.db.lock"
    ]
    caplog.clear()
    store_at(copy, "phantom")
    assert "was copied" not in caplog.text


@pytest.mark.usefixtures("other_uri")
@pytest.mark.parametrize(
    ("uri", "says"),
    [
        (
            "postgresql+psycopg://me:secret@db.test/mlflow",
            r"\*\*\*@db.test/mlflow cannot be reached: .*install psycopg",
        ),
        ("nonsense://me:secret@db.test/mlflow", r"\*\*\*@db.test/mlflow cannot be reached"),
        ("sqlite:///{root}/damaged.db", "not a database.*move it away"),
    ],
)
def test_a_store_that_can_never_be_opened_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, says: str
) -> None:
    (tmp_path / "damaged.db").write_bytes(b"of something else" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(root=tmp_path))
    with pytest.raises(MedganError, match=says) as caught:
        opening.check_store(tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("other_uri")
def test_a_server_that_may_be_away_is_not_asked_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    opening.check_store(tmp_path)


def test_a_version_whose_answer_was_lost_is_there_once(
    store: Store, run_id: str, tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, uri = models.mlflow.register_model, log_model(store, run_id, tiny_onnx, fingerprint="v1")

    def twice(*arguments: Any, **named: Any) -> Any:
        once(*arguments, **named)
        return once(*arguments, **named)

    monkeypatch.setattr(models.mlflow, "register_model", twice)
    made = register_version(store, "twice", uri, run_id, fingerprint="v1", tags={})
    assert [v.version for v in store.client.search_model_versions("name = 'twice'")] == [made.version]
    assert int(made.version) == 1


def test_a_model_whose_upload_was_killed_is_logged_again(store: Store, run_id: str, tiny_onnx: Path) -> None:
    pending = store.client.create_logged_model(
        store.experiment_id, name="generator", source_run_id=run_id, tags={runs.FINGERPRINT: "g3"}
    )
    uri = log_model(store, run_id, tiny_onnx, fingerprint="g3")
    assert uri != pending.model_uri
    assert log_model(store, run_id, tiny_onnx, fingerprint="g3") == uri


OPENING = """
import sys, time
from pathlib import Path
from medgan.tracking.opening import store_at
begin = Path(sys.argv[1]) / "begin"
print("ready", flush=True)
while not begin.exists():
    time.sleep(0.001)
print(store_at(Path(sys.argv[1]), "phantom").experiment_id)
"""


@pytest.mark.slow
def test_four_processes_may_open_one_new_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    command = [sys.executable, "-c", OPENING, str(tmp_path)]
    processes = [subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    (tmp_path / "begin").touch()
    ended = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, ended
    assert len({out for out, _ in ended}) == 1 and (tmp_path / "mlflow.db").exists()


@pytest.mark.slow
def test_a_database_whose_making_was_killed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "begin").touch()
    process = subprocess.Popen([sys.executable, "-c", OPENING, str(tmp_path)], stdout=subprocess.PIPE)
    while not (begun := list(tmp_path.glob(".mlflow.db.*.new*"))) and process.poll() is None:
        time.sleep(0.01)
    assert begun
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert store_at(tmp_path, "phantom").find_run("f1") is None
    assert not list(tmp_path.glob(".mlflow.db.*.new*"))


def test_a_damaged_database_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{tmp_path / 'damaged.db'}"
    (tmp_path / "damaged.db").write_bytes(b"of something else" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for opened in (lambda: store_at(tmp_path, "phantom"), lambda: opening.experiment_count(uri)):
        with pytest.raises(MedganError, match=r"damaged.db cannot be reached: .*not a database; .*move it away"):
            opened()


def test_the_store_is_beside_the_code_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path.resolve() / 'mlflow.db'}"
    for given, wanted in (
        ("http://example.test:5000", "http://example.test:5000"),
        ("sqlite:///own.db", f"sqlite:///{tmp_path.resolve()}/own.db"),
        ("sqlite:///sub/own.db?timeout=9", f"sqlite:///{tmp_path.resolve()}/sub/own.db?timeout=9"),
        ("sqlite:////there/own.db", "sqlite:////there/own.db"),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
        assert tracking_uri(tmp_path) == wanted


def test_only_what_is_new_is_sent(store: Store, tmp_path: Path) -> None:
    asked: list[list[int]] = []

    class Listening(Store):
        def log_rows(self, run_id: str, rows: Sequence[Mapping[str, float]]) -> None:
            asked.append([int(row["step"]) for row in rows])
            super().log_rows(run_id, rows)

    listening = Listening(store.client, store.experiment_id)
    run_id = store.run("recorded", "recorded", params={}, tags={})
    recorder = Recorder(lambda: (listening, run_id), "fid")
    for count in (1, 2, 3):
        recorder(ROWS[:count], tmp_path)
        recorder._sender._thread.join()
    assert asked == [[1], [2], [3]]
    recorder.complete(ROWS, tmp_path)
    assert asked[-1] == [1, 2, 3] and store.client.get_run(run_id).info.status == "FINISHED"


def slowed(store: Store) -> tuple[Store, threading.Event, threading.Event]:
    """The store, but rows set the first event and then wait for the second."""
    busy, free = threading.Event(), threading.Event()

    class Slow(Store):
        def log_rows(self, run_id: str, rows: Sequence[Mapping[str, float]]) -> None:
            busy.set()
            free.wait(10)
            super().log_rows(run_id, rows)

    return Slow(store.client, store.experiment_id), busy, free


def test_a_failure_is_told_with_all_that_a_checkpoint_covers(store: Store, run_id: str, tmp_path: Path) -> None:
    """Also what came while the last call was under way, and was skipped."""
    slow, busy, free = slowed(store)
    recorder = Recorder(lambda: (slow, run_id), "fid")
    recorder(ROWS[:1], tmp_path)
    busy.wait(10)
    recorder(ROWS, tmp_path)
    free.set()
    recorder.fail("step 4: loss/generator is not finite")
    run = store.client.get_run(run_id)
    assert (run.info.status, run.data.tags[FAILURE]) == ("FAILED", "step 4: loss/generator is not finite")
    assert [step for step, _, _ in points(store, run_id, "training/loss")] == [1, 2, 3]


@pytest.mark.slow
def test_a_search_whose_server_is_away_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.chdir(tmp_path)
    trials = [Told(number, "COMPLETE", score=1.0) for number in range(3)]
    mirror = SearchMirror(Path.cwd(), OF, {})
    for trial in trials:
        mirror([trial], "RUNNING")
    assert "could not be reached" not in caplog.text  # who waits for a server says that it is away
    mirror(trials, "FINISHED")
    assert "cannot be reached" in (said := caplog.text)
    assert "`dvc repro -s -f search` sends its trials later" in said
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'later.db'}")
    SearchMirror(Path.cwd(), OF, {})(trials, "FINISHED")
    later = store_at(tmp_path, OF.data)
    assert sorted(run.info.status for run in later.client.search_runs([later.experiment_id])) == ["FINISHED"] * 4


def test_a_trial_that_found_the_thread_busy_goes_with_the_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, busy, free = slowed(store)
    monkeypatch.setattr("medgan.tracking.trials.store_at", lambda root, name: slow)
    mirror = SearchMirror(Path.cwd(), replace(OF, study="busy"), {})
    mirror([Told(0, "COMPLETE", score=1.0)], "RUNNING")
    busy.wait(10)
    mirror([Told(1, "COMPLETE", score=1.0)], "RUNNING")
    free.set()
    mirror([], "FINISHED")
    assert all(store.find_run(f"trial-busy-{number}") is not None for number in range(2))


def test_a_server_that_never_answers_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes requests, and that is all."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        asked: list[int] = []

        def opened() -> tuple[Store, str]:
            asked.append(1)
            return store_at(tmp_path, "silent"), "0"

        recorder = Recorder(opened, "fid")
        recorder(ROWS, tmp_path)
        recorder.complete(ROWS, tmp_path)
        assert len(asked) == 1
        recorder(ROWS, tmp_path)
        recorder.fail("no later stage would say it")
        assert len(asked) == 3
    said = caplog.text
    assert "Read timed out" in said and "a later stage makes and completes the run" in said


def test_an_error_of_our_own_is_not_taken_for_a_server_that_is_away(tmp_path: Path) -> None:
    recorder = Recorder(lambda: {}["a mistake"], "fid")  # type: ignore[misc, index]
    with pytest.raises(KeyError, match="a mistake"):
        recorder.complete(ROWS, tmp_path)


@pytest.mark.slow
def test_a_server_that_is_away_for_a_whole_training_costs_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody listens; the training does not notice; then a real server is there, and the run is made and completed."""
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")

    rows_given, waited_for = threading.Event(), list[bool]()

    def opened() -> tuple[Store, str]:
        waited_for.append(not rows_given.wait(30))
        away = store_at(tmp_path, "phantom")
        return away, away.run("away", "away", params={"gan.lr": 0.1}, tags={})

    recorder = Recorder(opened, "fid")
    for count in (1, 2, 3):
        recorder(ROWS[:count], tmp_path)
    rows_given.set()
    recorder.complete(ROWS, tmp_path)
    assert waited_for and not any(waited_for), "the training waited for the server"
    said = caplog.text
    assert f"http://127.0.0.1:{port} cannot be reached" in said and "a later stage makes and completes the run" in said
    with served(tmp_path, port):
        recorder.complete(ROWS, tmp_path)
        recorder.complete(ROWS, tmp_path)
        store, run_id = opened()
        for key in {key for row in ROWS for key in row} - {"step", "time"}:
            sent = [(step, value) for step, value, _ in points(store, run_id, f"training/{key}")]
            assert sent == [(row["step"], row[key]) for row in ROWS if key in row]
        assert store.client.get_run(run_id).info.status == "FINISHED"
        assert len(store.client.search_runs([store.experiment_id])) == 1
