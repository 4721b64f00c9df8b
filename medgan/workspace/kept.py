"""Results of stages, found again by fingerprint: DVC removes the outputs of a stage before it runs it again."""

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from medgan.files import merging, remove, replacing
from medgan.fingerprint import file_digest
from medgan.workspace.places import results

KEPT = 3  # of each stage, the newest
_DIGESTS = ".digests.json"
_LOG = logging.getLogger(__name__)


def kept(stage: str, key: str, out: Path, make: Callable[[Path], object], *, shared: bool = False) -> bool:
    """Make the folder `out` what `make` writes, or wrote the last time under this key; returns whether it was found.

    make: is given a path where nothing is. Until all is there, `out` stays as it was. shared: other stages write into
    `out` too, and what they wrote stays there.
    """
    folder = results() / stage / key
    with (merging if shared else replacing)(out) as aside:
        found = _restore(folder, aside)
        if not found:
            make(aside)
            keep(aside, folder)
    if found:
        _LOG.info(f"{stage}: found what it made of the same data, parameters and code")
        os.utime(folder)
    older = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT] if folder.exists() else []
    for path in older:
        remove(path)
    return found


def keep(made: Path, folder: Path) -> None:
    """Keep a result in `results()`/STAGE/KEY, where `kept` finds it.

    Without it the next run works as long as this one, so a full disk is no error.
    """
    try:
        with replacing(folder) as aside:
            _link(made, aside)
            digests = {name.as_posix(): file_digest(made / name) for name in _files(made)}
            (aside / _DIGESTS).write_text(json.dumps(digests))
    except OSError as error:
        _LOG.info(f"{folder} could not be kept ({error.strerror or error}); the stage works anew the next time")


def _restore(folder: Path, out: Path) -> bool:
    """Bring back a result; False where nothing is kept, or not as it was."""
    try:
        digests = json.loads((folder / _DIGESTS).read_text())
        _link(folder, out)
        (out / _DIGESTS).unlink()
        whole = digests == {name.as_posix(): file_digest(out / name) for name in _files(out)}
    except (OSError, ValueError):
        whole = False
    if not whole:
        remove(out)
    return bool(whole)


def _link(origin: Path, target: Path) -> None:
    """Give the same files another name: they take no room twice, where the file system has links."""

    def linked(source: str, link: str) -> None:
        try:
            os.link(source, link)
        except OSError:
            shutil.copy2(source, link)

    shutil.copytree(origin, target, copy_function=linked)


def _files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
