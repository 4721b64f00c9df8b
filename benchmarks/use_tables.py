"""Tables of studies of usefulness."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
from scipy.stats import spearmanr

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


def tables(found: Usefulness) -> Iterator[str]:
    """One for each number of real images."""
    for size in found.sizes:
        yield from ("", f"## {size_of(size)} real images a class: {size.verdict}", "")
        yield f"| {' | '.join(_COLUMNS)} |"
        yield "| --- " * len(_COLUMNS) + "|"
        yield from (_row(name, regime, size) for name, regime in size.regimes.items())
        yield ""
        for name, each in size.decisive.items():
            yield f"- {size.chosen} less {name}: {_difference(each)} points, p {each.adjusted_p:.3f}"


def predictors(used: Sequence[Used]) -> Iterator[str]:
    """Rank correlations of what is measured of a generator with what its images are good for."""
    yield from ("", f"## What predicts use, over {len(used)} generators", "")
    yield "Spearman's rank correlation, 95 % interval by resampled generators; numbers of real images differ."
    yield from ("", "| figure | with drawn images alone | with the gain |", "| --- | --- | --- |")
    alone, gain = (np.array([each[use] for each in used], dtype=float) for use in (1, 2))
    for name in asdict(used[0][0]):
        figure = np.array([getattr(quality, name) for quality, _, _ in used])
        yield f"| {name} | {_correlation(figure, alone)} | {_correlation(figure, gain)} |"


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


def _correlation(figure: np.ndarray, use: np.ndarray) -> str:
    if not np.ptp(figure) or not np.ptp(use):
        return "all alike"
    rng = numpy_generator(0, "predictors")
    resampled = [rng.integers(len(use), size=len(use)) for _ in range(_RESAMPLES)]
    values = [
        float(spearmanr(figure[rows], use[rows]).statistic)
        for rows in resampled
        if np.ptp(figure[rows]) and np.ptp(use[rows])
    ]
    low, high = np.quantile(values, (0.025, 0.975))
    return f"{float(spearmanr(figure, use).statistic):+.2f} [{low:+.2f}, {high:+.2f}]"
