"""Who the patient is, guessed from the names of files."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

# The first that fits is taken: images of too many together do less harm than one patient in two splits.
_IN_NAMES = (
    r"(?i)^((?:patient|subject|subj|sub|person|case|pat|pid)[-_ ]?\d+)",
    r"^(\D*\d+)",
    # To the first number after the last letter, or, where it is the only one there, to that letter.
    r"^((?:.*[A-Za-z])?[-_ ]?\d+(?=[-_ ]\d)|.*[A-Za-z](?=[-_ ]?\d+\.))",
)
_OF_FOLDER = r"([^/]+)/[^/]+$"
_FEWEST, _DISTINCT, _LARGEST = 9, 0.95, 12


def patient_pattern(images: Sequence[Path], folders: int) -> str:
    """Guess a regular expression for `data.options.patient`; empty where names do not say who has several images.

    images: named within the raw folder. folders: how many of those that an image lies in say its class.
    """
    if all(len(path.parts) > folders + 1 for path in images) and _tells_patients(_OF_FOLDER, images):
        return _OF_FOLDER
    return next((pattern for pattern in _IN_NAMES if _tells_patients(pattern, images)), "")


def are_patients(folders: Sequence[str]) -> bool:
    """Say whether names of folders are rather those of patients than of classes."""
    return len(folders) >= _FEWEST and sum(bool(re.search(r"\d", name)) for name in folders) > 0.9 * len(folders)


def are_numbers(images: Sequence[Path]) -> bool:
    """Say whether files are named by numbers alone, a number each."""
    return all(path.stem.isdecimal() for path in images) and len({path.stem for path in images}) == len(images)


def _tells_patients(pattern: str, images: Sequence[Path]) -> bool:
    """It must fit every name, and find groups of like size that are fewer than the names and enough for splits."""
    whole = "/" in pattern
    keys = []
    for path in images:
        match = re.search(pattern, path.as_posix() if whole else path.name)
        if match is None:
            return False
        keys.append(match.group(1))
    groups, names = Counter(keys), len({*images} if whole else {path.stem for path in images})
    even = max(groups.values(), default=0) <= _LARGEST * median(groups.values() or [1])
    return even and _FEWEST <= len(groups) < _DISTINCT * names
