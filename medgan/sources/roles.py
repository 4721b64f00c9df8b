"""Which volumes are images, sources and masks, and which of them belong together."""

import re
from dataclasses import dataclass
from pathlib import Path

from medgan.config.checking import nearest
from medgan.data.spec import Rejected
from medgan.errors import MedganError
from medgan.imaging.nifti import SUFFIXES, partner, volume_name
from medgan.private import private
from medgan.sources.files import pattern_of

ROLES = ("image", "source", "mask")


@dataclass(frozen=True)
class Found:
    """of: files of each role, by what tells which belong together. left: files of no role."""

    of: dict[str, dict[str, list[Path]]]
    left: list[Path]
    rejected: list[Rejected]


def pattern_of_role(raw: Path, role: str, given: str) -> re.Pattern[str] | None:
    """What tells the files of a role by their paths without suffix; its group says which belong together.

    given: the option, a folder within `raw` or an expression; None where it is empty. Raises MedganError for another.
    """
    if given and (raw / given).is_dir():
        return re.compile(f"^{re.escape(Path(given).as_posix())}/(.+)$")
    if given and "(" not in given:
        known = [path.name for path in raw.iterdir() if path.is_dir()]
        raise MedganError(f"data.options.{role}: {raw / given} is not a folder{nearest(given, known)}")
    return pattern_of(role, given)


def by_role(files: list[Path], roles: dict[str, re.Pattern[str] | None]) -> Found:
    """Sort files, named within the raw folder, by the patterns of their roles."""
    found, every = Found({role: {} for role in roles}, [], []), {*files}
    for path in files:
        name = volume_name(path)
        key = (path.parent / (path.stem if name is None else name)).as_posix()
        role, match = next(
            ((role, match) for role in reversed(ROLES) if (given := roles[role]) and (match := given.search(key))),
            (None if roles["image"] else "image", None),
        )
        if role is None:
            found.left.append(path)
        elif name is not None:
            found.of[role].setdefault(match.group(1) if match else key, []).append(path)
        elif path.suffix.lower() != ".img":
            reason = f"its suffix {private(path.suffix or '(none)')} is none of {', '.join(SUFFIXES)}"
            found.rejected.append(Rejected(path.as_posix(), reason))
        elif partner(path) not in every:
            found.rejected.append(Rejected(path.as_posix(), "there is no .hdr of its name beside it"))
    for role in ROLES[1:]:
        lonely = (paths for key, paths in found.of[role].items() if key not in found.of["image"])
        found.rejected.extend(
            Rejected(p.as_posix(), f"it is a {role}, and no image is there") for ps in lonely for p in ps
        )
    return found
