"""Where the MLflow store is, how it is made and opened, and the sentence where that fails."""

import logging
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from medgan.databases import redacted, sqlite_path, sqlite_url
from medgan.errors import MedganError
from medgan.locks import waiting_for
from medgan.tracking import tracking_uri
from medgan.tracking.moving import adopt, artifact_root, place_experiments
from medgan.tracking.runs import Store

_LOG = logging.getLogger(__name__)
# What a server that does not answer raises, or a database that is locked, damaged, full or without its driver.
STORE_ERRORS = (MedganError, MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ModuleNotFoundError)

# Of modules that SQLAlchemy asks for, where the package that brings them is called otherwise.
_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}


def store_at(root: Path, experiment: str) -> Store:
    """The store of this repository: MLFLOW_TRACKING_URI, or mlflow.db under `root`; SQLite has mlartifacts/ beside it.

    MLFLOW_EXPERIMENT_NAME, where it is set, is the experiment; one that was deleted is restored.
    Raises MedganError for a store that does not answer.
    """
    uri, experiment = tracking_uri(root), os.environ.get("MLFLOW_EXPERIMENT_NAME") or experiment
    mlflow.set_tracking_uri(uri)
    database = sqlite_path(uri)
    with _opened(uri) as client:
        known = client.get_experiment_by_name(experiment)
        if known is None:
            artifacts = artifact_root(database) if database else None
            return Store(client, client.create_experiment(experiment, artifact_location=artifacts))
        if known.lifecycle_stage == LifecycleStage.DELETED:
            client.restore_experiment(known.experiment_id)
            _LOG.warning("the experiment '%s' had been deleted from MLflow; it is restored, with its runs", experiment)
    return Store(client, known.experiment_id)


@contextmanager
def opened_store(root: Path, experiment: str) -> Iterator[Store]:
    """The store as `store_at` gives it; what it refuses later on, such as on a full disk, is a MedganError too."""
    store = store_at(root, experiment)
    try:
        yield store
    except (MlflowException, SQLAlchemyError, sqlite3.Error) as error:
        raise _unreachable(tracking_uri(root), error) from None


def check_store(root: Path) -> None:
    """Raise MedganError for a store that can never be opened as it is, before any work. No server is asked."""
    uri = tracking_uri(root)
    if database := sqlite_path(uri):
        if database.exists():
            prepare_store(uri)
        return
    with _as_sentence(uri):
        if uri.partition("://")[0].partition("+")[0] in DATABASE_ENGINES:
            create_engine(uri)  # needs the driver, and connects to nothing
        else:
            MlflowClient(uri)


def prepare_store(uri: str) -> None:
    """A SQLite store is made where it is missing, and taken over where it was copied. Raises as `store_at` does."""
    with _opened(uri):
        pass


def experiment_id(uri: str, name: str) -> str | None:
    """The id of a data set's experiment, None where it has none yet.

    Raises MedganError for a store that does not answer.
    """
    if (database := sqlite_path(uri)) and not database.exists():
        return None
    with _as_sentence(uri):
        known = MlflowClient(uri).get_experiment_by_name(os.environ.get("MLFLOW_EXPERIMENT_NAME") or name)
    return None if known is None else str(known.experiment_id)


def experiment_count(uri: str) -> int:
    """0 where the database is not made yet. Raises MedganError for a store that does not answer."""
    if (database := sqlite_path(uri)) and not database.exists():
        return 0
    with _as_sentence(uri):
        return len(MlflowClient(uri).search_experiments())


@contextmanager
def _opened(uri: str) -> Iterator[MlflowClient]:
    """Open a store, with its tables made; one process at a time where it is a file, since each would make them."""
    database = sqlite_path(uri)
    with _as_sentence(uri):
        if database is None:
            yield MlflowClient(uri)
            return
        with waiting_for(database.with_name(f".{database.name}.lock")):
            _make_tables(database)
            client = MlflowClient(uri)
            if artifacts := adopt(database):
                _LOG.warning("%s was copied or moved: its artifacts are now those in %s", database, artifacts)
            yield client


@contextmanager
def _as_sentence(uri: str) -> Iterator[None]:
    """Every error of a store as a MedganError that names it, without its password."""
    try:
        yield
    except STORE_ERRORS as error:
        raise _unreachable(uri, error) from None


def _make_tables(database: Path) -> None:
    """Aside, which takes MLflow seconds: a database whose making was broken off could never be opened again."""
    if database.exists():
        return
    for left in database.parent.glob(f".{database.name}.*.new*"):
        left.unlink()
    # Another name each time, since MLflow keeps what it has opened by its name.
    aside = database.with_name(f".{database.name}.{uuid4().hex[:8]}.new")
    MlflowClient(sqlite_url(aside))
    place_experiments(aside, artifact_root(database))
    aside.replace(database)


def _unreachable(uri: str, error: Exception) -> MedganError:
    lines = " ".join(str(error).split()).partition(" [SQL")[0].partition(" (Background")[0]
    message = redacted(lines)[:400] or type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        package = _DRIVERS.get(error.name or "", error.name)
        remedy = f"install {package} for {sys.executable}, or unset MLFLOW_TRACKING_URI, and run again"
    elif sqlite_path(uri) is None:
        remedy = "start the server, or unset MLFLOW_TRACKING_URI, and run again"
    elif "not a database" in message or "malformed" in message:
        remedy = "it is damaged: move it away, and a new one is made"
    else:
        remedy = "mend that, and run again"
    return MedganError(f"{redacted(uri)} cannot be reached: {message}; {remedy}")
