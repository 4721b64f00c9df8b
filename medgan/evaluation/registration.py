"""A generator becomes a version in the registry, and champion where it wins."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medgan.data.store import Prepared
from medgan.evaluation.champion import Verdict, decide, failed_gates
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import Report, SynthesisReport
from medgan.evaluation.rescoring import rival
from medgan.fingerprint import file_digest, fingerprint
from medgan.gans.base import Way
from medgan.scores.patients import FEWEST
from medgan.tracking import models
from medgan.tracking.models import Version
from medgan.tracking.runs import Store

# The tag that says by whom and on what a version was judged; figures of others do not compare.
_JUDGED_BY = "judged_by"
_INTERVAL = "_interval"


@dataclass(frozen=True)
class Candidate:
    """One way of drawing that stands for champion.

    name: of the registered model. suffix: of the names in its run, "" or "-reverse". onnx: the exported file. parity:
    its largest difference from torch. fingerprint: of the training.
    """

    name: str
    suffix: str
    onnx: Path
    parity: float
    report: Report
    fingerprint: str

    @classmethod
    def exported(cls, name: str, way: Way, folder: Path, report: Report, fingerprint: str) -> "Candidate":
        """Make it of what stage export has left in a folder. name: of the model of the way that was asked for."""
        parity = json.loads((folder / "parity.json").read_text())["worst"]
        return cls(f"{name}{way.suffix}", way.suffix, folder / "generator.onnx", parity, report, fingerprint)

    @property
    def identity(self) -> str:
        """Digests of training and file: a corrected licence or another n is another file and another version."""
        return f"{self.fingerprint}-{file_digest(self.onnx)[:8]}"

    @property
    def tags(self) -> dict[str, str]:
        report, quality = self.report, self.report.quality
        headline = report.headline
        tags = {**_with_interval(headline.key, headline.value, headline.high), "floor": "none"}
        judges = [f"{quality.extractor} {quality.digest}"]
        if isinstance(report, SynthesisReport):
            tags["floor"] = f"{report.floor.fid:.4f}"
            for name, opinion in report.opinions.items():
                tags |= _with_interval(name, opinion.quality.fid, opinion.quality.fid_high)
                judges.append(f"{name} {opinion.quality.digest}")
        # Names of classes may hold what no query may.
        parts = f", {len(quality.counts)} groups {fingerprint(quality.counts)}" if quality.counts else ""
        return {**tags, _JUDGED_BY: f"{', '.join(judges)}; {quality.n:,} {quality.split} images{parts}"}


@dataclass(frozen=True)
class Registered:
    """What came of a candidate. version: its own; champion: that of the champion, None where there is none.

    MLflow gives versions as numbers from a database and as texts from a server.
    """

    name: str
    version: int | str
    champion: int | str | None
    crowned: bool
    reasons: tuple[str, ...]
    fingerprint: str

    def __str__(self) -> str:
        verdict = "champion" if self.crowned else "not champion"
        return f"{self.name} version {self.version}: {verdict} ({'; '.join(self.reasons)})"


def register(
    store: Store,
    run_id: str,
    candidate: Candidate,
    data: Prepared,
    protocol: EvaluationProtocol,
    *,
    gates: Mapping[str, float],
    said: Mapping[str, str],
) -> Registered:
    """Make or find the candidate's version, let it stand against the champion, and say what came of it.

    data, protocol: as this way of drawing sees them. said: what others say of it, in tags of these names.
    Raises MedganError where the two reports cannot be compared.
    """
    name, identity = candidate.name, candidate.identity
    uri = models.log_model(store, run_id, candidate.onnx, name=f"generator{candidate.suffix}", fingerprint=identity)
    tags = {**candidate.tags, **said, "data_md5": data.md5}
    version = models.register_version(store, name, uri, run_id, fingerprint=identity, tags=tags)
    # Of every name: another kind of GAN has seen, and was chosen by, the same test images.
    looks = len(models.up_to(store, version, tag="data_md5", every_name=True))
    store.client.set_model_version_tag(name, version.version, "test_split_seen", str(looks))
    reigning = models.champion(store, name)
    failed = [*failed_gates(candidate.report, candidate.parity, gates), *_too_few_patients(data, protocol)]
    crowned_before = reigning is not None and reigning.version == version.version
    verdict = _still(failed) if crowned_before else _against(reigning, candidate, data, protocol, failed)
    if verdict.crowned and not crowned_before:
        models.crown(store, name, version.version)
    verdict = Verdict(verdict.crowned, (*verdict.reasons, *_disagreements(store, version, candidate)))
    # Why a champion was crowned is never overwritten: the tag beside it says what today's gates say.
    tag = "verdict_now" if crowned_before else "verdict"
    store.client.set_model_version_tag(name, version.version, tag, "; ".join(verdict.reasons))
    size = candidate.onnx.stat().st_size
    store.log_content(run_id, f"export{candidate.suffix}.json", {"parity": candidate.parity, "bytes": size})
    champion = models.champion(store, name)
    return Registered(
        name=name,
        version=version.version,
        champion=champion.version if champion else None,
        crowned=verdict.crowned,
        reasons=verdict.reasons,
        fingerprint=candidate.fingerprint,
    )


def _too_few_patients(data: Prepared, protocol: EvaluationProtocol) -> list[str]:
    """Say of which classes the held-out images are of so few patients that no score of them has an interval."""
    chosen = protocol.held_out(data)
    patients, labels = data.patients[chosen], None if data.labels is None else data.labels[chosen]
    parts = (
        {"all": patients} if labels is None else {data.label_names[k]: patients[labels == k] for k in np.unique(labels)}
    )
    counts = {name: len(np.unique(part)) for name, part in parts.items()}
    few = [f"{count} ({name})" for name, count in counts.items() if count < FEWEST]
    if not few:
        return []
    return [
        f"{protocol.split} images of too few patients to mean anything: {', '.join(few)}, of {FEWEST} at least; "
        "add patients"
    ]


def _still(failed: list[str]) -> Verdict:
    """Say of the champion, registered again, whether it passes today's gates. It stays: nothing better is there."""
    if not failed:
        return Verdict(True, ("is the champion already",))
    return Verdict(True, ("is the champion already, and stays until one that passes wins, but fails today", *failed))


def _with_interval(key: str, value: float, high: float) -> dict[str, str]:
    """Tags of a figure and of the half width of its interval."""
    return {key: f"{value:.6g}", f"{key}{_INTERVAL}": f"{high - value:.6g}"}


def _disagreements(store: Store, version: Version, candidate: Candidate) -> Iterator[str]:
    """Say which extractors rank this version and an earlier one, judged alike, the other way round than `fid` does.

    Only where both see more between the two than chance.
    """
    if not isinstance(candidate.report, SynthesisReport):
        return
    *earlier, own = models.up_to(store, version, tag=_JUDGED_BY)
    for name in candidate.report.opinions:
        turned = [
            str(other.version)
            for other in earlier
            if _beyond_chance(own, other, "fid") * _beyond_chance(own, other, name) < 0
        ]
        if turned:
            yield f"{name} ranks it and version {' and '.join(turned)} otherwise than fid; look at the pictures"


def _beyond_chance(one: Version, other: Version, key: str) -> float:
    """By how much a figure of the first is larger; 0 within the interval of their difference."""
    difference = float(one.tags[key]) - float(other.tags[key])
    margin = math.hypot(*(float(version.tags[f"{key}{_INTERVAL}"]) for version in (one, other)))
    return difference if abs(difference) > margin else 0.0


def _against(
    reigning: Version | None,
    candidate: Candidate,
    data: Prepared,
    protocol: EvaluationProtocol,
    failed: list[str],
) -> Verdict:
    """Compare a candidate with the champion. One whose file is lost cannot be compared with, and blocks nobody.

    failed: the gates that the candidate fails; then nothing is compared, which would take minutes.
    """
    report = candidate.report
    if reigning is None or failed:
        return decide(failed, report, None)
    with models.downloaded(reigning) as onnx:
        if onnx is not None:
            opponent = rival(onnx, candidate.onnx, report, data, protocol)
            return decide(failed, opponent.challenger, opponent.report, margin=opponent.margin)
    lost = f"the file of the champion, version {reigning.version}, is lost: nothing is left to compare with"
    return Verdict(True, (lost,))


def to_tree(results: Mapping[str, Registered]) -> dict[str, Any]:
    """Turn results, by the way of drawing, into JSON's types: that of "" at the top, others under their name."""
    trees = {name: asdict(result) for name, result in results.items()}
    return {**trees.pop(""), **trees}
