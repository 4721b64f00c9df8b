"""How near a set of images is to a set of real ones, on features of one embedder, class by class.

FID: Heusel et al. 2017. KID: Bińkowski et al. 2018, with a Gaussian kernel, by torch-fidelity's own function.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from medgan.errors import MedganError
from medgan.scores.figures import ClassFidelity, Fidelity, GroupFidelity
from medgan.scores.frechet import distance, distance_of_groups, statistics
from medgan.scores.groups import Rows, groups
from medgan.scores.images import Classifier, Embedder, ImageSet
from medgan.scores.jackknife import Side, deviation, difference_deviation
from medgan.scores.neighbours import NEIGHBOURS, Features, density_and_coverage, precision_and_recall
from medgan.seeds import derive_seed

_KID_SUBSET, _KID_SUBSETS = 1000, 10
# Beside FID, by their names; and the resamples behind their intervals, which take longer than those of a distance.
_FIGURES = ("kid", "precision", "recall", "density", "coverage")
_RESAMPLES = 20


def measure(
    embedder: Embedder,
    images: ImageSet,
    real: ImageSet,
    *,
    alike: ImageSet,
    names: Sequence[str] = (),
    split: str,
    resamples: int,
    seed: int,
) -> Fidelity:
    """Every figure at once, of generated images; or of real training images, which gives the floor.

    names: of the classes. With them, and where the images have labels, each class is compared with its like, and both
    sides must have as many images of it. alike: other real images, as many of each class, which say what chance does.
    split: that of the real images. resamples: behind the interval, at least 2.
    Raises MedganError for sets of different sizes, because FID depends on n.
    """
    generated, truth = _features(embedder, images, real)
    rows = _matched_rows(images, real, names, dimensions=truth.shape[1])
    figures = {
        name: _group(embedder, generated[ours], truth[theirs], seed=seed) for name, (ours, theirs) in rows.items()
    }
    means = {key: float(np.mean([getattr(group, key) for group in figures.values()])) for key in ("fid", *_FIGURES)}
    sides, alike_sides = (_sides(embedder, side, real, names) for side in (images, alike))
    margin = 1.96 * difference_deviation(distance_of_groups, sides, alike_sides, resamples=resamples, seed=seed)
    margin = margin if math.isfinite(margin) else means["fid"]  # JSON has no infinity
    return Fidelity(
        **means,
        fid_low=means["fid"] - margin,
        fid_high=means["fid"] + margin,
        groups=figures,
        margins=_margins(embedder, sides, alike_sides, resamples=min(resamples, _RESAMPLES), seed=seed),
        classes=_by_class(embedder, images, real, names, known=figures, seed=seed),
        extractor=embedder.name,
        digest=embedder.digest,
        n=len(images),
        split=split,
    )


def kid(embedder: Embedder, images: ImageSet, real: ImageSet, *, seed: int) -> float:
    """KID alone of all images together, which unlike FID has no bias on few. Raises MedganError as `measure` does."""
    return _kid(embedder, *_features(embedder, images, real), seed=seed)


def margin_between(
    embedder: Embedder,
    one: ImageSet,
    other: ImageSet,
    real: ImageSet,
    *,
    names: Sequence[str] = (),
    resamples: int,
    seed: int,
) -> float:
    """1.96 standard deviations of the difference of two FIDs against the same real images.

    It is below that of two FIDs that were taken apart: the real images err in the same way for both. Infinite where a
    group has too few patients to know.
    """
    (first, truth), (second, _) = (_sides(embedder, side, real, names) for side in (one, other))
    margin: float = 1.96 * deviation(
        lambda ours, theirs, true: distance_of_groups(ours, true) - distance_of_groups(theirs, true),
        [first, second, truth],
        resamples=resamples,
        seed=seed,
    )
    return margin


def agreement(classifier: Classifier, images: ImageSet) -> float:
    """Share, 0 to 1, of images in which the classifier sees the class that they were drawn as."""
    assert images.labels is not None
    return float((images.classes(classifier) == images.labels).mean())


def inception_score(classifier: Classifier, images: ImageSet, *, seed: int) -> float:
    """IS (Salimans et al. 2016) by the classifier of these data: 1 to its number of classes, higher is better.

    It is high where each image is surely of one class, and all classes are drawn alike; of a class it sees nothing.
    """
    from torch_fidelity.metric_isc import isc_features_to_metric  # noqa: PLC0415 (brings torchvision, in seconds)

    logits = torch.from_numpy(images.logits(classifier))
    figures = isc_features_to_metric(logits, rng_seed=derive_seed(seed, "inception") % 2**32)
    return float(figures["inception_score_mean"])


def _features(embedder: Embedder, images: ImageSet, real: ImageSet) -> tuple[Features, Features]:
    if len(images) != len(real):
        raise MedganError(f"{len(images)} images against {len(real)}: FID depends on n, so both sides need as many")
    return images.features(embedder), real.features(embedder)


def _matched_rows(
    images: ImageSet, real: ImageSet, names: Sequence[str], *, dimensions: int
) -> dict[str, tuple[Rows, Rows]]:
    """Rows of either set by the name of their group. Raises MedganError where a class has not as many of both."""
    if images.labels is None or real.labels is None or not names:
        both = np.arange(len(real))
        return dict.fromkeys(groups(None, names, n=len(real), dimensions=dimensions), (both, both))
    ours, theirs = (np.bincount(labels, minlength=len(names)) for labels in (images.labels, real.labels))
    for name, one, other in zip(names, ours, theirs, strict=True):
        if one != other:
            raise MedganError(f"{one} images of {name} against {other} real ones: each class needs as many of both")
    found = groups(real.labels, names, n=len(real), dimensions=dimensions)
    return {
        name: (np.flatnonzero(np.isin(images.labels, np.unique(real.labels[rows]))), rows)
        for name, rows in found.items()
    }


def _sides(embedder: Embedder, images: ImageSet, real: ImageSet, names: Sequence[str]) -> tuple[Side, Side]:
    """Both sides with the rows of each group."""
    ours, theirs = _features(embedder, images, real)
    rows = _matched_rows(images, real, names, dimensions=theirs.shape[1]).values()
    return (
        Side(ours, [ours for ours, _ in rows], images.patients),
        Side(theirs, [theirs for _, theirs in rows], real.patients),
    )


def _margins(
    embedder: Embedder, sides: tuple[Side, Side], alike: tuple[Side, Side], *, resamples: int, seed: int
) -> dict[str, float]:
    """1.96 standard deviations of the means over groups of _FIGURES; empty where a group has too few patients."""

    def figures(generated: Sequence[Features], truth: Sequence[Features]) -> NDArray[np.float64]:
        pairs = zip(generated, truth, strict=True)
        means: NDArray[np.float64] = np.mean([_figures(embedder, *pair, seed=seed) for pair in pairs], axis=0)
        return means

    margins = 1.96 * difference_deviation(figures, sides, alike, resamples=resamples, seed=seed)
    return dict(zip(_FIGURES, margins.tolist(), strict=True)) if np.isfinite(margins).all() else {}


def _group(embedder: Embedder, generated: Features, truth: Features, *, seed: int) -> GroupFidelity:
    figures = dict(zip(_FIGURES, _figures(embedder, generated, truth, seed=seed), strict=True))
    return GroupFidelity(n=len(truth), fid=distance(statistics(generated), statistics(truth)), **figures)


def _figures(embedder: Embedder, generated: Features, truth: Features, *, seed: int) -> tuple[float, ...]:
    """_FIGURES."""
    precision, recall = precision_and_recall(generated, truth)
    density, coverage = density_and_coverage(generated, truth)
    return _kid(embedder, generated, truth, seed=seed), precision, recall, density, coverage


def _by_class(
    embedder: Embedder,
    images: ImageSet,
    real: ImageSet,
    names: Sequence[str],
    *,
    known: Mapping[str, GroupFidelity],
    seed: int,
) -> dict[str, ClassFidelity]:
    """Every class by itself; figures where either side has images enough for neighbours.

    known: figures of groups, such as the classes that are judged apart.
    """
    if images.labels is None or real.labels is None or not names:
        return {}
    generated, truth = images.features(embedder), real.features(embedder)
    found = {}
    for code, name in enumerate(names):
        ours, theirs = generated[images.labels == code], truth[real.labels == code]
        found[name] = ClassFidelity(len(theirs))
        group = known.get(name)
        if group is not None and group.n == len(theirs):
            found[name] = ClassFidelity(group.n, group.kid, group.recall, group.coverage)
        elif min(len(ours), len(theirs)) > NEIGHBOURS:
            found[name] = ClassFidelity(
                n=len(theirs),
                kid=_kid(embedder, ours, theirs, seed=seed),
                recall=precision_and_recall(ours, theirs)[1],
                coverage=density_and_coverage(ours, theirs)[1],
            )
    return found


def _kid(embedder: Embedder, generated: Features, truth: Features, *, seed: int) -> float:
    """Of all images at once up to a thousand, and the mean over subsets of a thousand beyond.

    By a Gaussian kernel where the embedder has one: on features of fid_domain torch-fidelity's cubic one sees halves of
    two images joined, or faint noise, far less surely.
    """
    from torch_fidelity.metric_kid import kid_features_to_metric  # noqa: PLC0415 (brings torchvision, in seconds)

    least, width = min(len(generated), len(truth)), embedder.kernel_width
    size = min(_KID_SUBSET, least)
    kernel = {"kid_kernel": "poly"} if width is None else {"kid_kernel": "rbf", "kid_kernel_rbf_sigma": width}
    figures = kid_features_to_metric(
        torch.from_numpy(generated).double(),
        torch.from_numpy(truth).double(),
        **kernel,
        kid_subsets=1 if size == least else _KID_SUBSETS,
        kid_subset_size=size,
        rng_seed=derive_seed(seed, "kid") % 2**32,
        verbose=False,
    )
    return float(figures["kernel_inception_distance_mean"])
