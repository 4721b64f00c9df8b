"""Who is champion: the gates that a generator must pass, and the comparison with the one before it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# By which torch's score and onnxruntime's of the same weights may differ; their margin is 0.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Verdict:
    """crowned: whether the challenger becomes champion. reasons: each in a sentence that stands alone."""

    crowned: bool
    reasons: tuple[str, ...]


def failed_gates(metrics: Mapping[str, Any], parity: float, gates: Mapping[str, float]) -> list[str]:
    """One sentence for each gate that is not passed. gates: parity, recall (share of the floor's), copies.

    Translation has no recall and nothing to copy; it must be nearer to its targets than answers that look at nothing.
    """
    failed = []
    # `not <=` and `not >=`: a figure that is NaN passes no gate.
    if not parity <= gates["parity"]:
        failed.append(f"ONNX differs from torch by {parity:.2g}, above register.parity = {gates['parity']:g}")
    for answer, mae in metrics.get("baselines", {}).items():
        if not metrics["quality"]["mae"] < mae:
            failed.append(f"MAE is {metrics['quality']['mae']:.4f}, that of the {answer} image {mae:.4f}")
    if "recall" in metrics["quality"]:
        share = metrics["quality"]["recall"] / max(metrics["floor"]["recall"], 1e-9)
        if not share >= gates["recall"]:
            failed.append(f"recall is {share:.2f} of real-against-real, below register.recall = {gates['recall']:g}")
    if "copied" in metrics and not metrics["copied"] <= gates["copies"]:
        failed.append(f"copied share is {metrics['copied']:.3f}, above register.copies = {gates['copies']:g}")
    return failed


def headline(quality: Mapping[str, Any]) -> str:
    """The figure that decides: mae of translation, else fid; each has its _low and _high, and lower is better."""
    return "mae" if "mae" in quality else "fid"


def decide(
    failed: list[str],
    challenger: Mapping[str, Any],
    champion: Mapping[str, Any] | str | None,
    *,
    margin: float | None = None,
) -> Verdict:
    """challenger, champion: figures of one protocol, with the headline's interval.

    champion: None where there is none; a sentence where it cannot be scored under this protocol.
    margin: by how much they must differ; without it, as if they had been scored on test images of their own, which
    crowns too seldom rather than too often.
    """
    if failed:
        return Verdict(False, tuple(failed))
    if champion is None:
        return Verdict(True, ("first generator to pass the gates",))
    if isinstance(champion, str):
        return Verdict(False, (champion,))
    key = headline(challenger)
    difference = champion[key] - challenger[key]
    if margin is None:
        margin = math.hypot(challenger[f"{key}_high"] - challenger[key], champion[f"{key}_high"] - champion[key])
    figures = f"{challenger[key]:.4g} against the champion's {champion[key]:.4g}, interval {margin:.2g}"
    against = f"{key.upper()} {figures}"
    if difference > max(margin, _ROUNDING):
        return Verdict(True, (f"{against}: better beyond the interval",))
    return Verdict(False, (f"{against}: not better beyond the interval",))
