"""A report in a few lines for people."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from medgan.evaluation.copying.figures import MOST_ALARMS, CopyAudit
from medgan.evaluation.report import Opinion, Report, SynthesisReport, TranslationReport
from medgan.evaluation.two_sample import Measured, TwoSamples
from medgan.scores.figures import Fidelity

_SHIPPED = (
    *("fid", "fid_low", "fid_high", "kid", "precision", "recall", "density", "coverage"),
    *("mae", "mae_low", "mae_high", "standard", "extractor", "digest", "n", "split"),
)


def summary(report: Report, way: str = "") -> Iterator[tuple[str, str]]:
    """List what was measured, each with figures to measure it against. way: the name of the way of drawing."""
    return _synthesis(report) if isinstance(report, SynthesisReport) else _translation(report, way)


def shipped_scores(report: Report) -> dict[str, Any]:
    """Choose what an exported file says of its quality: scores, how they were taken, and the verdicts of the judges."""
    quality = asdict(report.quality)
    scores = {key: quality[key] for key in _SHIPPED if key in quality}
    if isinstance(report, SynthesisReport):
        scores["floor"] = report.floor.fid
        told_apart = report.two_sample and report.two_sample.generated.told_apart
        if told_apart:
            answers = told_apart.overall
            scores |= {key: asdict(answers)[key] for key in ("accuracy", "passing")}
        if report.copying is not None:
            scores["copies"] = report.copying.verdict
        scores |= {name: opinion.quality.fid for name, opinion in report.opinions.items()}
    return scores


def _synthesis(report: SynthesisReport) -> Iterator[tuple[str, str]]:
    quality, floor = report.quality, report.floor
    interval = f"[{quality.fid_low:.3f}, {quality.fid_high:.3f}]"
    protocol = f"({quality.split}, n = {quality.n:,})"
    yield f"FID ({quality.extractor})", f"{quality.fid:.3f} {interval}, floor {floor.fid:.3f}  {protocol}"
    if pooled := _judged_together(quality):
        yield "judged together", pooled
    if len(quality.groups) > 1:
        worst, same = quality.groups[quality.worst], floor.groups[quality.worst]
        yield "worst class", f"{quality.worst}, FID {worst.fid:.3f}, floor {same.fid:.3f}  (n = {worst.n:,})"
    yield "KID", f"{_within(quality, 'kid', 5)}, floor {floor.kid:.5f}"
    for one, other in (("precision", "recall"), ("density", "coverage")):
        figures = ", ".join(_within(quality, name, 3) for name in (one, other))
        yield f"{one}, {other}", f"{figures}  ({_real(getattr(floor, one), getattr(floor, other))})"
    if report.agreement is not None:
        yield "class agreement", f"{report.agreement.generated:.3f}  (real: {report.agreement.real:.3f})"
    if report.inception is not None:
        yield "inception score", f"{report.inception.generated:.3f}  (real: {report.inception.real:.3f})"
    if report.lesion is not None:
        generated, real = (_known(figures.iou) for figures in (report.lesion.generated, report.lesion.real))
        yield "lesion IoU", f"{generated:.3f}  (real: {real:.3f})"
    for name, opinion in report.opinions.items():
        yield f"FID ({name})", _opinion(opinion)
    if report.two_sample is not None:
        yield from _two_samples(report.two_sample)
    if report.copying is not None:
        yield from _copying(report.copying)


def _within(quality: Fidelity, name: str, digits: int) -> str:
    """Name a figure with its margin, where it is known."""
    margin = f" ± {quality.margins[name]:.{digits}f}" if name in quality.margins else ""
    return f"{getattr(quality, name):.{digits}f}{margin}"


def _judged_together(quality: Fidelity) -> str:
    """Say which classes have too few images for a FID of their own, and their KID."""
    small = {name: part for name, part in quality.classes.items() if name not in quality.groups}
    listed = (
        f"{name} {'unknown' if part.kid is None else f'{part.kid:.5f}'} (n = {part.n:,})"
        for name, part in small.items()
    )
    return f"{', '.join(listed)}: too few images for a FID of their own; this is their KID" if small else ""


def _opinion(opinion: Opinion) -> str:
    quality, floor = opinion.quality, opinion.floor
    figures = f"{quality.fid:.3f} [{quality.fid_low:.3f}, {quality.fid_high:.3f}], floor {floor.fid:.3f}, "
    return f"{figures}KID {quality.kid:.5f}, floor {floor.kid:.5f}  (all classes together)"


def _two_samples(tests: TwoSamples) -> Iterator[tuple[str, str]]:
    drawn, real = tests.generated.told_apart, tests.real.told_apart
    if drawn is not None and real is not None:
        ours, theirs = drawn.overall, real.overall
        yield "told apart", f"{_interval(ours.accuracy)}  (real: {_value(theirs.accuracy)}, ideal: .5)"
        if ours.log_loss and theirs.log_loss:
            yield "log-loss of that", f"{ours.log_loss.value:.4f}  (real: {theirs.log_loss.value:.4f}, ideal: 0.6931)"
        yield "passing for real", f"{_interval(ours.passing)}  (real: {_value(theirs.passing)}, ideal: .95)"
    neighbours = (tests.generated.nearest, tests.real.nearest)
    of_features, of_pixels = (
        "{:.3f} ({:.3f})".format(*(getattr(side, space).accuracy.value for side in neighbours))
        for space in ("features", "pixels")
    )
    yield "1-nearest neighbour", f"features {of_features}, pixels {of_pixels}  (real)"


def _value(figure: Measured | None) -> str:
    return "unknown" if figure is None else f"{figure.value:.3f}"


def _interval(figure: Measured | None) -> str:
    return "unknown" if figure is None else f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _translation(report: TranslationReport, way: str) -> Iterator[tuple[str, str]]:
    quality = report.quality
    interval = f"[{quality.mae_low:.4f}, {quality.mae_high:.4f}]"
    others = ", ".join(f"{answer} image: {mae:.4f}" for answer, mae in report.baselines.items())
    protocol = f"({quality.split}, n = {quality.n:,})"
    yield "MAE, back" if way else "MAE", f"{quality.mae:.4f} {interval}, {others}  {protocol}"
    standard = quality.standard
    yield "PSNR, SSIM", f"{standard.psnr:.2f} dB, {_known(standard.ssim):.3f}  (piq, on [0, 1])"
    if quality.kid is not None and report.floor is not None:
        yield f"KID ({quality.extractor})", f"{quality.kid:.4f}, floor {report.floor.kid:.4f}"


def _real(first: float, second: float) -> str:
    return f"real: {first:.3f}, {second:.3f}"


def _copying(audit: CopyAudit) -> Iterator[tuple[str, str]]:
    found, members = audit.found, audit.membership
    share = f"{100 * found.share:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"
    trust = f"finds {100 * audit.planted:.0f} % of planted ones; false alarms: "
    trust += f"{100 * audit.false_alarms:.1f} % of images, {100 * audit.alarms:.0f} % of sets"
    trust += ", too many to find any for sure" if audit.alarms > MOST_ALARMS else ""
    unseen = f"; misses over 10 % of: {', '.join(audit.unseen)}" if audit.unseen else ""
    ways = "any kind" if len(audit.overlooked) == len(audit.power) else ", ".join(audit.overlooked)
    unseen += f"; may overlook sets with 10 % of: {ways}" if audit.overlooked else ""
    yield "copies", f"{audit.verdict}: {share}  ({trust}{unseen})"
    yield (
        "membership",
        f"AUC {members.auc:.3f} [{members.low:.3f}, {members.high:.3f}]  (.5: nobody can tell)",
    )


def _known(figure: float | None) -> float:
    return math.nan if figure is None else figure
