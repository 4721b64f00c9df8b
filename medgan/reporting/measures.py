"""Figures of a report as rows of a table: what was drawn beside real images, with a bar, and what each one says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medgan.evaluation.report import Report, SynthesisReport, TranslationReport
from medgan.evaluation.two_sample import Measured, TwoSamples
from medgan.scores.figures import Fidelity

CONGRUENCE, COVERAGE, CONSTRAINT, COMPLETENESS = "Congruence", "Coverage", "Constraint", "Completeness"
COMPLIANCE, COMPREHENSION, CONSISTENCY = "Compliance", "Comprehension", "Consistency"


@dataclass(frozen=True)
class Measure:
    """drawn: with its 95 % interval, of width 0 where nobody knows it. real: of real images in the place of drawn ones.

    criterion: of the scorecard. ideal: the best value that there is. key: as files call it. most: where the bar
    ends, 1 for shares; without it the bar ends with the largest value.
    """

    criterion: str
    key: str
    name: str
    says: str
    drawn: Measured
    real: float | None
    ideal: float
    digits: int = 3
    most: float | None = 1.0

    @property
    def value(self) -> str:
        """With its interval, for people."""
        return _text(self.drawn, self.digits)

    @property
    def beside(self) -> str:
        return "" if self.real is None else f"{self.real:.{self.digits}f}"

    def place(self, value: float) -> float:
        """Where on the bar a value stands, 0 to 100, if it begins at 0; a little is left free at both ends."""
        ends = [self.ideal, self.drawn.high, self.drawn.value, *([] if self.real is None else [self.real])]
        most = max(self.most or 0.0, *ends)
        return 4 + 92 * min(1.0, max(0.0, value / most)) if most > 0 else 4.0


# The few that stand first wherever runs are compared.
HEADLINES = (
    *("fid", "fid_worst_class", "kid", "told_apart", "passing", "recall", "coverage", "agreement", "lesion_iou"),
    *("copies", "mae", "ssim"),
)


def measures(report: Report) -> list[Measure]:
    return list(_synthesis(report) if isinstance(report, SynthesisReport) else _translation(report))


def headlines(reports: Mapping[str, Report]) -> dict[str, Measure]:
    """Those of every way of drawing, by their key; of the way back, with its name before it."""
    return {
        f"{way}_{measure.key}" if way else measure.key: measure
        for way, report in reports.items()
        for measure in measures(report)
        if measure.key in HEADLINES
    }


def first_columns(report: Report) -> list[str]:
    """Names in MLflow of the figures that a list of runs begins with; the first one decides."""
    synthesis = ("fid", "recall", "passing", "told_apart", "copies", "use")
    names = synthesis if isinstance(report, SynthesisReport) else ("mae", "ssim", "kid")
    return [f"test/{name}" for name in names]


def in_mlflow(figures: Mapping[str, Measure]) -> dict[str, float]:
    """What was drawn, and the FID that real images have beside it."""
    named = {f"test/{key}": rounded(measure.drawn.value) for key, measure in figures.items()}
    floor = figures["fid"].real if "fid" in figures else None
    return named if floor is None else {**named, "test/fid_real": rounded(floor)}


def _synthesis(report: SynthesisReport) -> Iterator[Measure]:
    quality, floor = report.quality, report.floor
    if report.two_sample is not None:
        yield from _told_apart(report.two_sample)
    fid = Measured(quality.fid, quality.fid_low, quality.fid_high)
    says = "distance between the two sets of images; 0: the same set"
    yield Measure(CONGRUENCE, "fid", f"FID ({quality.extractor})", says, fid, floor.fid, 0.0, most=None)
    if len(quality.groups) > 1:
        name = quality.worst
        says, worst = f"the same, of {name} alone, which is drawn worst", _alone(quality.groups[name].fid)
        yield Measure(
            CONGRUENCE, "fid_worst_class", "FID, worst class", says, worst, floor.groups[name].fid, 0.0, most=None
        )
    for name, opinion in report.opinions.items():
        fid = Measured(opinion.quality.fid, opinion.quality.fid_low, opinion.quality.fid_high)
        says = "the same, by a published network"
        yield Measure(CONGRUENCE, name, f"FID ({name})", says, fid, opinion.floor.fid, 0.0, most=None)
    for criterion, key, ideal, digits, says in (
        (CONGRUENCE, "kid", 0.0, 5, "the same, by a kernel; 0: the same set"),
        (CONGRUENCE, "precision", 1.0, 3, "share of drawn images that lie among real ones"),
        (CONGRUENCE, "density", 1.0, 3, "how densely real images lie about drawn ones; 1: as about real ones"),
        (COVERAGE, "recall", 1.0, 3, "share of real images that lie among drawn ones"),
        (COVERAGE, "coverage", 1.0, 3, "share of real images that have a drawn one close by"),
    ):
        name, most = ("KID", None) if key == "kid" else (key, 1.0)
        drawn = _with_margin(quality, key)
        yield Measure(criterion, key, name, says, drawn, getattr(floor, key), ideal, digits, most)
    if report.agreement is not None:
        says = "share of images in which a classifier sees the class that was asked for"
        agreed = report.agreement
        yield Measure(CONSTRAINT, "agreement", "class agreement", says, _alone(agreed.generated), agreed.real, 1.0)
    if report.lesion is not None and report.lesion.generated.iou is not None:
        says = "how well the lesion in the image fits the mask that was given (intersection over union)"
        iou = _alone(report.lesion.generated.iou)
        yield Measure(CONSTRAINT, "lesion_iou", "lesion under its mask", says, iou, report.lesion.real.iou, 1.0)
    if report.copying is not None:
        found, members = report.copying.found, report.copying.membership
        says = "share of drawn images that copy a training image, beyond false alarms"
        copies = Measured(found.share, found.low, found.high)
        yield Measure(COMPLIANCE, "copies", "copies", says, copies, None, 0.0)
        says = "how well nearness to drawn images tells who was trained on (AUC); .5: not at all"
        auc = Measured(members.auc, members.low, members.high)
        yield Measure(COMPLIANCE, "membership", "membership", says, auc, None, 0.5)


def _told_apart(tests: TwoSamples) -> Iterator[Measure]:
    drawn, real = tests.generated.told_apart, tests.real.told_apart
    if drawn is None or real is None:
        return
    ours, theirs = drawn.overall, real.overall
    if ours.accuracy is not None:
        says = "how often a fresh network tells drawn from real; .5: it guesses"
        beside = theirs.accuracy.value if theirs.accuracy else None
        yield Measure(CONGRUENCE, "told_apart", "told apart", says, ours.accuracy, beside, 0.5)
    if ours.passing is not None:
        says = "share of drawn images that it takes for real, as it takes 95 % of real ones"
        beside = theirs.passing.value if theirs.passing else None
        yield Measure(CONGRUENCE, "passing", "pass for real", says, ours.passing, beside, 0.95)


def _translation(report: TranslationReport) -> Iterator[Measure]:
    quality = report.quality
    mae = Measured(quality.mae, quality.mae_low, quality.mae_high)
    says = "mean difference from the true image, on [-1, 1]; beside it an answer that looks at nothing: the mean image"
    yield Measure(CONSTRAINT, "mae", "MAE", says, mae, report.baselines.get("mean"), 0.0, 4, None)
    if quality.standard.ssim is not None:
        says = "likeness of structure to the true image (SSIM); 1: the same image"
        yield Measure(CONSTRAINT, "ssim", "SSIM", says, _alone(quality.standard.ssim), None, 1.0)
    if quality.kid is not None and report.floor is not None:
        says = "distance between the set of translated and of true images; 0: the same set"
        yield Measure(
            CONGRUENCE, "kid", f"KID ({quality.extractor})", says, _alone(quality.kid), report.floor.kid, 0.0, 4
        )


def _with_margin(quality: Fidelity, key: str) -> Measured:
    """With the interval where it is known, of a share between 0 and 1."""
    value, margin = getattr(quality, key), quality.margins.get(key, 0.0)
    low, high = value - margin, value + margin
    return Measured(value, low, high) if key in ("kid", "density") else Measured(value, max(0.0, low), min(1.0, high))


def _alone(value: float) -> Measured:
    return Measured(value, value, value)


def _text(figure: Measured, digits: int) -> str:
    text = f"{figure.value:.{digits}f}"
    return text if figure.low == figure.high else f"{text} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def rounded(value: float) -> float:
    """To four digits: tables of runs show whatever there is."""
    return float(f"{value:.4g}")
