"""Where raw files' names go: a list beside them; and the key of patients' pseudonyms, outside every repository."""

import os
import re
import secrets
from pathlib import Path

from medgan.errors import MedganError
from medgan.sources.names import Naming
from medgan.workspace.kept import KEPT
from medgan.workspace.places import repository

KEY = "MEDGAN_KEY"  # environment variable: the path of another file with a key
_LEAST = 32  # bytes
_LIST = re.compile(r"[0-9a-f]{16}\.csv")


def naming(raw: Path, fingerprint: str) -> Naming:
    """How patients and files of `raw` are named once prepared under this fingerprint."""
    return Naming(patients_key, listing(raw, fingerprint))


def listing(raw: Path, fingerprint: str) -> Path:
    """The list of the files of `raw`, prepared under this fingerprint.

    It lies beside them, or in data/raw where nothing can be written there. The newest ones stay, as prepared data do.
    """
    beside = raw.absolute().with_name(f"{raw.absolute().name}.files")
    writable = os.access(beside if beside.exists() else beside.parent, os.W_OK)
    folder = beside if writable else repository() / "data" / "raw" / beside.name
    found = folder / f"{fingerprint[:16]}.csv"
    if found.exists():
        os.utime(found)
    lists = (path for path in folder.glob("*.csv") if _LIST.fullmatch(path.name))  # others are not ours to remove
    others = sorted((path for path in lists if path != found), key=lambda path: path.stat().st_mtime)
    for path in others[: -KEPT + 1]:
        path.unlink()
    return found.relative_to(Path.cwd()) if found.is_relative_to(Path.cwd()) else found


def patients_key() -> bytes:
    """Of this user, made when it is first needed."""
    own = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config") / "medgan" / "patients.key"
    path = Path(os.environ.get(KEY) or own).expanduser().absolute()
    if path.resolve().is_relative_to(repository()):
        raise MedganError(f"{KEY}: {path} is in this repository; keep the key of patients' names somewhere else")
    if not path.exists():
        _make(path)
    key = path.read_bytes().strip()
    if len(key) < _LEAST:
        raise MedganError(f"{path} holds {len(key)} bytes, and a key has {_LEAST} or more; remove it to get a new one")
    return key


def _make(path: Path) -> None:
    """Whole or not at all, and never over another one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{secrets.token_hex()}\n")
        os.link(aside, path)
    except FileExistsError:
        pass  # another process was first
    finally:
        aside.unlink(missing_ok=True)
