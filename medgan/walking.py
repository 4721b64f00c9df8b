"""Which files are under a folder, links to folders followed, each folder once."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medgan.private import private

# What systems leave in folders for themselves, beside all that begins with a dot.
_LEAVINGS = frozenset({"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin"})


_Identity = tuple[int, int]  # device and inode, which all paths to a folder share


@dataclass
class Walk:
    """What is under folders, sorted. files: all that is no folder, so pipes and links to nothing too.

    links: those to folders. refused: folders that were not entered, with the reason.
    """

    files: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    refused: list[tuple[Path, str]] = field(default_factory=list)


def walk(*folders: Path, hidden: bool = False) -> Walk:
    """Go through folders, then through those that links in them lead to.

    So a folder has its own name where it has one here, whatever links to it. Nothing is gone through twice, and no
    link is followed to a folder that holds one of `folders`. hidden: with names that begin with a dot, and others that
    systems keep for themselves.
    """
    found, seen, waiting = Walk(), dict[_Identity, Path](), list(folders)
    above = {_identity(parent) for folder in folders for parent in folder.resolve().parents}
    while waiting:
        links: list[Path] = []
        for start in waiting:
            if _identity(start) in above:
                found.refused.append((start, "it is a link to a folder that holds this one"))
            else:
                links += _walk_real(start, found, seen, hidden=hidden)
        found.links += links
        waiting = sorted(links)
    return Walk(sorted(found.files), sorted(found.links), sorted(found.refused))


def passed_over(name: str) -> bool:
    """Say whether a file or folder of this name is hidden, or a system's own."""
    return name.startswith(".") or name.lower() in _LEAVINGS


def _walk_real(start: Path, found: Walk, seen: dict[_Identity, Path], *, hidden: bool) -> Iterator[Path]:
    """Yield the links to folders that are under `start`, which are not followed."""
    waiting = [start]  # no recursion: folders may lie deeper than Python's stack
    while waiting:
        folder = waiting.pop()
        try:
            real = _identity(folder)
            if real in seen:
                found.refused.append((folder, f"it is the same folder as {private(seen[real].name)}, which is read"))
                continue
            seen[real] = folder
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            found.refused.append((folder, f"it cannot be looked into: {error.strerror}"))
            continue
        for entry in entries:
            path = folder / entry.name
            if not hidden and (passed_over(entry.name) or _lists_names(path)):
                continue
            if not _is_folder(entry):
                found.files.append(path)
            elif entry.is_symlink():
                yield path
            else:
                waiting.append(path)


def _identity(folder: Path) -> _Identity:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _lists_names(path: Path) -> bool:
    """Say whether `path` is where prepared files of what lies beside it are named (see sources/names.py)."""
    return path.suffix == ".files" and path.with_suffix("").exists()


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
