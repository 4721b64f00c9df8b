"""Tables of the report that are no figures of a scorecard: by class, by way of hiding, trials, where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass

from medgan.evaluation.copying.figures import CopyAudit
from medgan.evaluation.report import SynthesisReport
from medgan.evaluation.two_sample import Answers, Measured
from medgan.reporting.answers import percent
from medgan.reporting.facts import Facts

_MOST_TRIALS = 12
_ABOUT_TRIALS = ("number", "state", "score", "fresh", "retry_of", "reason")  # columns that are no searched values
UNKNOWN = "-"


@dataclass(frozen=True)
class Table:
    """The first cell of each row names it."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def by_class(report: SynthesisReport) -> Table | None:
    """What is known of each class, the worst first; None where there is one group."""
    groups, floor = report.quality.groups, report.floor.groups
    if len(groups) < 2:
        return None
    told = report.two_sample and report.two_sample.generated.told_apart
    classes: Mapping[str, Answers] = told.classes if told else {}
    rows = []
    for name in sorted(groups, key=lambda name: -groups[name].fid):
        answers = classes.get(name)
        rows.append(
            (
                name,
                f"{groups[name].n:,}",
                *(f"{part[name].fid:.2f}" for part in (groups, floor)),
                *(f"{part[name].recall:.2f}" for part in (groups, floor)),
                _share(answers.accuracy if answers else None),
                _share(answers.passing if answers else None),
            )
        )
    head = ("class", "images", "FID", "FID of real", "recall", "recall of real", "told apart", "pass for real")
    return Table("Class by class, the worst first", head, tuple(rows))


def planted(audit: CopyAudit) -> Table:
    """What the search for copies sees of copies that were planted to try it."""
    rows = tuple((way, percent(power.copies), percent(power.mixtures)) for way, power in audit.power.items())
    return Table(
        f"Planted copies that the search finds; of honest images it takes {percent(audit.false_alarms)} for copies",
        ("disguise", "copies found", "sets found, a tenth of which are copies"),
        rows,
    )


def trials(facts: Facts) -> Table | None:
    """The best trials; None where nothing was searched for."""
    if not facts.trials:
        return None
    names = [name for name in facts.trials[0] if name not in _ABOUT_TRIALS]
    best = sorted(facts.trials, key=_rank)[:_MOST_TRIALS]
    rows = [
        (
            f"trial {trial['number']}",
            trial["state"].lower(),
            _short(trial["score"]) or UNKNOWN,
            _short(trial["fresh"]) or UNKNOWN,
            *(_short(trial[name]) for name in names),
        )
        for trial in best
    ]
    if facts.present:
        first, fresh = (_short(facts.present[key]) or UNKNOWN for key in ("first", "mean"))
        rows.insert(0, ("params.yaml as it is", "", first, fresh, *("" for _ in names)))
    left = f" ({len(facts.trials) - len(best)} more are in trials.csv)" if len(facts.trials) > len(best) else ""
    caption = (
        "Trials of the search on validation images, the best first; a finalist is trained on fresh seeds too and wins "
        f"only if it beats the values from before beyond doubt{left}"
    )
    return Table(caption, ("trial", "state", "score", "on fresh seeds", *names), tuple(rows))


def lineage(facts: Facts) -> dict[str, str]:
    """Everything by which this generator is found again."""
    about, way = facts.description, facts.main
    return {
        "data": f"{facts.config.data.name}, md5 {about.data_md5}",
        "recipe": about.recipe,
        "commit": about.commit,
        "fingerprint of the training": about.fingerprint,
        "seed": str(about.seed),
        "weights": f"{about.weights}, of step {about.step:,}",
        "registered as": f"{way.registered['name']} version {way.registered['version']}",
        "file": f"{way.onnx}, {way.onnx.stat().st_size / 1e6:.2f} MB",
        "judged by": f"{way.report.quality.extractor} {way.report.quality.digest}",
    }


def repeat(facts: Facts) -> str:
    """Commands that make it again. An edited recipe is in params.yaml of the commit, if it was committed."""
    recipe, _, edited = facts.description.recipe.partition(",")
    commit = facts.description.commit.removesuffix("-dirty")
    lines = [f"git checkout {commit}"] if commit and commit != "unknown" else []
    lines += (
        [f"# params.yaml had been edited after `medgan use {recipe}`: its values are in the MLflow run"]
        if edited
        else []
    )
    return "\n".join(
        [*lines, *([] if edited or recipe == "unknown" else [f".venv/bin/medgan use {recipe}"]), "make repro"]
    )


def _rank(trial: Mapping[str, str]) -> tuple[bool, bool, float]:
    """Finalists first, then by score; last those that have none."""
    return not trial["fresh"], not trial["score"], float(trial["fresh"] or trial["score"] or 0)


def _share(figure: Measured | None) -> str:
    return UNKNOWN if figure is None else f"{figure.value:.3f}"


def _short(text: str) -> str:
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text
