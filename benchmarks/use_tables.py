"""Tables of studies of usefulness."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.drawers import Quality
from medgan.evaluation.two_sample import Measured
from medgan.scores.classifying import Lessons
from medgan.seeds import numpy_generator
from medgan.usefulness.comparison import Difference
from medgan.usefulness.report import RegimeFigures, SizeFigures, Usefulness
from medgan.usefulness.verdict import size_of

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
    "type I",
    "type II",
    "steps to 95 % of real",
)


def head(command: str, title: str, about: str, lessons: Lessons, found: Usefulness) -> list[str]:
    """about: the generators."""
    return [
        f"# Usefulness: {title}",
        "",
        f"`{command}`: {found.seeds} seeds, each with real images of its own and a generator ({about}) that has seen "
        f"no others. Classifier {found.classifier}, {found.steps} steps of {lessons.batch} images in every regime, "
        f"random changes: {', '.join(lessons.augment)}. {found.n:,} test images of {found.patients:,} patients. "
        "Intervals in points are adjusted within a size; those that decide, over all sizes.",
        "",
        f"**{found.sentence[0].upper()}{found.sentence[1:]}.**",
    ]


def tables(found: Usefulness, used: Sequence[Sequence[Used]]) -> Iterator[str]:
    """One for each number of real images, of whose generators `used` tells."""
    for size, of_size in zip(found.sizes, used, strict=True):
        yield from ("", f"## {size_of(size)} real images a class: {size.verdict}", "", _generators(of_size), "")
        yield f"| {' | '.join(_COLUMNS)} |"
        yield "| --- " * len(_COLUMNS) + "|"
        yield from (_row(name, regime, size) for name, regime in size.regimes.items())
        yield ""
        for name, each in size.decisive.items():
            yield f"- {size.chosen} less {name}: {_difference(each)} points, p {each.adjusted_p:.3f}"


def figures(used: Used) -> dict[str, float]:
    """All that is known of a generator, by name."""
    quality, alone, gain = used
    return {**asdict(quality), "alone": alone, "gain": gain}


def predictors(studies: Sequence[Sequence[Mapping[str, float]]], over: str) -> Iterator[str]:
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


def _row(name: str, regime: RegimeFigures, size: SizeFigures) -> str:
    differences = {**size.others, f"{size.chosen} - augmented": size.decisive["augmented"]}
    difference = differences.get(f"{name} - augmented")
    errors = [float(np.mean([each.value for each in kind.values()])) for kind in (regime.type_1, regime.type_2)]
    cells = [
        name,
        f"{regime.images:,}",
        _estimate(regime.figures["balanced_accuracy"]),
        _difference(difference) if difference else "",
        *(f"{regime.figures[key].value:.3f}" for key in ("accuracy", "auc", "calibration_error")),
        *(f"{error:.3f}" for error in errors),
        str(regime.steps or "not reached"),
    ]
    return f"| {' | '.join(cells)} |"


def _estimate(found: Measured) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _difference(found: Difference) -> str:
    return f"{100 * found.value:+.1f} [{100 * found.adjusted_low:+.1f}, {100 * found.adjusted_high:+.1f}]"


def _correlation(
    studies: Sequence[Sequence[Mapping[str, float]]], figure: str, use: str, rows: Sequence[Sequence[NDArray[np.int64]]]
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
