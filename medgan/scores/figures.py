"""Scores and the protocol that each was taken under; numbers alone, so that whoever reads them needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from medgan.errors import MedganError

# Which way each paired score gets better.
DIRECTIONS: dict[str, Literal["lower", "higher"]] = {
    "mae": "lower",
    "psnr": "higher",
    "ssim": "higher",
    "ms_gmsd": "lower",
    "mdsi": "lower",
    "haarpsi": "higher",
}
_PROTOCOL = ("extractor", "digest", "n", "split", "counts")


class Scored(Protocol):
    """What every score says of how it was taken.

    extractor and its digest: "none" without one. n: images a side, of `split`. counts: how many in each group that was
    judged on its own; empty where nothing was.
    """

    @property
    def extractor(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def n(self) -> int: ...
    @property
    def split(self) -> str: ...
    @property
    def counts(self) -> Mapping[str, int]: ...


@dataclass(frozen=True)
class GroupFidelity:
    """How near n images are to as many real ones of the same classes.

    fid, from 0 up, and kid, about 0 or more: lower is better. precision (share of generated images that look real),
    density (how densely real images lie about generated ones, 1 for real ones), recall (share of real images that the
    generator covers) and coverage (the same, by balls about real images), 0 to 1: higher is better.
    """

    n: int
    fid: float
    kid: float
    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class ClassFidelity:
    """The same of the n images of a class, however few; None where they are too few for neighbours."""

    n: int
    kid: float | None = None
    recall: float | None = None
    coverage: float | None = None


@dataclass(frozen=True)
class Fidelity:
    """How near a set of images is to a set of real ones: means over groups, and the protocol.

    groups: by name, one a class; classes with too few images for a FID are judged together, and so are all images
    where there are no classes. classes: every class by itself, those with few images too.
    fid_low, fid_high: fid -+ 1.96 standard deviations over images, or patients, of each group (see `jackknife`); not
    over trainings; 0 and twice the fid where a group has too few patients to know; so too mae_low and mae_high below.
    margins: the same 1.96 standard deviations of the other figures, by name; empty where nobody knows.
    """

    fid: float
    fid_low: float
    fid_high: float
    kid: float
    precision: float
    recall: float
    density: float
    coverage: float
    groups: Mapping[str, GroupFidelity]
    margins: Mapping[str, float]
    classes: Mapping[str, ClassFidelity]
    extractor: str
    digest: str
    n: int
    split: str

    @property
    def counts(self) -> dict[str, int]:
        return {name: group.n for name, group in self.groups.items()}

    @property
    def worst(self) -> str:
        """Name of the group with the largest FID."""
        return max(self.groups, key=lambda name: self.groups[name].fid)

    @classmethod
    def of_tree(cls, tree: Mapping[str, Any]) -> "Fidelity":
        """Return what `dataclasses.asdict` was given. Raises TypeError and KeyError for another tree."""
        groups = {name: GroupFidelity(**group) for name, group in tree["groups"].items()}
        classes = {name: ClassFidelity(**part) for name, part in tree["classes"].items()}
        return cls(**{**tree, "groups": groups, "classes": classes})


@dataclass(frozen=True)
class PublishedScores:
    """Means over batches of 5 images, the last of which may be smaller and counts as much.

    mae: absolute error on [-1, 1], 0 to 2. psnr: dB, -6.02 to 80, as if the peak were 1 though the range is 2 wide.
    ssim: about -1 to 1, of whole batches, without windows; a little below 1 even where images equal their targets.
    """

    mae: float
    psnr: float
    ssim: float


@dataclass(frozen=True)
class StandardScores:
    """Means over images of piq's scores on [0, 1]; None where the shorter side is below the smallest that piq takes.

    psnr: dB, 0 to 80. ssim (11x11 windows, from 11 pixels), haarpsi (from 16 pixels): 1 where images equal their
    targets. ms_gmsd (four scales, from 17 pixels), mdsi: 0 where they do.
    """

    psnr: float
    ssim: float | None
    ms_gmsd: float | None
    mdsi: float
    haarpsi: float | None


@dataclass(frozen=True)
class PairFigures:
    """Scores of drawn images against real ones that they were not asked to be like; never a gate.

    batch_pairs: against a real image at random, as published. nearest_real: against the one with the nearest features.
    Each beside its value for real training images.
    """

    batch_pairs: StandardScores
    batch_pairs_real: StandardScores
    nearest_real: StandardScores
    nearest_real_real: StandardScores


@dataclass(frozen=True)
class Likeness:
    """How near translated images are to their targets, and the protocol.

    mae: mean over images, on [-1, 1]. mae_low, mae_high: mae -+ 1.96 bootstrap standard deviations over patients.
    kid: on features of the extractor, beside the paired scores because L1 alone likes blur; None without one.
    """

    mae: float
    mae_low: float
    mae_high: float
    standard: StandardScores
    published: PublishedScores
    n: int
    split: str
    kid: float | None = None
    extractor: str = "none"
    digest: str = "none"

    @property
    def counts(self) -> dict[str, int]:
        return {}


def check_comparable(a: Scored, b: Scored) -> None:
    """Raise MedganError where two scores are of different kinds or were not taken under one protocol."""
    differing = [
        f"{key} ({one}, {other})"
        for key, one, other in (
            ("kind", type(a).__name__, type(b).__name__),
            *((key, getattr(a, key), getattr(b, key)) for key in _PROTOCOL),
        )
        if one != other
    ]
    if differing:
        raise MedganError(f"these scores cannot be compared, they differ in {', '.join(differing)}; measure both again")
