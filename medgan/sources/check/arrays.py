"""Files of arrays that are known by their names: MedMNIST's and IXI's."""

import re
from pathlib import Path

from medgan.errors import MedganError
from medgan.sources.check.proposal import Found, Proposal
from medgan.sources.ixi import SIZE
from medgan.sources.medmnist import SUFFIXES, information, table

_IXI = re.compile(r"^(.+) - T[12]\.pt$")


def flag_of(path: Path) -> str | None:
    """MedMNIST's name of what is in a file, None for other files."""
    if path.suffix != ".npz":
        return None
    name = re.sub(f"({'|'.join(filter(None, SUFFIXES.values()))})$", "", path.stem)
    return name if name in table() else None


def is_ixi(path: Path) -> bool:
    return _IXI.match(path.name) is not None


def medmnist(found: Found) -> Proposal:
    """Take the first data set in the folder that is read. Raises MedganError where none is."""
    folder = found.files[0].parent
    flags = sorted({flag for path in found.files if path.parent == folder and (flag := flag_of(path))})
    usable, obstacles = [], []
    for flag in flags:
        try:
            information(flag)
            usable.append(flag)
        except MedganError as error:
            obstacles.append(str(error))
    if not usable:
        raise MedganError("; ".join(obstacles))
    entry = information(usable[0])
    images = sum(entry["n_samples"].values())
    notes = ["MedMNIST names no patients: each image counts as one, and medgan splits by itself"]
    if usable[1:]:
        notes.append(f"{' and '.join(usable[1:])} lie there too: data.options.flag says which is read")
    return Proposal(
        kind=f"MedMNIST's {usable[0]}",
        source="medmnist",
        raw=found.raw / folder,
        files=images,
        labels=True,
        options={"flag": usable[0]},
        notes=(*notes, *obstacles),
    )


def ixi(found: Found) -> Proposal:
    folder = found.files[0].parent
    subjects = {match.group(1) for path in found.files if (match := _IXI.match(path.name))}
    return Proposal(
        kind="IXI's pairs of T1 and T2",
        source="ixi",
        raw=found.raw / folder,
        files=len(subjects),
        labels=False,
        options={"image": "T2"},
        modality="MR T1w and T2w",
        notes=("T1 is translated into T2; for the other way set data.options.image: T1",),
        shape=(SIZE, 1),
    )
