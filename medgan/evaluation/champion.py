"""Who is champion: the gates that a generator must pass, and the comparison with the one before it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from medgan.evaluation.copying.figures import FOUND, CopyAudit
from medgan.evaluation.report import Report, SynthesisReport
from medgan.scores.figures import check_comparable

# By which torch's score and onnxruntime's of the same weights may differ; their margin is 0.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Verdict:
    """crowned: whether the challenger becomes champion. reasons: each in a sentence that stands alone."""

    crowned: bool
    reasons: tuple[str, ...]


def failed_gates(report: Report, parity: float, gates: Mapping[str, float]) -> list[str]:
    """One sentence for each gate that is not passed. gates: parity, recall (share of the floor's), copies.

    Translation has no recall and nothing to copy; it must be nearer to its targets than answers that look at nothing.
    """
    failed = []
    # `not <=` and `not >=`: a figure that is NaN passes no gate.
    if not parity <= gates["parity"]:
        failed.append(f"ONNX differs from torch by {parity:.2g}, above register.parity = {gates['parity']:g}")
    if isinstance(report, SynthesisReport):
        share = report.quality.recall / max(report.floor.recall, 1e-9)
        if not share >= gates["recall"]:
            failed.append(f"recall is {share:.2f} of real-against-real, below register.recall = {gates['recall']:g}")
        return failed + _copies(report.copying, gates["copies"])
    for answer, mae in report.baselines.items():
        if not report.quality.mae < mae:
            failed.append(f"MAE is {report.quality.mae:.4f}, that of the {answer} image {mae:.4f}")
    return failed


def _copies(audit: CopyAudit | None, most: float) -> list[str]:
    if audit is None:
        return ["nobody looked for copies of training images; evaluate again"]
    share = f"{100 * audit.found.share:.1f} % of the images"
    if not audit.found.share <= most:
        return [f"{share} copy training images, above register.copies = {most:g}"]
    if audit.verdict == FOUND:
        return [f"copies of training images are found, in {share} (chance in honest ones: {audit.p:.1g})"]
    return []


def decide(
    failed: list[str], challenger: Report, champion: Report | str | None, *, margin: float | None = None
) -> Verdict:
    """Crown the challenger only where no gate has failed and it is better than the champion beyond the margin.

    champion: its report; None where there is no champion, and the challenger is crowned; a sentence where it cannot be
    scored under this protocol, and the challenger is refused with it.
    margin: by how much they must differ; without it, as if they had been scored on test images of their own, which
    crowns too seldom rather than too often. Raises MedganError for reports of different protocols.
    """
    if failed:
        return Verdict(False, tuple(failed))
    if champion is None:
        return Verdict(True, ("first generator to pass the gates",))
    if isinstance(champion, str):
        return Verdict(False, (champion,))
    check_comparable(challenger.quality, champion.quality)
    ours, theirs = challenger.headline, champion.headline
    if margin is None:
        margin = math.hypot(ours.high - ours.value, theirs.high - theirs.value)
    figures = f"{ours.value:.4g} against the champion's {theirs.value:.4g}, interval {margin:.2g}"
    against = f"{ours.key.upper()} {figures}"
    if theirs.value - ours.value > max(margin, _ROUNDING):
        return Verdict(True, (f"{against}: better beyond the interval",))
    return Verdict(False, (f"{against}: not better beyond the interval",))
