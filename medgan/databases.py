"""Databases by URL: SQLite files under paths of any characters, and passwords that nobody is shown."""

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from sqlalchemy import URL

PASSWORD, PASSWORD_FILE = "MEDGAN_SEARCH_PASSWORD", "MEDGAN_SEARCH_PASSWORD_FILE"
SHARED_FORM = "postgresql+pg8000://user@host/database"

_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?]*)(?P<query>\?.*)?", re.DOTALL)
# Greedy, since a password may hold an @ or a slash that should have been quoted.
_PASSWORD = re.compile(r"(\w://[^\s/:]*:)\S*(?=@)")
_OPTIONS = {"application_name", "unix_sock"}
_HOST, _DATABASE = re.compile(r"[\w.:-]*"), re.compile(r"[\w.$-]*")  # what looks otherwise may hold a password
_QUERY = re.compile(r"([?&](?:\w*password|passwd|pwd|token)=)[^&\s]*", re.IGNORECASE)


def sqlite_url(path: Path) -> str:
    """The URL of SQLAlchemy, which unquotes it, for a SQLite file."""
    quoted = str(path).replace("%", "%25").replace("?", "%3F")
    # With the driver named MLflow does not make the folder of the path as it is quoted.
    return f"{'sqlite' if quoted == str(path) else 'sqlite+pysqlite'}:///{quoted}"


def sqlite_path(url: str) -> Path | None:
    """The file behind a URL; None for another database, a server, or one in memory."""
    match = _SQLITE.fullmatch(url)
    return None if match is None or match["path"] in ("", ":memory:") else Path(unquote(match["path"]))


def shared_address(url: str) -> "URL":
    """Read the address of a PostgreSQL database that several processes share.

    Raises ValueError for one with a password in it, which would be kept in git, in MLflow and in reports, or that may
    have: what is refused is not shown.
    """
    from sqlalchemy import make_url  # noqa: PLC0415 (it takes a while, and few share a database)
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        parts = None
    if parts is not None and parts.password is not None:
        raise ValueError(
            "it has a password in it, which would be kept in git, MLflow and reports; leave it out, change it, and set "
            f"{PASSWORD}, or {PASSWORD_FILE} to a file with it"
        )
    if (
        parts is None
        or parts.get_backend_name() != "postgresql"
        or not parts.username
        or set(parts.username) & set(":/ ")
        or not _HOST.fullmatch(parts.host or "")
        or not _DATABASE.fullmatch(parts.database or "")
        or not parts.query.keys() <= _OPTIONS
    ):
        raise ValueError(f"write sqlite, or an address such as {SHARED_FORM}")
    return parts


def anchored(url: str, root: Path) -> str:
    """A relative SQLite file as one under `root`; other URLs as they are."""
    path, match = sqlite_path(url), _SQLITE.fullmatch(url)
    if path is None or match is None or path.is_absolute():
        return url
    return sqlite_url(root / path) + (match["query"] or "")


def redacted(text: str) -> str:
    """A URL, or a text with URLs in it, whose passwords are ***."""
    return _QUERY.sub(r"\1***", _PASSWORD.sub(r"\1***", text))
