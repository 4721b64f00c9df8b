"""Raw data sets that torchvision and medmnist know where to find: fetched, or checked where they are there already.

torchvision is imported by what needs it: it takes seconds, and a wrong name should be answered before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

from medgan.errors import MedganError
from medgan.sources.medmnist import SUFFIXES, flags, information, table

FETCHED_SIZE = 64  # of the four that medmnist has; a file of another size comes by hand


def choices() -> list[str]:
    return ["cifar10", *flags()]


def can_download(name: str) -> bool:
    """Say whether `download` knows it; also of what medmnist has and `download` refuses with a reason."""
    return name == "cifar10" or name in table()


def download(root: Path, name: str) -> str:
    """Put the files of a data set into data/raw/NAME unless they are there, check them, and return a sentence.

    Raises MedganError where there is no network, for files with other checksums, or for a data set of medmnist that
    medgan does not read. Nothing is in data/raw/NAME before it is complete.
    """
    folder = root / "data" / "raw" / name
    done = _cifar10(folder) if name == "cifar10" else _medmnist(folder, name)
    return f"{folder.relative_to(root)}: {done}"


def _medmnist(folder: Path, flag: str) -> str:
    entry = information(flag)
    stored = {f"{flag}{suffix}.npz": entry[f"MD5{suffix}"] for suffix in SUFFIXES.values()}
    present = [name for name in stored if (folder / name).exists()]
    for name in present:
        _check(folder / name, stored[name], remove=folder / name)
    if present:
        return f"{', '.join(present)} found, md5 as medmnist says"
    suffix = SUFFIXES[FETCHED_SIZE]
    name = f"{flag}{suffix}.npz"
    with _beside(folder) as place:
        _fetch(entry[f"url{suffix}"], place / name, stored[name], wanted=folder / name)
        _move(place / name, folder)
    return f"{name} fetched, md5 {stored[name]}"


def _cifar10(folder: Path) -> str:
    from torchvision.datasets import CIFAR10  # noqa: PLC0415
    from torchvision.datasets.utils import extract_archive  # noqa: PLC0415

    batches, archive = folder / CIFAR10.base_folder, folder / CIFAR10.filename
    if batches.exists():
        for name, md5 in (*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])):
            _check(batches / name, md5, remove=batches)
        return f"{batches.name} found, md5 of each file as torchvision says"
    with _beside(folder) as place:
        present = archive.exists()
        if present:
            _check(archive, CIFAR10.tgz_md5, remove=archive)
        else:
            _fetch(CIFAR10.url, place / archive.name, CIFAR10.tgz_md5, wanted=archive)
        extract_archive(archive if present else place / archive.name, place)
        _move(place / batches.name, folder)
    return f"{archive.name} {'found' if present else 'fetched'} and unpacked, md5 {CIFAR10.tgz_md5}"


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder on the same disk, so that what is complete is moved by a rename; gone afterwards."""
    parent = folder.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{folder.name}-", dir=parent) as place:
        yield Path(place)


def _move(complete: Path, folder: Path) -> None:
    folder.resolve().mkdir(exist_ok=True)
    complete.replace(folder / complete.name)


def _check(path: Path, md5: str, *, remove: Path) -> None:
    from torchvision.datasets.utils import check_integrity  # noqa: PLC0415

    if not check_integrity(path, md5):
        raise MedganError(f"{path} is missing or has another md5 than {md5}; remove {remove} and run this again")


def _fetch(url: str, file: Path, md5: str, *, wanted: Path) -> None:
    from torchvision.datasets.utils import download_url  # noqa: PLC0415

    try:
        download_url(url, file.parent, filename=file.name, md5=md5)
    except (OSError, RuntimeError, HTTPException) as error:
        raise MedganError(
            f"{url} cannot be fetched ({' '.join(str(error).split())[:160]}); where there is no network, put "
            f"{wanted.name} into {wanted.parent} yourself and run this again"
        ) from None
