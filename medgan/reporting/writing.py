"""Writes reports/report.html, one file that needs no network, and reports/model_card.md, of the same facts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from medgan.evaluation.report import SynthesisReport
from medgan.files import write_atomically
from medgan.reporting import charts, tables
from medgan.reporting.answers import answers, percent, use, what, whom
from medgan.reporting.facts import ALL_IMAGES, Facts, WayFacts, counts
from medgan.reporting.measures import COMPLIANCE, CONGRUENCE, CONSISTENCY, measures
from medgan.reporting.pictures import NOTICE, Picture, drawn_beside_real, film, framed, svg
from medgan.reporting.scorecard import scorecard, still_open
from medgan.reporting.tables import Table
from medgan.scores.validation import SCORES

_TEMPLATES = Path(__file__).parent
_CAPTIONS = {
    "convincing": "Above: the drawn images that a network takes for real most surely. Below: those with least.",
    "closest": (
        "The closest pairs. Rows: drawn; the training image nearest to each, laid on it; a real image that the "
        "generator never saw; the training image nearest to that one. Copies would be far more alike than the lower "
        "pairs."
    ),
}
_NOTICES = {"convincing": NOTICE, "closest": "first row synthetic, the others real; not for diagnosis"}
_OF_CRITERION = {CONGRUENCE: "convincing", COMPLIANCE: "closest"}


@dataclass(frozen=True)
class Extra:
    """What stands below the figures of a criterion."""

    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]


def write_report(path: Path, facts: Facts) -> None:
    write_atomically(path, render("report.html.j2", _page(facts), escape=True).encode())


def write_model_card(path: Path, facts: Facts) -> None:
    write_atomically(path, model_card(facts).encode())


def model_card(facts: Facts) -> str:
    """In the form of Hugging Face: figures for machines above, words for people below."""
    return render("model_card.md.j2", _card(facts), escape=False)


def version_card(facts: Facts, way: WayFacts, samples: str) -> str:
    """The same in short, for the page of a version. samples: where the picture of what it draws is."""
    of_way = {"measures": measures(way.report)}
    if way.name:
        lead = f"The way back of {facts.main.registered['name']} version {facts.main.registered['version']}: see there."
        of_way |= {"answers": []}
    else:
        lead = f"Recipe {facts.description.recipe}. Card and report are in the artifacts of the source run."
    return render("version_card.md.j2", {**_card(facts), **of_way, "lead": lead, "samples": samples}, escape=False)


def name_card(facts: Facts) -> str:
    """What a registered model is, whatever its version."""
    return (
        f"{what(facts)} Data set {facts.config.data.name}. Alias `champion`: the best version that passed every gate; "
        f"`previous`: the champion before it. `medgan champion` fetches it. {NOTICE.capitalize()}."
    )


def _card(facts: Facts) -> dict[str, Any]:
    return {
        **_common(facts),
        "name": facts.main.registered["name"],
        "data": facts.config.data.name,
        "md5": facts.data.md5,
        "split": facts.main.report.quality.split,
        "pipeline": "image-to-image" if facts.main.translates else "unconditional-image-generation",
        "measures": measures(facts.main.report),
        "usage": _usage(facts),
    }


def render(name: str, values: Mapping[str, Any], *, escape: bool) -> str:
    """A template of this room with these values; what it asks for and is not there is an error."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=escape, undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template(name).render(values)


def _common(facts: Facts) -> dict[str, Any]:
    data = facts.config.data
    criteria = scorecard(facts)
    return {
        "title": f"Synthetic {'images' if data.modality == 'unknown' else data.modality}: {data.name}",
        "notice": NOTICE,
        "answers": answers(facts),
        "what": what(facts),
        "whom": whom(facts),
        "modality": data.modality,
        "licence": data.licence,
        "criteria": criteria,
        "limits": list(still_open(criteria)),
        "n": f"{facts.main.report.quality.n:,}",
        "lineage": tables.lineage(facts),
    }


def _page(facts: Facts) -> dict[str, Any]:
    every = counts(facts.data)
    main, seed = facts.main, facts.description.seed
    rows, hidden = drawn_beside_real(main.data, main.onnx, seed=seed)
    criteria = _common(facts)
    picture = main.pictures.get("utility")
    return {
        **criteria,
        "subtitle": f"{facts.description.recipe} · {main.registered['name']} version {main.registered['version']}",
        "counts": every,
        "splits": list(every[ALL_IMAGES]),
        "named_patients": any(count.patients < count.images for count in every[ALL_IMAGES].values()),
        "seed": seed,
        "rows": rows,
        "hidden": hidden,
        "way_back": [row for way in facts.ways[1:] for row in drawn_beside_real(way.data, way.onnx, seed=seed)[0]],
        "extra": {criterion.name: _extra(facts, criterion.name) for criterion in criteria["criteria"]},
        "use": use(facts).text,
        "use_picture": picture and framed(picture, _use_in_words(facts), "Balanced accuracy", notice=""),
        "chosen": _chosen(facts),
        "curves": list(_curves(facts)),
        "film": film(facts.samples),
        "tried": tables.trials(facts),
        "repeat": tables.repeat(facts),
    }


def _extra(facts: Facts, criterion: str) -> Extra:
    main, name = facts.main, _OF_CRITERION.get(criterion, "")
    shown = (
        (framed(main.pictures[name], _CAPTIONS[name], _CAPTIONS[name], notice=_NOTICES[name]),)
        if name in main.pictures
        else ()
    )
    found: list[Table | None] = []
    if isinstance(main.report, SynthesisReport):
        found += [tables.by_class(main.report)] if criterion == CONGRUENCE else []
        found += [tables.planted(main.report.copying)] if criterion == COMPLIANCE and main.report.copying else []
    if criterion == CONSISTENCY:
        found += [_back(way) for way in facts.ways[1:]]
    return Extra(shown, tuple(table for table in found if table is not None))


def _back(way: WayFacts) -> Table:
    """Figures of the way back."""
    rows = tuple((m.name, m.value, m.beside or tables.UNKNOWN) for m in measures(way.report))
    return Table("The way back", ("figure", "drawn", "real"), rows)


def _use_in_words(facts: Facts) -> str:
    reached = facts.verdict.get("balanced_accuracy", {})
    return "; ".join(f"{name}: {percent(value)}" for name, value in reached.items())


def _chosen(facts: Facts) -> str:
    about = facts.description
    kind = "the moving average of its weights" if about.weights == "ema" else "its weights as they were"
    return (
        f"Of {about.train['steps']:,} steps, step {about.step:,} was best on validation images "
        f"({SCORES[about.train['score']].title} {about.score:.4g}); {kind} went into the file that ships."
    )


def _curves(facts: Facts) -> Iterator[Picture]:
    score, searched = (SCORES[key].title for key in (facts.description.train["score"], facts.config.search_score))
    for drawn, caption in (
        (charts.validation(facts.rows, score), f"{score} on validation images, by step: lower is better"),
        (charts.losses(facts.rows), "Losses by step; they say that training is stable, not that images are good"),
        (charts.trials(facts.trials, searched), "The search, trial by trial"),
    ):
        if drawn is not None:
            yield svg(drawn, caption, caption)


def _usage(facts: Facts) -> str:
    way = facts.main
    call = f"draw(16, seed=1{', masks=mask' if 'mask' in way.inputs else ''})"
    call = "translate(sources)" if way.translates else call
    return (
        "One ONNX file; numpy and onnxruntime are enough.\n\n"
        f'    from medgan.runtime import OnnxGenerator\n    OnnxGenerator("generator.onnx").{call}  # in [-1, 1]'
    )
