"""Raw files taken into a clone as a data set of its own, versioned by DVC."""

import re
import shutil
from pathlib import Path

import yaml
from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo
from dvc.scm import SCMError

from medgan.config.trees import read_yaml
from medgan.console import progress
from medgan.errors import MedganError
from medgan.files import replacing
from medgan.sources.check.kinds import is_archive
from medgan.sources.files import check_raw, shown
from medgan.walking import walk
from medgan.workspace.places import PREPARED
from medgan.workspace.recipes import clone_root

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def add(here: Path, path: Path, name: str, *, push: bool) -> str:
    """Copy a folder or file to data/raw/NAME, unless it lies there, and have DVC version it; returns a sentence.

    Again, after a change of these files, it versions them anew. push: whether `dvc push` is to send them.
    Raises MedganError for a name that is taken or no name, and for files that DVC cannot take.
    """
    root = clone_root(here)
    if not _NAME.fullmatch(name):
        raise MedganError(f"--name {name!r}: letters, digits, '.', '_' and '-' make a name, such as chest-2026")
    target, pointer = root / "data" / "raw" / name, root / "data" / f"{name}.dvc"
    if not path.exists():
        raise MedganError(f"{shown(path)} does not exist; name the folder with the images")
    own, before = target.exists() and path.samefile(target), read_yaml(pointer) if pointer.exists() else {}
    if not own and (target.exists() or before):
        raise MedganError(
            f"the name '{name}' is taken ({target.relative_to(root)}, {pointer.relative_to(root)}); choose another, or "
            f"add {target.relative_to(root)} itself again, which versions what is there now"
        )
    if before.get("deps"):
        raise MedganError(f"{pointer.relative_to(root)} is of a public source; `medgan data fetch {name}` checks it")
    check_raw(path, root / PREPARED)
    if not own:
        _copy(path, target)
    try:
        with replacing(pointer) as aside:
            aside.write_text(yaml.safe_dump({"outs": [{"path": f"raw/{name}", "push": push}]}))
            files, md5 = _versioned(root, aside)
    except (DvcException, SCMError) as error:
        raise MedganError(f"DVC cannot take {target}: {' '.join(str(error).split())[:200]}") from None
    sent = "sends them too" if push else "leaves them out, since they may name people; --push sends them"
    return (
        f"data/raw/{name}: {files:,} files, md5 {md5}; commit data/{name}.dvc to git. `dvc push` {sent}.\n"
        f"next:  medgan data check data/raw/{name} --write"
    )


def _copy(path: Path, target: Path) -> None:
    """Files as they are, those behind links too, each folder once."""
    files = walk(path).files if path.is_dir() else [path]
    if not files:
        raise MedganError(f"{shown(path)} holds no file; name the folder with the images")
    if path.is_file() and is_archive(path):
        raise MedganError(f"{shown(path)} is an archive; unpack it into a folder, and add that")
    base = path if path.is_dir() else path.parent
    with replacing(target) as aside, progress("copying", max(1, len(files))) as done:
        for number, file in enumerate(files, 1):
            copy = aside / file.relative_to(base)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy)
            done(number)


def _versioned(root: Path, pointer: Path) -> tuple[int, str]:
    """How many files DVC has hashed and put into its cache, and their md5."""
    with Repo(str(root)) as repo:
        repo.commit(str(pointer), force=True)
        out: Output = repo.stage.load_one(str(pointer)).outs[0]
        return out.meta.nfiles or 1, out.hash_info.value
