"""Files that are never half-written: made beside their place and renamed into it; what to say where that fails."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from medgan.errors import MedganError

_ASIDE = ".new-"  # begins a name beside, before the number of the process that makes it


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A free name beside `path`, with its suffix: the file or folder made there takes the place of `path` at the end.

    Where the context ends with an error, what was at `path` stays as it was.
    """
    new = _beside(path)
    old = new.with_suffix(".old")
    try:
        yield new
        if new.is_dir() and path.is_dir():  # a folder cannot be renamed onto one that holds something
            path.replace(old)
        new.replace(path)
    finally:
        remove(new)
        remove(old)


@contextlib.contextmanager
def merging(folder: Path) -> Iterator[Path]:
    """A free name: what is in the folder made there replaces what has the same name in `folder`; the rest stays."""
    new = _beside(folder / "made")
    try:
        yield new
        for made in sorted(new.iterdir()):
            with replacing(folder / made.name) as place:
                made.rename(place)
    finally:
        remove(new)


def _beside(path: Path) -> Path:
    """A name in the same folder, which is made; what killed processes have left there is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in path.parent.glob(f"{_ASIDE}*"):
        if not _is_alive(abandoned.name.removeprefix(_ASIDE).partition("-")[0]):
            remove(abandoned)
    # Of a fixed length: a name that just fits its file system leaves no room for a longer one.
    aside = f"{_ASIDE}{os.getpid()}-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}"
    suffix = "".join(path.suffixes[-2:]) if path.name.lower().endswith(".nii.gz") else path.suffix
    return path.with_name(f"{aside}{suffix}")


@contextlib.contextmanager
def temporary(name: str) -> Iterator[Path]:
    """A folder that only this user may look into, removed at the end; those of killed processes are removed first."""
    for abandoned in Path(tempfile.gettempdir()).glob(f"{name}-*-*"):
        if not _is_alive(abandoned.name.removeprefix(f"{name}-").partition("-")[0]):
            remove(abandoned)
    with tempfile.TemporaryDirectory(prefix=f"{name}-{os.getpid()}-") as place:
        yield Path(place)


def write_atomically(path: Path, content: bytes) -> None:
    """The file holds either the old bytes or all the new ones, after a power cut too."""
    with replacing(path) as aside, aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove(path: Path) -> None:
    """A file or a folder with all that is in it; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def writing(path: Path, meanwhile: str) -> Iterator[None]:
    """A full disk and its like as MedganError. meanwhile: what is safe, for the sentence."""
    try:
        yield
    except shutil.Error as error:  # several in one, a tuple each
        raise _unwritten(path, error.args[0][0][-1], meanwhile) from None
    except OSError as error:
        raise _unwritten(path, error.strerror or error, meanwhile) from None


def _unwritten(path: Path, why: object, meanwhile: str) -> MedganError:
    return MedganError(
        f"{path} cannot be written: {why}; {meanwhile}. Make room or mend it, and the same command goes on from there"
    )


def _is_alive(process: str) -> bool:
    """Say whether a process of this number runs; True where it may not be asked."""
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
