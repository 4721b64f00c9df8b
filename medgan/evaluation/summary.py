"""A report in a few lines for people."""

import math
from collections.abc import Iterator

from medgan.evaluation.report import Report, SynthesisReport, TranslationReport


def summary(report: Report, way: str = "") -> Iterator[tuple[str, str]]:
    """List what was measured, each with figures to measure it against. way: the name of the way of drawing."""
    return _synthesis(report) if isinstance(report, SynthesisReport) else _translation(report, way)


def _synthesis(report: SynthesisReport) -> Iterator[tuple[str, str]]:
    quality, floor = report.quality, report.floor
    interval = f"[{quality.fid_low:.3f}, {quality.fid_high:.3f}]"
    protocol = f"({quality.split}, n = {quality.n:,})"
    yield f"FID ({quality.extractor})", f"{quality.fid:.3f} {interval}, floor {floor.fid:.3f}  {protocol}"
    if len(quality.groups) > 1:
        worst, same = quality.groups[quality.worst], floor.groups[quality.worst]
        yield "worst class", f"{quality.worst}, FID {worst.fid:.3f}, floor {same.fid:.3f}  (n = {worst.n:,})"
    yield "KID", f"{quality.kid:.5f}, floor {floor.kid:.5f}"
    yield (
        "precision, recall",
        f"{quality.precision:.3f}, {quality.recall:.3f}  ({_real(floor.precision, floor.recall)})",
    )
    yield (
        "density, coverage",
        f"{quality.density:.3f}, {quality.coverage:.3f}  ({_real(floor.density, floor.coverage)})",
    )
    if report.agreement is not None:
        yield "class agreement", f"{report.agreement.generated:.3f}  (real: {report.agreement.real:.3f})"
    if report.inception is not None:
        yield "inception score", f"{report.inception.generated:.3f}  (real: {report.inception.real:.3f})"
    if report.lesion is not None:
        generated, real = (_known(figures.iou) for figures in (report.lesion.generated, report.lesion.real))
        yield "lesion IoU", f"{generated:.3f}  (real: {real:.3f})"
    yield "copied share", f"{report.copied:.3f}"


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


def _known(figure: float | None) -> float:
    return math.nan if figure is None else figure
