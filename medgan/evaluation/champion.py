"""Who is champion: the gates that a generator must pass, and the comparison with the one before it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from medgan.data.spec import FEWEST_OF_A_CLASS
from medgan.evaluation.copying.figures import FOUND, CopyAudit
from medgan.evaluation.report import Report, SynthesisReport
from medgan.evaluation.two_sample import TwoSamples
from medgan.scores.figures import ClassFidelity, Fidelity, GroupFidelity, check_comparable

# By which torch's score and onnxruntime's of the same weights may differ; their margin is 0.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Verdict:
    """crowned: whether the challenger becomes champion. reasons: each in a sentence that stands alone."""

    crowned: bool
    reasons: tuple[str, ...]


def failed_gates(report: Report, parity: float, gates: Mapping[str, float]) -> list[str]:
    """One sentence for each gate that is not passed.

    gates: parity, recall and coverage (shares of the floor's) and passing, each in the worst class, and copies; 0 asks
    nothing of recall, coverage and passing.
    Translation has none of these but parity; it must be nearer to its targets than answers that look at nothing.
    """
    failed = []
    # `not <=` and `not >=`: a figure that is NaN passes no gate.
    if not parity <= gates["parity"]:
        failed.append(f"ONNX differs from torch by {parity:.2g}, above register.parity = {gates['parity']:g}")
    if isinstance(report, SynthesisReport):
        return [
            *failed,
            *(_too_few(report) if any(gates[key] for key in ("recall", "coverage", "passing")) else []),
            *_shares(report, gates),
            *(_passing(report.two_sample, gates["passing"]) if gates["passing"] else []),
            *_copies(report.copying, gates["copies"]),
        ]
    for answer, mae in report.baselines.items():
        if not report.quality.mae < mae:
            failed.append(f"MAE is {report.quality.mae:.4f}, that of the {answer} image {mae:.4f}")
    return failed


def _too_few(report: SynthesisReport) -> list[str]:
    few = [f"{part.n} ({name})" for name, part in _parts(report.quality).items() if part.n < FEWEST_OF_A_CLASS]
    if few:
        return [
            f"too few images to mean anything: {', '.join(few)}, of {FEWEST_OF_A_CLASS} at least; raise evaluate.n or "
            "add images"
        ]
    return []


def _shares(report: SynthesisReport, gates: Mapping[str, float]) -> list[str]:
    """Look at the worst class by each figure: others must not hide it."""
    failed, floor = [], _parts(report.floor)
    for key in ("recall", "coverage"):
        shares = {
            name: getattr(part, key) / max(getattr(floor[name], key), 1e-9)
            for name, part in _parts(report.quality).items()
            if getattr(part, key) is not None and getattr(floor[name], key) is not None
        }
        name = _worst(shares)
        if name is not None and not shares[name] >= gates[key]:
            where = f" of {name}" if len(shares) > 1 else ""
            failed.append(
                f"{key}{where} is {shares[name]:.2f} of real-against-real, below register.{key} = {gates[key]:g}"
            )
    return failed


def _parts(quality: Fidelity) -> Mapping[str, ClassFidelity | GroupFidelity]:
    """The classes; where there are none, all images."""
    return quality.classes or quality.groups


def _worst(figures: Mapping[str, float]) -> str | None:
    """Name of the least. A NaN is never the least for Python; it counts as the worst."""
    return min(figures, key=lambda name: figures[name] if figures[name] == figures[name] else -1.0, default=None)


def _passing(tests: TwoSamples | None, least: float) -> list[str]:
    told_apart = tests and tests.generated.told_apart
    if not told_apart:
        return ["nobody asked whether its images can be told from real ones; evaluate again"]
    parts = told_apart.classes if len(told_apart.classes) > 1 else {}
    figures = {f" of {name}": part.passing.value for name, part in parts.items() if part.passing}
    if told_apart.overall.passing:
        figures[""] = told_apart.overall.passing.value
    where = _worst(figures)
    if where is None:
        return [f"{told_apart.overall.n} images are too few to tell whether they pass for real; raise evaluate.n"]
    if not figures[where] >= least:
        return [f"{100 * figures[where]:.1f} % of its images{where} pass for real, below register.passing = {least:g}"]
    return []


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
    margin: by how much they must differ, infinite where nobody knows; without it, as if they had been scored on test
    images of their own, which crowns too seldom rather than too often.
    Raises MedganError for reports of different protocols.
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
    against = f"{ours.key.upper()} {ours.value:.4g} against the champion's {theirs.value:.4g}"
    if math.isinf(margin):
        return Verdict(
            False, (f"{against}: too few patients to say which is better; add patients or raise evaluate.n",)
        )
    against += f", interval {margin:.2g}"
    if theirs.value - ours.value > max(margin, _ROUNDING):
        return Verdict(True, (f"{against}: better beyond the interval",))
    return Verdict(False, (f"{against}: not better beyond the interval",))
