"""Tables of studies of usefulness."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.drawers import Quality
from medgan.evaluation.two_sample import Measured
from medgan.scores.classifying import Lessons
from medgan.seeds import numpy_generator
from medgan.usefulness.comparison import Difference
from medgan.usefulness.report import UNSEEN, RegimeFigures, SizeFigures, Usefulness
from medgan.usefulness.verdict import size_of, smallest_seen

# Of each generator: how good it is, the balanced accuracy of a classifier that learns from its images alone, and by how
# much they raise that of one that learns from real ones.
Used = tuple[Quality, float, float]

_RESAMPLES = 1000
_COLUMNS = (
    "regime",
    "images",
    "balanced accuracy",
    "less augmented, points",
    "accuracy",
    "AUC",
    "calibration error",
    "steps to 95 % of real",
)
_TWO = 2  # classes, whose errors of type II are those of type I of the other


def head(command: str, title: str, about: str, lessons: Lessons, found: Usefulness) -> list[str]:
    """about: the generators."""
    return [
        f"# Usefulness: {title}",
        "",
        f"`{command}`: {found.seeds} seeds, each with real images drawn for it and a generator ({about}). Classifier "
        f"{found.classifier}, {found.steps:,} steps of {lessons.batch} images in every regime, random changes: "
        f"{', '.join(lessons.augment)}. {found.n:,} test images of {found.patients:,} patients. Intervals in points "
        "are adjusted within a size; those that decide, over all sizes. Errors of type I of a class: images of others "
        "that are called so; of type II: images of it that are not.",
        "",
        f"**{found.sentence[0].upper()}{found.sentence[1:]}.**",
    ]


def tables(found: Usefulness, used: Sequence[Sequence[Used]], shared: Sequence[float]) -> Iterator[str]:
    """One for each number of real images, of whose generators `used` tells.

    shared: which share of their real images two seeds have in common, in the mean.
    """
    for size, of_size, common in zip(found.sizes, used, shared, strict=True):
        classes = list(size.counts) if len(size.counts) == _TWO else []
        columns = [*_COLUMNS, *(f"type I of {name}" for name in classes)]
        yield from ("", f"## {size_of(size)} real images a class: {size.verdict}", "")
        yield f"Two seeds have {100 * common:.0f} % of their real images in common. {_generators(of_size)}"
        yield from ("", f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|")
        yield from (_row(name, regime, size, classes) for name, regime in size.regimes.items())
        yield ""
        for name, each in size.decisive.items():
            yield f"- {size.chosen} less {name}: {_difference(each)} points, p {each.adjusted_p:.3f}"
        if size.verdict == UNSEEN:
            yield f"- {smallest_seen(size)}"
        for kind, changes in (("I", size.type_1), ("II", size.type_2)):
            told = ", ".join(f"{name} {_difference(each)}" for name, each in changes.items())
            yield f"- errors of type {kind}, {size.chosen} less augmented, points: {told}"


def figures(used: Used) -> dict[str, float]:
    """All that is known of a generator, by name."""
    quality, alone, gain = used
    return {**asdict(quality), "alone": alone, "gain": gain}


def predictors(studies: Sequence[Sequence[Mapping[str, Any]]], over: str) -> Iterator[str]:
    """Rank correlations of what is measured of a generator with what its images are good for.

    studies: `figures` of their generators, each of which has its rank among those of its own study. over: for people.
    """
    yield from ("", f"## What predicts use, over {over}", "")
    yield "Spearman's rank correlation, 95 % interval by resampled generators."
    yield from ("", "| figure | with drawn images alone | with the gain |", "| --- | --- | --- |")
    rng = numpy_generator(0, "predictors")
    rows = [[rng.integers(len(each), size=len(each)) for each in studies] for _ in range(_RESAMPLES)]
    for name in (field.name for field in fields(Quality)):
        yield f"| {name} | {_correlation(studies, name, 'alone', rows)} | {_correlation(studies, name, 'gain', rows)} |"


def _generators(used: Sequence[Used]) -> str:
    """What they reach, one of each seed."""
    titles = {
        "fid": "FID",
        "told_apart": "told apart",
        "passing": "passing",
        "agreement": "as asked",
        "copied": "copied",
    }
    reached = {title: [getattr(quality, name) for quality, _, _ in used] for name, title in titles.items()}
    cells = [f"{title} {np.mean(each):.3g} ± {np.std(each, ddof=1):.2g}" for title, each in reached.items()]
    return f"The generators, mean ± sd: {', '.join(cells)}."


def _row(name: str, regime: RegimeFigures, size: SizeFigures, classes: Sequence[str]) -> str:
    """classes: of those columns that have errors of type I."""
    differences = {**size.others, f"{size.chosen} - augmented": size.decisive["augmented"]}
    difference = differences.get(f"{name} - augmented")
    cells = [
        name,
        f"{regime.images:,}",
        _estimate(regime.figures["balanced_accuracy"]),
        _difference(difference) if difference else "",
        *(f"{regime.figures[key].value:.3f}" for key in ("accuracy", "auc", "calibration_error")),
        str(regime.steps or "not reached"),
        *(_estimate(regime.type_1[each]) for each in classes),
    ]
    return f"| {' | '.join(cells)} |"


def _estimate(found: Measured) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _difference(found: Difference) -> str:
    return f"{100 * found.value:+.1f} [{100 * found.adjusted_low:+.1f}, {100 * found.adjusted_high:+.1f}]"


def _correlation(
    studies: Sequence[Sequence[Mapping[str, Any]]], figure: str, use: str, rows: Sequence[Sequence[NDArray[np.int64]]]
) -> str:
    """rows: of each study, once for each time that it is drawn anew."""
    columns = [np.array([[each[figure], each[use]] for each in study], dtype=float) for study in studies]
    found = _of_ranks(columns)
    if np.isnan(found):
        return "all alike"
    resampled = [_of_ranks([column[row] for column, row in zip(columns, drawn, strict=True)]) for drawn in rows]
    low, high = np.nanquantile(resampled, (0.025, 0.975))
    return f"{found:+.2f} [{low:+.2f}, {high:+.2f}]"


def _of_ranks(studies: Sequence[NDArray[np.float64]]) -> float:
    """The correlation of ranks within studies; of one it is Spearman's. NaN where all have the same rank."""
    ranks = np.concatenate([(rankdata(each, axis=0) - (len(each) + 1) / 2) / len(each) for each in studies])
    if not ranks.any(axis=0).all():
        return float("nan")
    return float(np.corrcoef(ranks, rowvar=False)[0, 1])
