"""Databases by URL: SQLite files under paths of any characters, and passwords that nobody is shown."""

import re
from pathlib import Path
from urllib.parse import unquote

_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?]*)(?P<query>\?.*)?", re.DOTALL)
# Greedy, since a password may hold an @ or a slash that should have been quoted.
_PASSWORD = re.compile(r"(\w://[^\s/:]*:)\S*(?=@)")
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


def anchored(url: str, root: Path) -> str:
    """A relative SQLite file as one under `root`; other URLs as they are."""
    path, match = sqlite_path(url), _SQLITE.fullmatch(url)
    if path is None or match is None or path.is_absolute():
        return url
    return sqlite_url(root / path) + (match["query"] or "")


def redacted(text: str) -> str:
    """A URL, or a text with URLs in it, whose passwords are ***."""
    return _QUERY.sub(r"\1***", _PASSWORD.sub(r"\1***", text))
