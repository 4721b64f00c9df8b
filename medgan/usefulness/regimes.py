"""What a classifier learns from in each regime: real images, again and again, and drawn ones beside or instead."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medgan.seeds import numpy_generator

Labels = NDArray[np.int64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Regime:
    """Images of each class: the real ones, or none, and more of them.

    added: as many as this times the real ones; levels: or as many as the largest class has more. by: what is added,
    "drawn" images, or "copies" of real ones. augmented: whether training changes images at random.
    """

    name: str
    real: bool = True
    added: float = 0.0
    levels: bool = False
    by: str = "drawn"
    augmented: bool = True

    @property
    def draws(self) -> bool:
        """Whether it takes drawn images."""
        return self.by == "drawn" and (self.levels or self.added > 0)

    @property
    def control(self) -> "Regime":
        """As many images, none of them new: whoever beats this one has won by what is new."""
        return replace(self, name=self.name.replace("drawn", "copies"), by="copies")

    def more(self, real: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many images are added to each class, where it has so many real ones (K,)."""
        more: NDArray[np.int64] = real.max() - real if self.levels else np.rint(self.added * real).astype(np.int64)
        return more

    def rows(self, real: Labels, drawn: Labels, *, seed: int) -> Rows:
        """Which rows of the real images, followed by the drawn ones, of these labels.

        Where there are fewer drawn ones of a class than are to be added, they stand there again; of none, none does.
        """
        parts = [np.arange(len(real))] if self.real else []
        for kind, count in enumerate(self.more(np.bincount(real))):
            if self.by == "drawn":
                own = len(real) + np.flatnonzero(drawn == kind)
                parts.append(np.resize(own, count if len(own) else 0))
            else:
                own = numpy_generator(seed, "copies", kind).permutation(np.flatnonzero(real == kind))
                parts.append(np.resize(own, count))
        return np.concatenate(parts)


REAL = Regime("real", augmented=False)
AUGMENTED = Regime("augmented")
ALONE = Regime("drawn alone", real=False, added=1.0)
LEVELLED = Regime("levelled by drawn", levels=True)


def with_drawn(ratio: float) -> Regime:
    """Return the regime with so many drawn images to each real one."""
    return Regime(f"drawn x{ratio:g}", added=ratio)


def candidates(ratios: Iterable[float], real: NDArray[np.int64], *, level: bool) -> list[Regime]:
    """Regimes whose drawn images may help, where each class has so many real ones (K,).

    level: whether classes are to be levelled, if some have fewer images than others.
    """
    return [*(with_drawn(ratio) for ratio in ratios), *([LEVELLED] if level and real.max() > real.min() else [])]


def drawn_labels(regimes: Iterable[Regime], real: NDArray[np.int64], *, most: int) -> Labels:
    """Labels of the drawn images that these regimes take, of each class `most` at most."""
    counts = np.max([regime.more(real) for regime in regimes if regime.by == "drawn"], axis=0)
    return np.repeat(np.arange(len(real)), np.minimum(counts, most))
