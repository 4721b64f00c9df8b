"""Several processes on one study in a real PostgreSQL, which is killed, cut off and asked for with a password."""

import gc
import json
import os
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import optuna
import pytest
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState
from sqlalchemy import NullPool, create_engine, text

from benchmarks.outage import free_port
from benchmarks.postgresql import Server, installed, server
from benchmarks.search_kills import Plan, survive
from benchmarks.search_worker import ABOUT, SPACE, STUDY, command, tell
from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.search.history import WORKER
from medgan.search.session import Search, join_search
from medgan.search.storage import Storage, open_storage, whole_url, with_password
from medgan.search.study import Sweeper, ask, open_study
from medgan.workspace.serving import dashboard_page, serving

pytestmark = [
    pytest.mark.skipif(installed() is None, reason="PostgreSQL is not installed (Debian's package: postgresql)"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed:UserWarning"),  # trials taken by hand
    # MLflow's own use of SQLAlchemy, in every query for runs.
    pytest.mark.filterwarnings("ignore:The ..noload.. loader strategy:DeprecationWarning"),
    # pg8000 leaves the socket of a connection open that the server has broken.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    with server() as served:
        yield served


@pytest.fixture(autouse=True)
def password(database: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in database.environment.items():
        monkeypatch.setenv(name, value)
    yield
    gc.collect()  # sockets that pg8000 has left open are complained of here, where that is expected


@pytest.fixture
def opened(database: Server) -> Iterator[Callable[[int], Storage]]:
    """Opens the database of studies, with so many seconds of grace."""
    storages: list[Storage] = []

    def opened(grace: int) -> Storage:
        storages.append(open_storage(database.url, grace))
        return storages[-1]

    yield opened
    for storage in storages:
        storage.close()


def test_under_kills_as_many_trials_end_as_were_wanted(database: Server, tmp_path: Path) -> None:
    plan = Plan(wanted=8, kills=4, workers=3, seconds=1.5, apart=(0.5, 2.0), finalists=0)
    found = survive(tmp_path, database, plan)
    assert found.complete + found.pruned == found.wanted == 8
    assert (found.running, found.waiting, found.twice) == (0, 0, 0)
    assert found.repeated == found.suggested > 0
    assert found.runs >= 8 and (found.missing, found.doubled, found.parents) == (0, 0, 1)
    assert json.loads((tmp_path / "outcome.json").read_text())["best"]


def test_a_database_that_goes_away_is_waited_for(
    database: Server, opened: Callable[[int], Storage], caplog: pytest.LogCaptureFixture
) -> None:
    study = open_study("away", opened(60))
    trial = study.ask()
    database.stop()
    threading.Timer(1.0, database.start).start()
    study.tell(trial, 1.0)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]
    assert caplog.messages == ["the database of the search does not answer; it is asked again"]


def test_nobody_is_dead_because_the_database_was_away(database: Server, opened: Callable[[int], Storage]) -> None:
    storage = opened(1)
    study = open_study("alive", storage)
    trial = study.ask()
    storage.beat("alive", trial.number)
    trial.set_user_attr(WORKER, "there-1")
    sweeper = Sweeper(study, storage, grace=1)
    database.stop()
    threading.Timer(1.5, database.start).start()
    assert [trial.state for trial in sweeper()] == [TrialState.RUNNING]
    assert [trial.state for trial in sweeper()] == [TrialState.RUNNING]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)  # as Optuna does before each trial
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING]
    threading.Event().wait(1.2)  # and no sign of life since
    assert [trial.state for trial in sweeper()] == [TrialState.FAIL, TrialState.WAITING]


def test_one_that_stays_away_is_a_sentence(
    database: Server, config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("medgan.search.storage.PATIENCE", 0.5)
    search = Search(lambda *_: 0.0, config, ImageSpec(16, 1, classes=3), "s", tmp_path, ABOUT)
    with pytest.raises(
        MedganError, match=r"^postgresql\+pg8000://medgan@127\.0\.0\.1:1/medgan: .*same command goes on$"
    ):
        join_search(search, "postgresql+pg8000://medgan@127.0.0.1:1/medgan", patience=0)


def test_a_trial_whose_worker_gives_no_sign_of_life_is_tried_again(opened: Callable[[int], Storage]) -> None:
    storage = opened(1)
    study = open_study("silent", storage)
    trial = study.ask()  # killed before its first sign
    sweeper = Sweeper(study, storage, grace=1)
    assert [trial.state for trial in sweeper()] == [TrialState.RUNNING]
    threading.Event().wait(1.2)
    failed, again = sweeper()
    assert (failed.state, again.state) == (TrialState.FAIL, TrialState.WAITING)
    assert again.user_attrs["retry_of"] == trial.number == 0


def test_a_worker_does_as_much_as_the_search_asks_for(
    database: Server, config: Config, tmp_path: Path, opened: Callable[[int], Storage]
) -> None:
    """Not as its own params.yaml says, which may be an older one."""
    about = {"name": "asked", "data": "aaaa"}
    asked = config.override({"search.trials": 3, "search.finalists": 0, "search.grace": 30}).search
    ask(open_study("asked", opened(30), about, asked), asked)
    own = config.override({"search.trials": 5, "search.finalists": 1, "search.grace": 60})
    search = Search(lambda *_: 1.0, own, ImageSpec(16, 1, classes=3), "asked", tmp_path, about)
    assert join_search(search, database.url, patience=0) == 3


def test_a_worker_waits_for_a_search_that_is_made_larger(
    database: Server, config: Config, tmp_path: Path, opened: Callable[[int], Storage]
) -> None:
    """It began when the smaller one had ended, or while it did the last of it."""
    about, storage = {"name": "larger", "data": "aaaa"}, opened(30)
    small = config.override({"search.trials": 2, "search.finalists": 0, "search.grace": 30})
    study = open_study("larger", storage, about, small.search)
    first = threading.Timer(1, ask, (study, small.search))  # until then it is there, and has not begun
    first.start()
    large = small.override({"search.trials": 4})
    more = threading.Timer(5, ask, (study, large.search))
    more.start()
    search = Search(lambda *_: 1.0, large, ImageSpec(16, 1, classes=3), "larger", tmp_path, about)
    assert join_search(search, database.url, patience=60) == 4
    first.join()
    more.join()


def test_a_database_that_wants_a_password_says_so(database: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in database.environment:
        monkeypatch.setenv(name, "")
    with pytest.raises(MedganError, match="asks for a password; set MEDGAN_SEARCH_PASSWORD, or"):
        open_storage(database.url, 60)
    monkeypatch.setenv("MEDGAN_SEARCH_PASSWORD", "wrong")
    with pytest.raises(MedganError, match=r'medgan: password authentication failed for user "medgan"; mend it'):
        open_storage(database.url, 60)


def test_a_worker_of_another_search_is_refused_with_both_values(
    database: Server, config: Config, tmp_path: Path, opened: Callable[[int], Storage]
) -> None:
    open_study("theirs", opened(60), {"name": "phantom", "data": "aaaa", "code": "1"})
    about = {"name": "phantom", "data": "bbbb", "code": "1"}
    search = Search(lambda *_: 0.0, config, ImageSpec(16, 1, classes=3), "ours", tmp_path, about)
    with pytest.raises(MedganError, match=r"the search on phantom is another one: data aaaa there, bbbb here$"):
        join_search(search, database.url, patience=0)
    nobody = Search(search.objective, config, search.spec, "ours", tmp_path, {**about, "name": "nothing"})
    with pytest.raises(MedganError, match="no search on nothing has begun there"):
        join_search(nobody, database.url, patience=0)


def test_sqlite_serves_one_process(config: Config, tmp_path: Path) -> None:
    search = Search(lambda *_: 0.0, config, ImageSpec(16, 1, classes=3), "s", tmp_path, ABOUT)
    with pytest.raises(MedganError, match="sqlite serves one process"):
        join_search(search, f"sqlite:///{tmp_path / 'optuna.db'}", patience=0)


def test_a_database_that_mlflow_has_is_refused(database: Server) -> None:
    url = database.url.removesuffix("medgan") + "mlflow"
    engine = create_engine(with_password(url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('of mlflow')"))
    with pytest.raises(MedganError, match="give the search a database of its own"):
        open_storage(url, 60)


def test_a_password_in_params_is_refused_and_one_from_a_file_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MedganError) as refused:
        with_password("postgresql+pg8000://medgan:planted-secret@host/medgan")
    assert "planted-secret" not in str(refused.value) and "MEDGAN_SEARCH_PASSWORD" in str(refused.value)
    monkeypatch.delenv("MEDGAN_SEARCH_PASSWORD")
    (tmp_path / "secret").write_text("p@ss/word\n")
    monkeypatch.setenv("MEDGAN_SEARCH_PASSWORD_FILE", str(tmp_path / "secret"))
    assert with_password("postgresql+pg8000://medgan@host/medgan") == (
        "postgresql+pg8000://medgan:p%40ss%2Fword@host/medgan"
    )


def test_the_dashboard_shows_studies_of_the_database(database: Server, opened: Callable[[int], Storage]) -> None:
    open_study("a study to be seen", opened(60))
    page = dashboard_page(whole_url(database.url), free_port())
    assert page is not None and not any(database.password in part for part in page.command)
    with serving([page]), urlopen(f"http://127.0.0.1:{page.port}/api/studies", timeout=20) as answer:
        assert b"a study to be seen" in answer.read()
    with pytest.raises(MedganError, match=r"^postgresql\+pg8000://medgan@127\.0\.0\.1:1/medgan: "):
        whole_url("postgresql+pg8000://medgan@127.0.0.1:1/medgan")


def test_the_password_is_nowhere(database: Server, config: Config, tmp_path: Path) -> None:
    """Neither in what is written nor in what is printed; with a wrong one neither."""
    changed = config.override({"search.trials": 2, "search.finalists": 0, "search.space": SPACE})
    printed = b""
    for folder, secret in (("right", database.password), ("wrong", "planted-wrong")):
        tell(tmp_path / folder, changed, database.url, seconds=0.1)
        environment = {**os.environ, "MEDGAN_SEARCH_PASSWORD": secret}
        asked = command("make", tmp_path / folder)
        result = subprocess.run(asked, check=False, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert result.returncode == (0 if folder == "right" else 2), result.stdout.decode()
        printed += result.stdout
    assert STUDY.encode() not in printed and b"password authentication failed" in printed
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"medgan@127.0.0.1" in everything  # the URL without it
    for secret in (database.password, "planted-wrong"):
        assert secret.encode() not in printed + everything
