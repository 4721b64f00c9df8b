"""Which kind of source a folder or file is."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from medgan.data.spec import Rejected
from medgan.errors import MedganError
from medgan.imaging.nifti import SUFFIXES as VOLUMES
from medgan.imaging.opening import SUFFIXES as PICTURES
from medgan.sources.check import arrays, pictures, scans, volumes
from medgan.sources.check.proposal import Found, Proposal, numbered, some
from medgan.sources.files import readable
from medgan.walking import walk

_SCANS = (".dcm", ".dicom", ".ima")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".rar")
_TEXTS = (
    ".txt",
    ".csv",
    ".tsv",
    ".md",
    ".json",
    ".xml",
    ".html",
    ".pdf",
    ".xlsx",
    ".xls",
    ".docx",
    ".yaml",
    ".yml",
    ".rst",
)
_TRIED = 24  # files of unknown suffix that are opened
_PROPOSE: dict[str, Callable[[Found], Proposal]] = {
    "picture": pictures.propose,
    "scan": scans.propose,
    "volume": volumes.propose,
    "medmnist": arrays.medmnist,
    "ixi": arrays.ixi,
}


def propose(path: Path) -> Proposal:
    """Say what is there and how it can be read. Raises MedganError where nothing can."""
    if not path.exists():
        raise MedganError(f"{path} does not exist; name a folder of images")
    if path.is_file():
        return _of_file(path)
    if not path.is_dir():
        raise MedganError(f"{path} is neither a folder nor a file; name a folder of images")
    listed = list(readable(walk(path), path))
    unnamed = [item for item in listed if isinstance(item, Rejected)]
    files = sorted(item.relative_to(path) for item in listed if not isinstance(item, Rejected))
    if not listed:
        raise MedganError(f"{path} is empty; put images there")
    kinds = {file: _kind(file) for file in files}
    unknown = [file for file, kind in kinds.items() if kind == "unknown"]
    if unknown and _are_scans(path, unknown):
        kinds |= dict.fromkeys(unknown, "scan")
    counts = Counter(kind for kind in kinds.values() if kind in _PROPOSE)
    if not counts:
        packed = "; unpack the archives there" if any(map(is_archive, files)) else ""
        raise MedganError(
            f"{path} holds nothing that is read ({_listed(files, unnamed)}); {_CHOICES}, by their suffix{packed}"
        )
    ((main, _),) = counts.most_common(1)
    mine, beside = ([f for f in files if (kinds[f] == main) is wanted] for wanted in (True, False))
    found = Found(path, mine, [f for f in beside if kinds[f] == "text"])
    proposal = _PROPOSE[main](found)
    others = (f"beside them lie other files: {_suffixes(beside)}",) if beside else ()
    return replace(proposal, notes=(*others, *proposal.notes))


_CHOICES = "pictures (PNG, JPEG, TIFF, BMP), DICOM, NIfTI, MedMNIST's .npz and IXI's .pt are"


def _of_file(path: Path) -> Proposal:
    if arrays.flag_of(path):
        return arrays.medmnist(Found(path.parent, [Path(path.name)], []))
    if is_archive(path):
        raise MedganError(f"{path} is an archive; unpack it into a folder, such as data/raw/NAME, and name that")
    raise MedganError(f"{path} is a file; name the folder that it is in")


def is_archive(path: Path) -> bool:
    """Say so by its name; a packed volume is none."""
    return path.suffix.lower() in _ARCHIVES and not path.name.lower().endswith(VOLUMES)


def _kind(path: Path) -> str:
    name = path.name.lower()
    kinds = {
        "picture": name.endswith(PICTURES),
        "volume": name.endswith((*VOLUMES, ".img")),
        "scan": name.endswith(_SCANS),
        "medmnist": arrays.flag_of(path) is not None,
        "ixi": arrays.is_ixi(path),
        "text": name.endswith(_TEXTS),
    }
    return next((kind for kind, true in kinds.items() if true), "unknown")


def _are_scans(raw: Path, files: list[Path]) -> bool:
    tried = some(files, _TRIED)
    return 2 * sum(scans.is_scan(raw / path) for path in tried) > len(tried)


def _suffixes(files: list[Path]) -> str:
    return numbered(path.suffix.lower() or "without suffix" for path in files)


def _listed(files: list[Path], unnamed: list[Rejected]) -> str:
    return _suffixes(files) or f"{unnamed[0].origin}: {unnamed[0].reason}"
