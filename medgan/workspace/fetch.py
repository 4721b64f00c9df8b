"""Raw data sets by name: behind data/NAME.dvc, fetched through DVC or adopted, and those of downloads.py."""

import shutil
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo
from dvc.scm import SCMError

from medgan.config.checking import nearest
from medgan.config.trees import read_yaml
from medgan.errors import MedganError
from medgan.workspace.recipes import clone_root


def adopt(root: Path, raw: Path) -> None:
    """Make the files at `raw` known to DVC where data/NAME.dvc imports them: else it would ask for them by network.

    Raises MedganError where they are not those of the source.
    """
    pointer = root / "data" / f"{raw.name}.dvc"
    imported = pointer.exists() and read_yaml(pointer).get("deps")
    if imported and (root / raw).exists() and (root / raw).resolve() == (root / "data" / "raw" / raw.name).resolve():
        raw_data(root, raw.name)


def raw_data(here: Path, name: str) -> str:
    """Fill data/raw/NAME, or check the files that are there, and return a sentence about it.

    Raises MedganError for an unknown name, other content, or no network.
    """
    root = clone_root(here)
    pointers = [path.stem for path in (root / "data").glob("*.dvc")]
    if name in pointers:
        try:
            return _imported(root, name)
        except SCMError:
            raise MedganError(
                f"{root} is no git repository, which DVC asks for; run `git init`, or let DVC do without: "
                "`dvc config --local core.no_scm true`"
            ) from None
        except DvcException as error:
            raise MedganError(
                f"DVC cannot work on data/{name}.dvc: {_one_line(error)}; mend that and run this again"
            ) from None
    from medgan.workspace.downloads import can_download, choices, download  # noqa: PLC0415 (brings torch, which DVC needs not)

    if not can_download(name):
        raise MedganError(f"unknown data set '{name}'{nearest(name, [*pointers, *choices()])}")
    return download(root, name)


def _imported(root: Path, name: str) -> str:
    """Make data/raw/NAME what data/NAME.dvc says, byte for byte, and return a sentence about it.

    Files that are there already are hashed and taken into DVC's cache without any network; otherwise they are fetched
    from the repository that the pointer names.
    """
    pointer = Path("data") / f"{name}.dvc"
    with Repo(str(root)) as repo:
        stage = repo.stage.load_one(str(root / pointer))
        out: Output = stage.outs[0]
        expected, files = out.hash_info.value, out.meta.nfiles
        folder = Path(out.fs_path)
        if not folder.exists() or not any(folder.iterdir()):
            _fetch(repo, root / pointer, folder, stage.deps[0].def_repo["url"])
            return f"{folder.relative_to(root)}: {files:,} files fetched, md5 {expected}"
        with repo.lock:
            # Not `dvc commit`: for an import it asks the source repository even if nothing has changed.
            out.save()
            if out.hash_info.value != expected:
                raise MedganError(
                    f"{folder.relative_to(root)} has md5 {out.hash_info.value} with {out.meta.nfiles:,} files, and "
                    f"{pointer} says {expected} with {files:,}; remove the folder and run this again"
                )
            out.commit()
    return f"{folder.relative_to(root)}: {files:,} files found, md5 {expected} as in {pointer}"


def _fetch(repo: Repo, pointer: Path, folder: Path, url: str) -> None:
    try:
        repo.pull(targets=[str(pointer)])
    except DvcException as error:
        # DVC may leave an empty folder behind.
        if folder.exists() and not any(folder.iterdir()):
            shutil.rmtree(folder)
        raise MedganError(
            f"{url} cannot be fetched ({_one_line(error)}); where there is no network, put the files "
            f"of that repository into {folder} yourself and run this again"
        ) from None


def _one_line(error: DvcException) -> str:
    return " ".join(str(error).split())[:160]
