"""Who the patient is, guessed from the names of files."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

# The first that fits is taken, an uneven one rather than none: images of too many together do less harm than one
# patient in two splits.
_SAID = r"(?i)^((?:patient|subject|subj|sub|person|case|pat|pid)[-_ ]?\d+)"
_IN_NAMES = (
    _SAID,
    r"^(\D*\d+)",
    # To the first number after the last letter, or, where it is the only one there, to that letter.
    r"^((?:.*[A-Za-z])?[-_ ]?\d+(?=[-_ ]\d)|.*[A-Za-z](?=[-_ ]?\d+\.))",
)
_OF_FOLDER = r"([^/]+)/[^/]+$"
_FEWEST, _DISTINCT, _LARGEST = 9, 0.95, 20
UNFIT = 50  # of so many names one may be unlike the others


def patient_pattern(images: Sequence[Path], folders: int) -> str:
    """Guess a regular expression for `data.options.patient`; empty where names do not say who has several images.

    images: named within the raw folder. folders: how many of those that an image lies in say its class.
    """
    deep = all(len(path.parts) > folders + 1 for path in images)
    patterns = [pattern for pattern in ((_OF_FOLDER,) if deep else ()) + _IN_NAMES if _tells_patients(pattern, images)]
    even = (pattern for pattern in patterns if _is_even(pattern, images))
    return next(even, patterns[-1] if patterns else "")


def folder_pattern(images: Sequence[Path]) -> str:
    """The expression by which a folder is a patient; empty where folders are few, or hold a file each."""
    folders = {path.parent for path in images}
    return _OF_FOLDER if Path() not in folders and _FEWEST <= len(folders) < len(images) else ""


def are_patients(folders: Sequence[str]) -> bool:
    """Say whether names of folders are rather those of patients than of classes."""
    if len(folders) > 1 and all(re.search(_SAID, name) for name in folders):
        return True
    return len(folders) >= _FEWEST and sum(bool(re.search(r"\d", name)) for name in folders) > 0.9 * len(folders)


def are_numbers(images: Sequence[Path]) -> bool:
    """Say whether files are named by numbers alone, a number each."""
    return all(path.stem.isdecimal() for path in images) and len({path.stem for path in images}) == len(images)


def _tells_patients(pattern: str, images: Sequence[Path]) -> bool:
    """It must fit nearly every name, and find groups that are fewer than the names and enough for splits.

    A few names that it does not fit cost these files; without it patients would be in two splits.
    """
    names = len({*images} if "/" in pattern else {path.stem for path in images})
    groups = groups_of(pattern, images)
    fewest = 2 if pattern == _SAID else _FEWEST  # of a word for patients few are enough
    unfit = groups.pop("", 0)
    return UNFIT * unfit <= len(images) and fewest <= len(groups) < _DISTINCT * names


def _is_even(pattern: str, images: Sequence[Path]) -> bool:
    """Say whether no group is so large that it is rather a word that many names begin with."""
    sizes = groups_of(pattern, images).values()
    return max(sizes) <= _LARGEST * median(sizes)


def groups_of(pattern: str, images: Sequence[Path]) -> Counter[str]:
    """How many images each patient has, "" of those whose name the pattern does not fit."""
    names = (path.as_posix() if "/" in pattern else path.name for path in images)
    return Counter(match.group(1) if (match := re.search(pattern, name)) else "" for name in names)
