"""A report in a few lines for people."""

import math
from collections.abc import Iterator

from medgan.evaluation.copying.figures import CopyAudit
from medgan.evaluation.report import Report, SynthesisReport, TranslationReport


def summary(report: Report, way: str = "") -> Iterator[tuple[str, str]]:
    """List what was measured, each with figures to measure it against. way: the name of the way of drawing."""
    return _synthesis(report) if isinstance(report, SynthesisReport) else _translation(report, way)


def _synthesis(report: SynthesisReport) -> Iterator[tuple[str, str]]:
    quality, floor = report.quality, report.floor
    interval = f"[{quality.fid_low:.3f}, {quality.fid_high:.3f}]"
    protocol = f"({quality.split}, n = {quality.n:,})"
    yield f"FID ({quality.extractor})", f"{quality.fid:.3f} {interval}, floor {floor.fid:.3f}  {protocol}"
    yield "precision, recall", f"{quality.precision:.3f}, {quality.recall:.3f}  (real: {floor.recall:.3f})"
    if report.agreement is not None:
        yield "class agreement", f"{report.agreement.generated:.3f}  (real: {report.agreement.real:.3f})"
    if report.lesion is not None:
        generated, real = (_known(figures.iou) for figures in (report.lesion.generated, report.lesion.real))
        yield "lesion IoU", f"{generated:.3f}  (real: {real:.3f})"
    if report.copying is not None:
        yield from _copying(report.copying)


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


def _copying(audit: CopyAudit) -> Iterator[tuple[str, str]]:
    found, members = audit.found, audit.membership
    share = f"{100 * found.share:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"
    trust = f"finds {100 * audit.planted:.0f} % of planted copies on these data, false alarms "
    trust += f"{100 * audit.false_alarms:.1f} %"
    unseen = f"; sees few of: {', '.join(audit.unseen)}" if audit.unseen else ""
    yield "copies", f"{audit.verdict}: {share}  ({trust}{unseen})"
    yield (
        "membership",
        f"AUC {members.auc:.3f} [{members.low:.3f}, {members.high:.3f}]  (0.5: training images are no nearer)",
    )


def _known(figure: float | None) -> float:
    return math.nan if figure is None else figure
