"""The seven criteria of a scorecard for synthetic medical data (Zamzmi 2025, Communications Engineering 4:130)."""

from collections.abc import Iterator
from dataclasses import dataclass

from medgan.evaluation.report import SynthesisReport, TranslationReport
from medgan.reporting.answers import copies_in_words, licence, percent, told_in_words
from medgan.reporting.facts import Facts, WayFacts
from medgan.reporting.measures import (
    COMPLETENESS,
    COMPLIANCE,
    COMPREHENSION,
    CONGRUENCE,
    CONSISTENCY,
    CONSTRAINT,
    COVERAGE,
    Measure,
    measures,
)

MEASURED, PARTLY, NOT_MEASURED, NOT_APPLICABLE = "measured", "measured in part", "not measured", "not applicable"
_EVEN = 0.75  # share of what real images reach, above which a figure counts as near theirs


@dataclass(frozen=True)
class Criterion:
    """name, question: of the scorecard. finding: in words, first what counts most. open: what nobody has measured."""

    name: str
    question: str
    status: str
    finding: str
    open: str
    measures: tuple[Measure, ...]

    @property
    def anchor(self) -> str:
        return self.name.lower()


def scorecard(facts: Facts) -> list[Criterion]:
    every = measures(facts.main.report)
    asked = (
        (CONGRUENCE, "Do drawn images look like real ones?", _congruence),
        (COVERAGE, "Do they show everything that real ones show?", _coverage),
        (CONSTRAINT, "Do they keep to what is possible, and to what was asked for?", _constraint),
        (COMPLETENESS, "Does each image bring all that its use needs?", _completeness),
        (COMPLIANCE, "Are patients' privacy and the licence of the data kept?", _compliance),
        (COMPREHENSION, "Can its users understand it, and where it ends?", _comprehension),
        (CONSISTENCY, "Is it the same tomorrow, elsewhere and in each group?", _consistency),
    )
    return [
        Criterion(name, question, *judged(facts, facts.main), tuple(m for m in every if m.criterion == name))
        for name, question, judged in asked
    ]


_Judged = tuple[str, str, str]  # status, finding, open


def _congruence(_facts: Facts, way: WayFacts) -> _Judged:
    looked = "Whether doctors find the images convincing: no study with readers is part of this report."
    if isinstance(way.report, TranslationReport):
        kid = way.report.quality.kid
        text = "The set of translated images was compared with that of true ones." if kid is not None else ""
        return (
            (MEASURED, text, looked) if text else (NOT_MEASURED, "No network here knows images of this kind.", looked)
        )
    quality, floor = way.report.quality, way.report.floor
    times = quality.fid / floor.fid if floor.fid > 0 else float("inf")
    text = f"Their distance from real images (FID) is {times:.1f} times that of other real images."
    told = way.report.two_sample and way.report.two_sample.generated.told_apart
    if told and told.overall.accuracy is not None:
        return MEASURED, f"{told_in_words(told)} {text}", looked
    return PARTLY, text, f"There are too few images for a network to learn to tell them from real ones. {looked}"


def _coverage(_facts: Facts, way: WayFacts) -> _Judged:
    rare = "Rare findings that no label names are in no figure."
    if not isinstance(way.report, SynthesisReport):
        return NOT_APPLICABLE, "It translates the images that it is given, and adds none.", ""
    share, (name, lowest) = _recall(way.report), min(_recalls(way.report).items(), key=lambda item: item[1])
    text = (
        f"{_much(share)} of the variety of real images is there: recall is {percent(share)} of what real images reach"
    )
    return MEASURED, text + (f"; least in {name} ({percent(lowest)})." if len(_recalls(way.report)) > 1 else "."), rare


def _recall(report: SynthesisReport) -> float:
    return report.quality.recall / max(report.floor.recall, 1e-9)


def _recalls(report: SynthesisReport) -> dict[str, float]:
    floor = report.floor.groups
    return {name: part.recall / max(floor[name].recall, 1e-9) for name, part in report.quality.groups.items()}


def _much(share: float) -> str:
    return "Most" if share >= _EVEN else "Part" if share >= 0.25 else "Little"


def _constraint(_facts: Facts, way: WayFacts) -> _Judged:
    anatomy = "Whether the anatomy is possible: no test here knows anatomy. Ask somebody who does."
    if isinstance(way.report, TranslationReport):
        return PARTLY, "Translated images were compared with the true images of the same test patients.", anatomy
    parts = []
    if (agreed := way.report.agreement) is not None:
        parts.append(f"A classifier sees the class that was asked for in {percent(agreed.generated)} of drawn images")
        parts[-1] += f", and in {percent(agreed.real)} of real ones that have it."
    if (lesion := way.report.lesion) is not None and lesion.generated.iou is not None and lesion.real.iou is not None:
        drawn, real = lesion.generated.iou, lesion.real.iou
        parts.append(f"Lesions fit their masks by {drawn:.2f} of 1, those of real images by {real:.2f}.")
    return (
        (PARTLY, " ".join(parts), anatomy)
        if parts
        else (NOT_MEASURED, "Nothing was asked for that could be kept to.", anatomy)
    )


def _completeness(facts: Facts, way: WayFacts) -> _Judged:
    spec, intensity = facts.data.spec, facts.data.intensity
    given = [f"{spec.size} x {spec.size} pixels", f"{intensity.levels:,} levels of brightness"]
    given += [f"values in {intensity.unit}"] if intensity.unit else []
    given += [f"one of {len(facts.data.label_names)} classes"] if "label" in way.inputs else []
    given += ["the mask that it was drawn under"] if "mask" in way.inputs else []
    text = f"Each image has {', '.join(given)}, and a note that it is synthetic."
    missing = "Age, sex, scanner, neighbouring slices and follow-ups: the program knows none of them."
    return PARTLY, text, missing


def _compliance(facts: Facts, way: WayFacts) -> _Judged:
    formal = "A formal guarantee (differential privacy) is not given, and this is no legal opinion."
    said = licence(facts.config.data.licence)
    if isinstance(way.report, SynthesisReport) and way.report.copying is not None:
        return MEASURED, f"{copies_in_words(way.report.copying)} {said}", formal
    return PARTLY, f"Copies were not looked for: what it draws is meant to be this patient's. {said}", formal


def _comprehension(facts: Facts, _way: WayFacts) -> _Judged:
    text = "This page and the model card say what was done, with figures beside those of real images."
    blind = (
        "The figures are nearly blind to fine patterns: noise of a few levels, a faint checkerboard, or outlines that "
        "are moved by one to three pixels. Look at the pictures."
    )
    seen = (
        f"A person who looked at the pictures wrote: {facts.seen}"
        if facts.seen
        else "Nobody has written down what a person sees in the pictures (report.seen in params.yaml)."
    )
    return (
        (PARTLY if facts.seen else NOT_MEASURED),
        text,
        f"{blind} {seen} What readers understand of it is not part of this report.",
    )


def _consistency(facts: Facts, way: WayFacts) -> _Judged:
    text = (
        f"The file that ships draws what the trained program draws, to {way.parity:.1e} of the range; the same seed "
        "draws the same image everywhere, and the training repeats to the bit on a CPU."
    )
    seed = f"One training, with seed {facts.description.seed}: another may differ by more than the intervals say."
    groups = "Whether it treats men and women, young and old alike: the data do not say who is who."
    return PARTLY, text, f"{seed} {groups}"


def still_open(criteria: list[Criterion]) -> Iterator[str]:
    """What nobody has measured, over all criteria: the limits."""
    for criterion in criteria:
        if criterion.open:
            yield criterion.open
