"""The facts of this clone, for its report."""

import csv
import json
from pathlib import Path

from medgan.config.schema import Config
from medgan.data.store import open_prepared
from medgan.evaluation.report import read_reports
from medgan.evaluation.results import PICTURES_NAME
from medgan.reporting.facts import Facts, WayFacts
from medgan.training.result import load_generators, read_rows
from medgan.usefulness.report import from_tree, read_verdict
from medgan.usefulness.results import DETAILS_NAME, FIGURES_NAME, PICTURE_NAME
from medgan.workspace.places import EXPORT, METRICS, PREPARED, REGISTRY, REPORTS, SEARCH, TRAIN, UTILITY


def facts_of(config: Config) -> Facts:
    """Read what the stages have left. Raises MedganError where one of them has not run."""
    gan, _, description = load_generators(TRAIN)
    prepared = open_prepared(PREPARED).towards(description.between)
    reports, registry = read_reports(METRICS), json.loads(REGISTRY.read_text())
    details = REPORTS / DETAILS_NAME
    figures = details / FIGURES_NAME
    ways = []
    for way in gan.ways():
        folder = EXPORT / way.name
        pictures = {name: REPORTS / PICTURES_NAME / f"{name}{way.suffix}.png" for name in ("convincing", "closest")}
        pictures |= {} if way.name else {"utility": details / PICTURE_NAME}
        ways.append(
            WayFacts(
                name=way.name,
                inputs=way.gan.inputs,
                report=reports[way.name],
                data=way.view(prepared),
                onnx=folder / "generator.onnx",
                parity=json.loads((folder / "parity.json").read_text())["worst"],
                registered=registry[way.name] if way.name else registry,
                pictures={name: path for name, path in pictures.items() if path.exists()},
            )
        )
    return Facts(
        config=config,
        data=prepared,
        description=description,
        rows=read_rows(TRAIN),
        samples={_step(path): path for path in (TRAIN / "samples").glob("step-*.png")},
        trials=_rows(SEARCH / "trials.csv"),
        present=next((row for row in _rows(SEARCH / "fresh.csv") if not row["number"]), None),
        ways=tuple(ways),
        verdict=read_verdict(UTILITY),
        usefulness=from_tree(json.loads(figures.read_text())) if figures.exists() else None,
        seen=config.report.seen.strip(),
    )


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
