"""Who and what raw files name: listed beside them, while prepared data hold numbers and keyed hashes alone."""

import csv
import hashlib
import hmac
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medgan.data.spec import Rejected
from medgan.files import replacing
from medgan.sources.rejections import write_csv

# used: row of index.csv, from 0. rejected: row of rejected.csv, from 0.
_COLUMNS = ("used", "rejected", "file", "patient", "pseudonym", "reason")


@dataclass(frozen=True)
class Naming:
    """key: gives the secret of pseudonyms: only with it can be told whom one means. listing: where is said which file
    each number is; None: nowhere.
    """

    key: Callable[[], bytes]
    listing: Path | None = None


def pseudonym(patient: str, key: bytes) -> str:
    """The keyed hash (HMAC-SHA256, RFC 2104) of a patient, 16 hex digits of it."""
    return hmac.new(key, patient.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:16]


def write_names(
    path: Path, used: Iterable[tuple[str, str]], rejected: Iterable[Rejected], *, pseudonyms: Sequence[str] = ()
) -> None:
    """List files, for whoever may see them. used: file and patient of each image that is."""
    rows = [(str(i), "", file, patient, pseudonyms[i], "") for i, (file, patient) in enumerate(used)]
    rows += [("", str(i), item.origin, "", "", item.reason) for i, item in enumerate(rejected)]
    with _unnoticed_by_git(path) as aside:
        write_csv(aside, _COLUMNS, rows)


def copy_names(origin: Path, target: Path) -> None:
    """List the same files elsewhere."""
    with _unnoticed_by_git(target) as aside:
        shutil.copyfile(origin, aside)


def read_rejected_names(path: Path) -> list[Rejected]:
    """What `write_names` listed as rejected. Raises ValueError where another program has changed the list."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [Rejected(row["file"], row["reason"]) for row in csv.DictReader(file) if row["rejected"]]
    except (KeyError, UnicodeDecodeError, csv.Error):
        raise ValueError(f"{path} is no list of names") from None


@contextmanager
def _unnoticed_by_git(path: Path) -> Iterator[Path]:
    """As `replacing`, in a folder that nobody commits by accident, wherever raw files lie."""
    with replacing(path) as aside:
        (path.parent / ".gitignore").write_text("*\n")
        yield aside
