"""Where the MLflow store is, how it is made and opened, and what is said where that fails."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from uuid import uuid4

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from medgan.errors import MedganError
from medgan.tracking import database_of, tracking_uri
from medgan.tracking.runs import Store

# What a server that does not answer raises, or a database that is locked or damaged.
AWAY = (MedganError, MlflowException, SQLAlchemyError, OSError)


def store_at(root: Path, experiment: str) -> Store:
    """The store of this repository: MLFLOW_TRACKING_URI, or mlflow.db under `root`; SQLite has mlartifacts/ beside it.

    MLFLOW_EXPERIMENT_NAME, where it is set, is the experiment. Raises MedganError for a store that does not answer.
    """
    uri, experiment = tracking_uri(root), os.environ.get("MLFLOW_EXPERIMENT_NAME") or experiment
    mlflow.set_tracking_uri(uri)
    database = database_of(uri)
    artifacts = (database.parent / "mlartifacts").resolve().as_uri() if database else None
    with _opened(uri) as client:
        found = client.get_experiment_by_name(experiment)
        identity = found.experiment_id if found else client.create_experiment(experiment, artifact_location=artifacts)
    return Store(client, identity)


def make_database(uri: str) -> None:
    """Where it is a SQLite file that is missing. Raises MedganError."""
    with _opened(uri):
        pass


def experiments(uri: str) -> int:
    """How many there are; 0 where the database is not made yet. Raises MedganError for a store that does not answer."""
    if (database := database_of(uri)) and not database.exists():
        return 0
    try:
        return len(MlflowClient(uri).search_experiments())
    except AWAY as error:
        raise _unreachable(uri, error) from None


@contextmanager
def _opened(uri: str) -> Iterator[MlflowClient]:
    """With the tables made, and for one process at a time where it is a file."""
    database = database_of(uri)
    try:
        with _one_at_a_time(database) if database else nullcontext():
            if database:
                _make_tables(database)
            yield MlflowClient(uri)
    except AWAY as error:
        raise _unreachable(uri, error) from None


def _make_tables(database: Path) -> None:
    """Aside, which takes MLflow seconds: a database whose making was broken off could never be opened again."""
    if database.exists():
        return
    for left in database.parent.glob(f".{database.name}.*.new*"):
        left.unlink()
    # Another name each time, since MLflow keeps what it has opened by its name.
    aside = database.with_name(f".{database.name}.{uuid4().hex[:8]}.new")
    MlflowClient(f"sqlite:///{aside}")
    aside.replace(database)


def _unreachable(uri: str, error: Exception) -> MedganError:
    said = " ".join(str(error).split()).partition(" [SQL")[0].partition(" (Background")[0][:400] or type(error).__name__
    if database_of(uri) is None:
        remedy = "start the server, or unset MLFLOW_TRACKING_URI, and run again"
    elif "not a database" in said or "malformed" in said:
        remedy = "it is damaged: move it away, and a new one is made"
    else:
        remedy = "mend that, and run again"
    return MedganError(f"{uri} cannot be reached: {said}; {remedy}")


@contextmanager
def _one_at_a_time(database: Path) -> Iterator[None]:
    """Processes that open a new database at the same moment would each try to create its tables."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f".{database.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
