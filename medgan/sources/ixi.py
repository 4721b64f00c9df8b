"""Source `ixi`: pairs of T1 and T2 slices of 577 subjects, 64x64, as torch tensors in [-1, 1] (IXI, CC BY-SA 3.0)."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from medgan.config.checking import STRICT
from medgan.data.spec import Direction, ImageSpec, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import SIXTEEN_BITS, Intensity
from medgan.private import private

SIZE = 64
_TRAIN_SHARE = 0.8
_LARGEST = np.iinfo(np.uint16).max


@dataclass(frozen=True, config=STRICT)
class Ixi:
    """image: what is to be drawn, T1 or T2; the other one is the source.

    The first 80 % of the sorted subjects are for training and validation, the last 20 % for the test. The published
    lab splits by the same shares after an unordered set of subjects, which each run of Python orders anew.
    """

    intensity: ClassVar[Intensity] = SIXTEEN_BITS

    image: Literal["T1", "T2"] = "T2"

    @property
    def direction(self) -> Direction:
        return Direction("T1", "T2") if self.image == "T2" else Direction("T2", "T1")

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Sample | Rejected]:
        """Arrays (64, 64, 1) uint16: -1 is 0, 1 is 65,535. Raises MedganError for another spec or an empty folder."""
        if (spec.size, spec.channels) != (SIZE, 1):
            raise MedganError(
                f"data.size: {spec.size}, data.channels: {spec.channels}; IXI has {SIZE} and 1, nothing is resized"
            )
        subjects = sorted({path.name.split(" - ")[0] for path in raw.glob("* - T[12].pt")})
        if not subjects:
            raise MedganError(f"{raw} holds no 'SUBJECT - T1.pt'; run `medgan data fetch ixi`")
        first_test = int(_TRAIN_SHARE * len(subjects))
        for rank, subject in enumerate(subjects):
            paths = [raw / f"{subject} - {name}.pt" for name in ("T1", "T2")]
            try:
                t1, t2 = (_read(path) for path in paths)
            except (OSError, ValueError, RuntimeError, EOFError, UnpicklingError) as error:
                yield Rejected(subject, f"it cannot be read: {private(' '.join(str(error).split())[:200])}")
                continue
            image, source = (t2, t1) if self.image == "T2" else (t1, t2)
            yield Sample(
                image=image,
                source=source,
                patient=subject,
                origin=f"{subject} - {self.image}.pt",
                digest=hashlib.sha256(t1.tobytes() + t2.tobytes()).hexdigest(),
                test=rank >= first_test,
            )


def _read(path: Path) -> NDArray[np.uint16]:
    import torch  # noqa: PLC0415 (takes seconds, and no other source needs it)

    values = torch.load(path, weights_only=True)
    if not isinstance(values, torch.Tensor) or values.shape != (SIZE, SIZE):
        raise ValueError(f"{path.name} is not a tensor of {SIZE}x{SIZE}")
    if not bool(values.isfinite().all()) or float(values.abs().max()) > 1:
        raise ValueError(f"{path.name} has values outside [-1, 1]")
    scaled = torch.round((values.double() + 1) / 2 * _LARGEST).numpy()
    return scaled.astype(np.uint16)[:, :, None]
