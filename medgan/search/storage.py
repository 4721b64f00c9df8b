"""The database of studies: SQLite for one process, PostgreSQL for workers on many machines."""

import functools
import logging
import math
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import isfunction
from pathlib import Path
from threading import local
from typing import Any, TypeVar

from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from medgan.databases import PASSWORD, PASSWORD_FILE, SHARED_FORM, redacted, shared_address, sqlite_path
from medgan.errors import MedganError

_LOG = logging.getLogger(__name__)
PATIENCE = 300.0  # seconds for which a database that does not answer is asked again
_SHORTEST, _LONGEST = 0.2, 10.0  # seconds between two tries
_LOCK = 7236  # of PostgreSQL, while tables are made: any number that is ours
_HERE = local()
_BACK = [-math.inf]  # when a database that had been away last answered again
T = TypeVar("T")


class Storage(RDBStorage):
    """Optuna's, which asks again, at growing intervals, while the database is away."""

    @property
    def alone(self) -> bool:
        """Whether this process is the only one that may use it."""
        return sqlite_path(self.url) is not None

    def just_back(self, seconds: float) -> bool:
        """Whether it was away within these seconds: before that nobody could give a sign of life."""
        return time.monotonic() - _BACK[0] < seconds

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        """Also Optuna looks for them, before each trial."""
        return [] if self.just_back(self.grace_period or 0) else super()._get_stale_trial_ids(study_id)

    def close(self) -> None:
        """Give its connections back."""
        self.remove_session()
        self.engine.dispose()

    def beat(self, study: str, number: int) -> None:
        """Say that the process of a trial is alive; without a first sign nobody would notice that it has died."""
        if not self.alone:
            self.record_heartbeat(
                self.get_trial_id_from_study_id_trial_number(self.get_study_id_from_name(study), number)
            )


def check_shared(url: str) -> None:
    """Raise MedganError for a database that serves one process."""
    if sqlite_path(url) is not None:
        raise MedganError("search.storage: sqlite serves one process, `make repro`; workers need PostgreSQL")


def open_storage(url: str, grace: int) -> Storage:
    """Open it, made where it is missing. url: without a password. grace: seconds without a sign of life of a worker.

    Raises MedganError for a URL with a password, a driver that is missing, and a database that refuses.
    """
    # It would tell of each lost connection in thirty lines; what comes of it is said by us.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    with database_errors(url), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of heartbeats
        whole = with_password(url)
        if sqlite_path(url) is not None:
            return Storage(whole)
        return patiently(lambda: _shared(whole, grace))


def whole_url(url: str) -> str:
    """With its password, once the database has answered. Raises MedganError where it does not."""
    with database_errors(url):
        whole = with_password(url)
        if sqlite_path(url) is None:
            with create_engine(whole, poolclass=NullPool).connect() as connection:
                connection.execute(text("SELECT 1"))
        return whole


def _shared(url: str, grace: int) -> Storage:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # Two processes that make the tables at once get in each other's way.
            connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
        # A connection that has gone in between is made anew before it is used.
        settings = {"pool_pre_ping": True}
        try:
            return Storage(url, settings, heartbeat_interval=max(1, grace // 6), grace_period=grace)
        except RuntimeError as error:
            if "table schema" not in str(error):
                raise
            raise MedganError(
                f"{redacted(url)} has tables of MLflow or of another version of Optuna; give the search a database of "
                "its own on the same server"
            ) from None


def with_password(url: str) -> str:
    """Add the password from the environment, or from the file that the environment names.

    Raises MedganError for a URL with a password in it, or that may have.
    """
    if sqlite_path(url) is not None:
        return url
    try:
        parts = shared_address(url)
    except ValueError as error:
        raise MedganError(f"search.storage: {error}") from None
    return parts.set(password=_password()).render_as_string(hide_password=False)


def _password() -> str | None:
    """The one that was set. Raises MedganError for a file that cannot be read."""
    file = os.environ.get(PASSWORD_FILE)
    if (password := os.environ.get(PASSWORD)) or not file:
        return password or None
    try:
        return Path(file).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise MedganError(f"{PASSWORD_FILE} = {file} cannot be read: {why}") from None


@contextmanager
def database_errors(url: str) -> Iterator[None]:
    """Turn what a database refuses, such as on a full disk, into a MedganError."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "pg8000":
            raise MedganError(f"search.storage asks for the driver {error.name}; write {SHARED_FORM}") from None
        raise MedganError(f"{url} needs pg8000; `pip install 'medgan[postgresql]'`") from None
    except AttributeError:
        # What pg8000 makes of a server that asks for a password where there is none.
        if sqlite_path(url) is not None or _password() is not None:
            raise
        raise MedganError(f"{url} asks for a password; set {PASSWORD}, or {PASSWORD_FILE} to a file with it") from None
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        details = cause.args[0] if cause.args else None
        said = details.get("M", "") if isinstance(details, dict) else str(cause)
        message = redacted(" ".join(str(said).split()).partition(" [SQL")[0])
        raise MedganError(f"{redacted(url)}: {message}; mend it, and the same command goes on") from None


def patiently(call: Callable[[], T]) -> T:
    """Ask again while the database is away. A call within another leaves that to it.

    What was written although its answer was lost leaves at worst a trial without a sign of life, which is swept.
    """
    if getattr(_HERE, "asking", False):
        return call()
    _HERE.asking, began, pause = True, time.monotonic(), _SHORTEST
    try:
        while True:
            try:
                answer = call()
                if pause > _SHORTEST:
                    _BACK[0] = time.monotonic()
                return answer
            except Exception as error:
                if not _is_away(error) or time.monotonic() - began > PATIENCE:
                    raise
                if pause == _SHORTEST:
                    _LOG.warning("the database of the search does not answer; it is asked again")
            time.sleep(pause * random.uniform(0.5, 1))  # so that workers do not come back all at once
            pause = min(2 * pause, _LONGEST)
    finally:
        _HERE.asking = False


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def asked(self: Storage, *arguments: Any, **named: Any) -> Any:
        call = functools.partial(method, self, *arguments, **named)
        return call() if self.alone else patiently(call)

    return asked


def _is_away(error: BaseException | None) -> bool:
    """Whether it, or what it comes from, is a lost connection and not a refusal."""
    while error is not None:
        if isinstance(error, DBAPIError):
            return error.connection_invalidated or isinstance(error.orig, OSError) or _says_so(error.orig)
        if isinstance(error, OSError):
            return True
        error = error.__cause__
    return False


def _says_so(error: BaseException | None) -> bool:
    """PostgreSQL that starts, stops or lacks connections (classes 57 and 08, 53300), as pg8000 tells it."""
    details = error.args[0] if error is not None and error.args else ""
    code = str(details.get("C", "")) if isinstance(details, dict) else ""
    return code[:2] in ("57", "08") or code == "53300" or type(error).__name__ == "InterfaceError"


# All of them: Optuna's cache calls some that are not public.
for _name, _method in list(vars(RDBStorage).items()):
    if isfunction(_method) and not _name.startswith("__"):
        setattr(Storage, _name, _patient(vars(Storage).get(_name, _method)))
