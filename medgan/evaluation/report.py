"""What `evaluate` finds of a generator, and reports/metrics.json, which holds it. No torch: apps read it too."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medgan.errors import MedganError
from medgan.evaluation.copying.figures import CopyAudit, audit_of
from medgan.evaluation.two_sample import TwoSamples, two_samples
from medgan.scores.figures import DIRECTIONS, Fidelity, Likeness, PairFigures, PublishedScores, StandardScores


@dataclass(frozen=True)
class Headline:
    """The figure that decides, lower is better, with its interval. key: of it in `quality`."""

    key: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """A figure of the classifier, of generated images and of real ones.

    As `agreement`, the share, 0 to 1, of images in which it sees the class that they were drawn as, or that they have.
    """

    generated: float
    real: float


@dataclass(frozen=True)
class LesionFigures:
    """How images and masks fit together.

    iou: mean intersection over union of what is found and what the mask says, over images whose mask is not empty.
    clean: share of images with an empty mask in which less than a thousandth of the pixels is taken for lesion.
    None where there are no such masks.
    """

    iou: float | None
    clean: float | None


@dataclass(frozen=True)
class Lesions:
    """Figures of images drawn under masks, and of the real images of these masks."""

    generated: LesionFigures
    real: LesionFigures


@dataclass(frozen=True)
class Opinion:
    """What a published extractor says of the same images, all classes together. floor: of real training images."""

    quality: Fidelity
    floor: Fidelity


@dataclass(frozen=True)
class SynthesisReport:
    """The report of a generator that draws from noise.

    floor: the same figures of real training images. copying: None where it was not looked for. agreement, inception
    (its inception score), lesion: None where neither classes nor masks were asked for. pairs: None for images that are
    neither grey nor RGB, and where it was not asked for, as two_sample: whether drawn images can be told from real
    ones. opinions: by the name of the
    published extractor, where there are any.
    """

    quality: Fidelity
    floor: Fidelity
    copying: CopyAudit | None = None
    agreement: Agreement | None = None
    inception: Agreement | None = None
    lesion: Lesions | None = None
    pairs: PairFigures | None = None
    two_sample: TwoSamples | None = None
    opinions: Mapping[str, Opinion] = field(default_factory=dict)
    kind: str = "synthesis"

    @property
    def headline(self) -> Headline:
        return Headline("fid", self.quality.fid, self.quality.fid_low, self.quality.fid_high)


@dataclass(frozen=True)
class TranslationFloor:
    """kid: of real training images."""

    kid: float


@dataclass(frozen=True)
class TranslationReport:
    """The report of a generator that translates.

    baselines: MAE of answers that look at nothing, "mean" the mean training image and "source" the source as it is.
    floor: None without an embedder. better: which way each score gets better.
    """

    quality: Likeness
    baselines: Mapping[str, float]
    floor: TranslationFloor | None = None
    better: Mapping[str, str] = field(default_factory=lambda: {**DIRECTIONS, "kid": "lower"})
    kind: str = "translation"

    @property
    def headline(self) -> Headline:
        return Headline("mae", self.quality.mae, self.quality.mae_low, self.quality.mae_high)


Report = SynthesisReport | TranslationReport


def to_tree(reports: Mapping[str, Report]) -> dict[str, Any]:
    """Reports by the name of their way of drawing, as JSON has them: that of "" at the top, others under their name."""
    trees = {name: _without_none(asdict(report)) for name, report in reports.items()}
    return {**trees.pop(""), **trees}


def from_tree(tree: Mapping[str, Any]) -> dict[str, Report]:
    """Return what `to_tree` was given. Raises MedganError for a tree of another version."""
    ways = {name: part for name, part in tree.items() if isinstance(part, Mapping) and "kind" in part}
    try:
        return {name: _READERS[part["kind"]](part) for name, part in {"": tree, **ways}.items()}
    except (KeyError, TypeError) as error:
        raise MedganError(f"these metrics are of another version of medgan ({error}); evaluate again") from None


def write_reports(path: Path, reports: Mapping[str, Report]) -> None:
    path.write_text(json.dumps(to_tree(reports), indent=2) + "\n")


def read_reports(path: Path) -> dict[str, Report]:
    """Read reports by their way of drawing. Raises MedganError where there are none, or of another version."""
    if not path.exists():
        raise MedganError(f"{path} does not exist; run `make repro`, or `dvc repro evaluate`")
    return from_tree(json.loads(path.read_text()))


def _without_none(tree: dict[str, Any]) -> dict[str, Any]:
    """Drop what was not measured; a score keeps all its keys."""
    return {key: value for key, value in tree.items() if value is not None}


def _synthesis(tree: Mapping[str, Any]) -> SynthesisReport:
    agreement, inception, lesion = tree.get("agreement"), tree.get("inception"), tree.get("lesion")
    pairs = tree.get("pairs")
    return SynthesisReport(
        quality=Fidelity.of_tree(tree["quality"]),
        floor=Fidelity.of_tree(tree["floor"]),
        copying=audit_of(tree["copying"]) if tree.get("copying") else None,
        agreement=Agreement(**agreement) if agreement else None,
        inception=Agreement(**inception) if inception else None,
        lesion=Lesions(**{name: LesionFigures(**figures) for name, figures in lesion.items()}) if lesion else None,
        pairs=PairFigures(**{name: StandardScores(**scores) for name, scores in pairs.items()}) if pairs else None,
        two_sample=two_samples(tree["two_sample"]) if "two_sample" in tree else None,
        opinions={
            name: Opinion(Fidelity.of_tree(opinion["quality"]), Fidelity.of_tree(opinion["floor"]))
            for name, opinion in tree["opinions"].items()
        },
    )


def _translation(tree: Mapping[str, Any]) -> TranslationReport:
    quality, floor = tree["quality"], tree.get("floor")
    scores = {"standard": StandardScores(**quality["standard"]), "published": PublishedScores(**quality["published"])}
    return TranslationReport(
        quality=Likeness(**{**quality, **scores}),
        baselines=tree["baselines"],
        floor=TranslationFloor(**floor) if floor else None,
        better=tree["better"],
    )


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Report]] = {
    "synthesis": _synthesis,
    "translation": _translation,
}
