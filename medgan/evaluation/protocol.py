"""How a generator is judged: on which images of a split, by which networks, with how many resamples."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medgan.config.judging import EvaluateConfig
from medgan.data.store import Prepared
from medgan.gans.base import Way
from medgan.scores.extractor import Extractor
from medgan.scores.images import Classifier, Embedder
from medgan.seeds import derive_seed


@dataclass(frozen=True)
class EvaluationProtocol:
    """Reports of different protocols are never compared.

    embedder: None where it knows other images than those that are drawn; classifier: None where there are no classes.
    n: images a side, of `split`. bootstrap: resamples behind an interval. segmenter_steps: training of the judge of
    masks, told_apart_steps: of the network that tells drawn images from real ones; 0 leaves either out. copying:
    whether to look for copies. seed: of the choice of images, of z, and of all that is resampled or trained. by_class:
    each class is compared with its like, where the generator is told the class; False to compare such a generator
    with others that are not told. others: embedders whose scores stand beside, all classes together. companions:
    whether scores of pairs and two-sample tests stand beside too; told_apart_steps is nothing without them.
    """

    embedder: Embedder | None
    classifier: Classifier | None
    n: int
    bootstrap: int
    segmenter_steps: int
    seed: int
    split: str = "test"
    by_class: bool = True
    told_apart_steps: int = 0
    copying: bool = True
    others: tuple[Embedder, ...] = ()
    companions: bool = True

    @classmethod
    def of(cls, config: EvaluateConfig, extractor: Extractor, *, seed: int) -> "EvaluationProtocol":
        """Judge on test images, by the extractor of the data, which may know classes too."""
        return cls(
            embedder=extractor,
            classifier=extractor if extractor.classes else None,
            n=config.n,
            bootstrap=config.bootstrap,
            segmenter_steps=config.segmenter_steps,
            told_apart_steps=config.told_apart_steps,
            seed=seed,
        )

    def seen_from(self, way: Way, data: Prepared) -> "EvaluationProtocol":
        """Return the protocol of a way of drawing.

        The networks know images, and nothing of what the way back draws unless both are classes of the data.
        """
        known = not (way.backwards and data.paired)
        return self if known else replace(self, embedder=None, classifier=None, others=())

    def held_out(self, data: Prepared) -> NDArray[np.int64]:
        """Indices of the n images to judge on. Raises MedganError where the split has fewer."""
        return data.take(self.split, self.n, derive_seed(self.seed, "evaluate"))

    def training(self, data: Prepared) -> NDArray[np.int64]:
        """Indices of n training images for the floor, of each class as many as are held out.

        Raises MedganError where there are fewer.
        """
        seed = derive_seed(self.seed, "floor")
        return data.take("train", self.n, seed, like=self.held_out(data))
