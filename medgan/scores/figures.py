"""Scores and the protocol that each was taken under; numbers alone, so that whoever reads them needs no torch."""

from dataclasses import dataclass
from typing import Literal, Protocol

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
_PROTOCOL = ("extractor", "digest", "n", "split")


class Scored(Protocol):
    """What every score says of how it was taken: extractor and its digest ("none" without one), images, their split."""

    @property
    def extractor(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def n(self) -> int: ...
    @property
    def split(self) -> str: ...


@dataclass(frozen=True)
class Fidelity:
    """How near a set of images is to a set of real ones, and the protocol.

    fid, from 0 up, and kid, about 0 or more: lower is better. precision (share of generated images that look real) and
    recall (share of real ones that the generator covers), 0 to 1: higher is better.
    fid_low, fid_high: fid -+ 1.96 bootstrap standard deviations over images, not over patients or trainings.
    """

    fid: float
    fid_low: float
    fid_high: float
    kid: float
    precision: float
    recall: float
    extractor: str
    digest: str
    n: int
    split: str


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
