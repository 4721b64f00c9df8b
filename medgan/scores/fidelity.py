"""How near a set of images is to a set of real ones, on features of one embedder, by torch-fidelity's own functions.

FID: Heusel et al. 2017. KID: Bińkowski et al. 2018. Precision and recall: Kynkäänniemi et al. 2019.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from medgan.errors import MedganError
from medgan.scores.figures import Fidelity
from medgan.scores.frechet import distance, statistics
from medgan.scores.images import Classifier, Embedder, ImageSet
from medgan.seeds import derive_seed, numpy_generator

Features = NDArray[np.float32]


def measure(embedder: Embedder, images: ImageSet, real: ImageSet, *, split: str, bootstrap: int, seed: int) -> Fidelity:
    """Every figure at once, of generated images; or of real training images, which gives the floor.

    split: that of the real images. bootstrap: resamples behind the interval, at least 2.
    Raises MedganError for sets of different sizes, because FID depends on n.
    """
    from torch_fidelity.metric_prc import prc_features_to_metric  # noqa: PLC0415 (brings torchvision, in seconds)

    generated, truth = _features(embedder, images, real)
    fid = distance(statistics(generated), statistics(truth))
    deviation = _bootstrap_deviation(generated, truth, bootstrap, seed)
    prc = prc_features_to_metric(torch.from_numpy(generated), torch.from_numpy(truth), verbose=False)
    return Fidelity(
        fid=fid,
        fid_low=fid - 1.96 * deviation,
        fid_high=fid + 1.96 * deviation,
        kid=kid(embedder, images, real, seed=seed),
        precision=float(prc["precision"]),
        recall=float(prc["recall"]),
        extractor=embedder.name,
        digest=embedder.digest,
        n=len(images),
        split=split,
    )


def kid(embedder: Embedder, images: ImageSet, real: ImageSet, *, seed: int) -> float:
    """KID alone, which unlike FID has no bias on few images. Raises MedganError as `measure` does."""
    from torch_fidelity.metric_kid import kid_features_to_metric  # noqa: PLC0415 (as above)

    generated, truth = _features(embedder, images, real)
    figures = kid_features_to_metric(
        torch.from_numpy(generated),
        torch.from_numpy(truth),
        kid_subsets=50,
        kid_subset_size=min(1000, len(generated) // 2),
        rng_seed=derive_seed(seed, "kid") % 2**32,
        verbose=False,
    )
    return float(figures["kernel_inception_distance_mean"])


def agreement(classifier: Classifier, images: ImageSet) -> float:
    """Share, 0 to 1, of images in which the classifier sees the class that they were drawn as."""
    assert images.labels is not None
    return float((images.classes(classifier) == images.labels).mean())


def _features(embedder: Embedder, images: ImageSet, real: ImageSet) -> tuple[Features, Features]:
    if len(images) != len(real):
        raise MedganError(f"{len(images)} images against {len(real)}: FID depends on n, so both sides need as many")
    return images.features(embedder), real.features(embedder)


def _bootstrap_deviation(a: Features, b: Features, resamples: int, seed: int) -> float:
    """Standard deviation of the FID when both sides are resampled with replacement.

    Not percentiles: a resample holds each image 0, 1, 2 or more times, which raises every resampled FID, so that the
    measured one would often lie below its own interval.
    """
    rng = numpy_generator(seed, "bootstrap")
    values = [
        distance(*(statistics(side[rng.integers(len(side), size=len(side))]) for side in (a, b)))
        for _ in range(resamples)
    ]
    return float(np.std(values, ddof=1))
