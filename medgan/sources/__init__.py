"""One file a raw format; a new source is one file and one line here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from medgan.data.spec import ImageSpec, Item
from medgan.imaging.intensity import Intensity
from medgan.sources.cifar10 import Cifar10
from medgan.sources.dicom import Dicom
from medgan.sources.folder import Folder
from medgan.sources.ixi import Ixi
from medgan.sources.medmnist import MedMnist
from medgan.sources.nifti import Nifti
from medgan.sources.pairs import Pairs
from medgan.sources.phantom.source import Phantom


class Source(Protocol):
    """A frozen dataclass of its options.

    One that gives pairs has a `direction` beside, a `Direction`; one whose patients and files are numbers of its own
    has `nameless = True`: nobody is named.
    """

    @property
    def intensity(self) -> Intensity:
        """What the raw values of its images and sources mean."""
        ...

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Item]:
        """Every image under `raw` as it is stored; what cannot be read is a Rejected. sources/fit.py fits it to `spec`.

        A call (`Read`) instead of samples lets several processes read.
        spec: for a source that makes images of any size, or has some of several sizes. Raises MedganError where `raw`
        itself is missing or empty.
        """
        ...


SOURCES: dict[str, type[Source]] = {
    "cifar10": Cifar10,
    "dicom": Dicom,
    "folder": Folder,
    "ixi": Ixi,
    "medmnist": MedMnist,
    "nifti": Nifti,
    "pairs": Pairs,
    "phantom": Phantom,
}
