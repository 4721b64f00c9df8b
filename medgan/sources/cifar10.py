"""Source `cifar10`: 60,000 colour photographs of ten kinds, 32 x 32 (Krizhevsky 2009), as torchvision reads them.

Not medical: a data set that many published GANs give scores for.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic.dataclasses import dataclass

from medgan.config.checking import STRICT
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, Intensity
from medgan.sources.files import numbered


@dataclass(frozen=True, config=STRICT)
class Cifar10:
    """No options. There are no patients: each picture counts as one, and byte-identical ones stay in one split."""

    intensity: ClassVar[Intensity] = EIGHT_BITS
    nameless: ClassVar[bool] = True

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Sample | Rejected]:
        """Training and test part alike, since medgan splits by itself; `raw` is torchvision's root."""
        from torchvision.datasets import CIFAR10  # noqa: PLC0415 (takes seconds, and no other source needs it)

        folder = raw / CIFAR10.base_folder
        if not folder.is_dir():
            raise MedganError(
                f"{folder} is not there; run `medgan data fetch cifar10` and set data.raw to data/raw/cifar10"
            )
        for part in ("train", "test"):
            try:
                # It unpickles only what has the md5 that it knows.
                pictures = CIFAR10(raw, train=part == "train", download=False)
            except RuntimeError:
                raise MedganError(
                    f"{folder} is damaged (a file is missing or has another md5 than torchvision knows); remove it and "
                    "run `medgan data fetch cifar10`"
                ) from None
            yield from numbered(part, pictures.data, (pictures.classes[code] for code in pictures.targets))
