"""What an image and a sample on its way in are."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")
# Images of a class behind a gate on the way to champion: of fewer, a share says too little.
FEWEST_OF_A_CLASS = 100
SPARE = "spare"  # training images beyond `data.train_per_class`


@dataclass(frozen=True)
class ImageSpec:
    """The shapes that a data set dictates to every network.

    size: height and width in pixels, a power of two. classes: 0 for unlabelled data.
    source_channels: channels of the paired input image (translation). mask_channels: lesion mask planes.
    """

    size: int
    channels: int
    classes: int = 0
    source_channels: int = 0
    mask_channels: int = 0


@dataclass(frozen=True)
class Direction:
    """What is translated into what: names of the kinds of image, such as T1 and T2; as text "T1 to T2"."""

    source: str
    image: str

    @property
    def names(self) -> tuple[str, str]:
        return self.source, self.image

    @property
    def opposite(self) -> "Direction":
        return Direction(self.image, self.source)

    def __str__(self) -> str:
        return f"{self.source} to {self.image}"


@dataclass(frozen=True)
class Sample:
    """One image as a source yields it: arrays (H, W, C) uint8 or uint16, of the size that they have in the raw files.

    patient: images of one patient never cross a split. origin: where it came from, for people.
    digest: hex digest of the raw content; equal digests are duplicates and stay in one split.
    mask: (H, W, M) uint8, 0 or 1, as large as the image. test: whether a published protocol tests on it; None where
    there is none. colour: three channels are red, green and blue, and may become grey; else they are modalities.
    """

    image: NDArray[np.uint8] | NDArray[np.uint16]
    patient: str
    origin: str
    digest: str
    label: str | None = None
    source: NDArray[np.uint8] | NDArray[np.uint16] | None = None
    mask: NDArray[np.uint8] | None = None
    test: bool | None = None
    colour: bool = True


@dataclass(frozen=True)
class Rejected:
    """A raw file that cannot be used, with a reason that a person can act on. label: its class, where that is known."""

    origin: str
    reason: str
    label: str | None = None


# What a source yields: samples, what it rejects, or a picklable call that reads a file and gives both, in any process.
Read = Callable[[], Iterable[Sample | Rejected]]
Item = Sample | Rejected | Read
