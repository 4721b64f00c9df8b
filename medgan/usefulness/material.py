"""What a study learns from and is judged on, out of prepared data and a generator that has learnt from them."""

import numpy as np
from numpy.typing import NDArray

from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.errors import MedganError
from medgan.evaluation.generators import Generator, drawn_images
from medgan.imaging.arrays import quantised
from medgan.scores.classifying import Labelled
from medgan.scores.patients import FEWEST
from medgan.seeds import derive_seed, numpy_generator
from medgan.usefulness.regimes import ALONE, Regime, drawn_labels
from medgan.usefulness.study import HeldOut, Pool


def held_out(data: Prepared, n: int, seed: int) -> HeldOut:
    """About n test images at most, and half as many validation images, which are looked at more often.

    Of each class its share of the split, FEWEST at least; the same images at every call.
    """
    validation, test = (_some(data, split, most, seed) for split, most in (("validation", n // 2), ("test", n)))
    return HeldOut(labelled(data, validation), labelled(data, test), data.patients[test])


def _some(data: Prepared, split: str, most: int, seed: int) -> NDArray[np.int64]:
    indices = numpy_generator(seed, f"usefulness-{split}").permutation(data.indices(split))
    share = min(1.0, most / len(indices))
    by_class = [indices[_labels(data)[indices] == kind] for kind in range(data.spec.classes)]
    return np.sort(np.concatenate([each[: max(FEWEST, round(share * len(each)))] for each in by_class]))


def too_few(data: Prepared) -> list[str]:
    """Name classes of which there are fewer held-out images than anything can be said of."""
    return [
        f"{count} {split} images of {name}"
        for split in ("validation", "test")
        for kind, name in enumerate(data.label_names)
        if (count := int((_labels(data)[data.indices(split)] == kind).sum())) < FEWEST
    ]


def pool(
    generator: Generator, data: Prepared, real: NDArray[np.int64], regimes: list[Regime], *, looks: int, seed: int
) -> Pool:
    """These training images, and what the generator draws under the conditions of images like them.

    looks: how many images a classifier looks at in its training; more are not drawn of a class.
    """
    labels = _labels(data)[real]
    counts = np.bincount(labels, minlength=data.spec.classes)
    wanted = drawn_labels([ALONE, *regimes], counts, most=looks)
    rng = numpy_generator(seed, "usefulness-conditions")
    like = np.concatenate(
        [np.resize(rng.permutation(real[labels == kind]), (wanted == kind).sum()) for kind in range(len(counts))]
    )
    images = quantised(drawn_images(generator, data, like, seed=derive_seed(seed, "usefulness-z")), data.levels)
    return Pool(labelled(data, real), Labelled(images, wanted))


def labelled(data: Prepared, indices: NDArray[np.int64]) -> Labelled:
    """Stored images, read as they are asked for, with their labels."""
    return Labelled(StoredImages(data, indices), _labels(data)[indices])


def _labels(data: Prepared) -> NDArray[np.int64]:
    if data.labels is None:
        raise MedganError("these images have no classes, so no classifier can learn from them")
    return data.labels
