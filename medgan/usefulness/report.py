"""What a study has found, as numbers: figures of each regime, differences, and the verdict. No torch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medgan.errors import MedganError
from medgan.evaluation.two_sample import Measured
from medgan.usefulness.comparison import Difference

HELPED, UNSEEN, HARMED = "helped", "no difference seen", "harmed"


@dataclass(frozen=True)
class RegimeFigures:
    """Of the classifiers of one regime, on test images but for `validation`.

    images: that each learns from. figures: by name. type_1, type_2: by class, the share of images of others that are
    called of it, and of its own that are not. steps: in the median, to 95 % of the balanced accuracy on validation
    images that real ones without augmentation lead to; None where fewer than half of the classifiers get there.
    last_gain: by how much, in the mean, the last look at validation images was better than all before.
    """

    images: int
    validation: float
    figures: Mapping[str, Measured]
    type_1: Mapping[str, Measured]
    type_2: Mapping[str, Measured]
    steps: int | None
    last_gain: float


@dataclass(frozen=True)
class SizeFigures:
    """A study on real images of these counts by class.

    chosen: the regime with drawn images that validation images prefer; control: the same with copies of real images.
    decisive: balanced accuracy of the chosen one less that of augmentation alone, and of the control. others: of every
    other regime less that of either and of real images unchanged, as "A - B". type_1, type_2: by class, how the errors
    of the chosen one differ from those of augmentation alone. Of each of these four, the comparisons are a family.
    """

    counts: Mapping[str, int]
    chosen: str
    control: str
    regimes: Mapping[str, RegimeFigures]
    decisive: Mapping[str, Difference]
    others: Mapping[str, Difference]
    type_1: Mapping[str, Difference]
    type_2: Mapping[str, Difference]

    @property
    def verdict(self) -> str:
        """Of the three words: better than both others, worse than augmentation alone, or neither."""
        if all(difference.adjusted_low > 0 for difference in self.decisive.values()):
            return HELPED
        return HARMED if self.decisive["augmented"].adjusted_high < 0 else UNSEEN


@dataclass(frozen=True)
class Usefulness:
    """Whether drawn images help a classifier.

    sentence: the verdict, for people. classifier: its name. steps: of each training. n: test images, of so many
    patients.
    """

    verdict: str
    sentence: str
    classifier: str
    steps: int
    seeds: int
    n: int
    patients: int
    sizes: Sequence[SizeFigures]


def read_verdict(path: Path) -> dict[str, Any]:
    """The verdict, its sentence and the figures behind it, of reports/utility.json.

    Raises MedganError where nobody has asked yet.
    """
    if not path.exists():
        raise MedganError(f"{path} does not exist; run `make repro`, or `dvc repro utility`")
    verdict: dict[str, Any] = json.loads(path.read_text())
    return verdict


def to_tree(found: Usefulness) -> dict[str, Any]:
    return asdict(found)


def from_tree(tree: Mapping[str, Any]) -> Usefulness:
    """Return what `to_tree` was given. Raises KeyError or TypeError for anything else."""
    return Usefulness(**{**tree, "sizes": [_size(part) for part in tree["sizes"]]})


def _size(tree: Mapping[str, Any]) -> SizeFigures:
    differences = {
        name: {key: Difference(**part) for key, part in tree[name].items()}
        for name in ("decisive", "others", "type_1", "type_2")
    }
    regimes = {name: _regime(part) for name, part in tree["regimes"].items()}
    return SizeFigures(**{**tree, **differences, "regimes": regimes})


def _regime(tree: Mapping[str, Any]) -> RegimeFigures:
    estimates = {
        name: {key: Measured(**part) for key, part in tree[name].items()} for name in ("figures", "type_1", "type_2")
    }
    return RegimeFigures(**{**tree, **estimates})
