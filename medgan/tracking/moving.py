"""A SQLite store and the folder of artifacts beside it, of which MLflow writes absolute locations into the store."""

import sqlite3
from contextlib import closing
from pathlib import Path

_FOLDER = "/mlartifacts"
# Every column that holds a location of artifacts.
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def artifact_root(database: Path) -> str:
    """The URI of mlartifacts/ beside the database."""
    return f"{database.resolve().parent.as_uri()}{_FOLDER}"


def place_experiments(database: Path, folder: str) -> None:
    """Give the experiments of a new store, of which MLflow makes one in the folder where it runs, this folder."""
    with closing(sqlite3.connect(database)) as store, store:
        store.execute("UPDATE experiments SET artifact_location = ?", (folder,))


def adopt(database: Path) -> str | None:
    """Point a store that was copied or moved with its folder to the mlartifacts/ beside it.

    Otherwise the copy of a clone would write into the original's folder. Locations elsewhere than in a folder that
    `store_at` gave an experiment stay. Returns the URI of the folder, or None where nothing had to change.
    """
    folder = artifact_root(database)
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as store:
        if not _others(store, folder):
            return None
        store.execute("BEGIN IMMEDIATE")
        for old in _others(store, folder):
            for table, column in _LOCATIONS:
                store.execute(
                    f"UPDATE {table} SET {column} = :folder || substr({column}, length(:old) + 1) "
                    f"WHERE {column} = :old OR instr({column}, :old || '/') = 1",
                    {"folder": folder, "old": old},
                )
        store.execute("COMMIT")
    return folder


def _others(store: sqlite3.Connection, folder: str) -> list[str]:
    """The other folders that `store_at` gave to experiments, before the database came here."""
    query = "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE :pattern"
    return [location for (location,) in store.execute(query, {"pattern": f"file://%{_FOLDER}"}) if location != folder]
