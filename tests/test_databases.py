"""Databases by URL: any path and back, and no password shown."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from medgan.databases import anchored, redacted, sqlite_path, sqlite_url


@pytest.mark.parametrize("name", ["plain", "a b", "a%41", "a#c", "a?c", "ü", "a&b=c+d@e:f"])
def test_a_sqlite_file_under_any_path(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "my.db"
    path.parent.mkdir()
    url = sqlite_url(path)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE made (number INTEGER)"))
    engine.dispose()
    assert path.exists() and sqlite_path(url) == path and redacted(url) == url
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_what_is_no_sqlite_file() -> None:
    for url in ("http://localhost:5000", "postgresql://host/mlflow", "sqlite://", "sqlite:///:memory:", "mlruns"):
        assert sqlite_path(url) is None and anchored(url, Path("/there")) == url


def test_a_relative_file_is_anchored() -> None:
    assert anchored("sqlite:///my.db?timeout=3", Path("/there")) == "sqlite:////there/my.db?timeout=3"
    assert anchored("sqlite:///my.db", Path("/a?b")) == "sqlite+pysqlite:////a%3Fb/my.db"
    assert anchored("sqlite:////own/my.db", Path("/there")) == "sqlite:////own/my.db"


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("mysql+pymysql://me:sec/r@et@host:3306/db", "mysql+pymysql://me:***@host:3306/db"),
        ("no answer from https://me:secret@host:5000/api now", "no answer from https://me:***@host:5000/api now"),
        ("postgresql://host/db?user=me&password=secret&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("http://host:5000/api", "http://host:5000/api"),
        ("mail me@host:5", "mail me@host:5"),
    ],
)
def test_no_password_is_shown(shown: str, wanted: str) -> None:
    assert redacted(shown) == wanted
