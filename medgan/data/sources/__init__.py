"""One file a raw format; a new source is one file and one line here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from medgan.data.sources.cifar10 import Cifar10
from medgan.data.sources.folder import Folder
from medgan.data.sources.ixi import Ixi
from medgan.data.sources.medmnist import MedMnist
from medgan.data.sources.pairs import Pairs
from medgan.data.sources.phantom import Phantom
from medgan.data.spec import ImageSpec, Rejected, Sample


class Source(Protocol):
    """A frozen dataclass of its options. One that gives pairs has a `direction` beside: "T1 to T2"."""

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Sample | Rejected]:
        """Every image under `raw`, at `spec.size` and with `spec.channels`; what cannot be read is a Rejected.

        Raises MedganError where `raw` itself is missing or empty.
        """
        ...


SOURCES: dict[str, type[Source]] = {
    "cifar10": Cifar10,
    "folder": Folder,
    "ixi": Ixi,
    "medmnist": MedMnist,
    "pairs": Pairs,
    "phantom": Phantom,
}
