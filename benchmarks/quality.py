"""Recipes on one data set, judged class by class and by a network that tells them apart -> results/quality-DATA.*.

    python -m benchmarks.quality medical-mnist medical-mnist
    python -m benchmarks.quality isic isic isic,gan.lr=0.002,gan.batch=64 --seconds 600      # with values changed

The first name is the recipe whose data are taken; fetch or put them there first. Each row is trained for so many
seconds of a CPU, on a GPU of the clock. What was trained and judged before is found again: name all rows of a table.
"""

import argparse
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
import yaml

from benchmarks.judging import GPU, ROOT, Judged, Subject, configuration, judge, open_subject
from benchmarks.tables import save
from benchmarks.texture import Texture, texture
from medgan.data.stored import StoredImages
from medgan.errors import MedganError
from medgan.evaluation.generators import ExportedGenerator, drawn_images
from medgan.evaluation.two_sample import Answers, Measured, TwoSample
from medgan.imaging.arrays import quantised
from medgan.runtime.generator import OnnxGenerator
from medgan.scores.figures import Fidelity, check_comparable

_TEXTURED = 200  # images of each class behind the last two columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the recipe whose data are taken")
    parser.add_argument("recipes", nargs="+", metavar="recipe", help="with ,path=value for each change")
    parser.add_argument("--seconds", type=float, default=420 if GPU else 1200, help="of each; %(default)s unless told")
    told = parser.parse_args()
    command = f"python -m benchmarks.quality {told.data} {' '.join(told.recipes)} --seconds {told.seconds:.0f}"
    measure(told.data, told.recipes, told.seconds, name=f"quality-{told.data}", command=command)


def measure(
    data: str,
    recipes: Sequence[str],
    seconds: float,
    *,
    name: str,
    command: str,
    place: Mapping[str, Any] | None = None,
) -> list[Judged]:
    """Train and judge each, and write results/`name`. place: values of the data's recipe, where they lie elsewhere."""
    base = dict(place or {})
    subject = open_subject(configuration(data, changes=base), told_apart=True, by_class=True)
    rows = []
    for text in recipes:
        recipe, *changes = text.split(",")
        values = dict(_change(change) for change in changes)
        config = configuration(recipe, data=data, changes=base | values)
        rows.append(judge(text, config, subject, cpu_seconds=seconds))
    _write(data, rows, subject, seconds, name=name, command=command)
    return rows


def _change(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not equals:
        raise MedganError(f"'{text}' is no change; write path=value, such as gan.lr=0.001")
    return path, yaml.safe_load(value)


def _write(data: str, rows: Sequence[Judged], subject: Subject, seconds: float, *, name: str, command: str) -> None:
    floor, device = subject.floor, torch.cuda.get_device_name() if GPU else "one thread of a CPU"
    for row in rows:
        check_comparable(floor, row.quality)
    lines = [
        f"# {data}: {seconds:.0f} seconds each on {device}",
        "",
        f"`{command}`: {floor.extractor} {floor.digest}, n = {floor.n:,} {floor.split} images a side, class by class, "
        "one seed. The first line is of real training images in the place of drawn ones. Even pixels: those whose 3x3 "
        "neighbourhood has one value. Finest waves: power of those shorter than 3 pixels, against real images.",
        "",
        "| recipe | steps | images/s | FID - floor | KID | precision | recall | density | coverage | told apart "
        "| log-loss | passing | agreement | copied |",
        "| --- " * 14 + "|",
        f"| real |  |  | {_overall(floor, floor)} | {_told(rows[0].two_sample.real)} |  |  |",
        *(
            f"| {row.name} | {row.steps:,} | {row.images_per_second:,.0f} | {_overall(row.quality, floor)} "
            f"| {_told(row.two_sample.generated)} | {_number(row.agreement)} | {row.copied:.3f} |"
            for row in rows
        ),
        "",
    ]
    for row in rows:
        lines += [*_classes(row, floor, _textures(row, subject)), "", *_picture(row, name), ""]
    figures = {"command": command, "floor": asdict(floor), "rows": [asdict(row) for row in rows]}
    save(name, figures, lines[:-1])


def _overall(quality: Fidelity, floor: Fidelity) -> str:
    likeness = f"{quality.fid - floor.fid:.3f} ± {quality.fid_high - quality.fid:.3f} | {quality.kid:.4f}"
    others = (quality.precision, quality.recall, quality.density, quality.coverage)
    return " | ".join([likeness, *(f"{value:.3f}" for value in others)])


def _told(samples: TwoSample) -> str:
    answers = samples.told_apart.overall if samples.told_apart else Answers(0)
    return f"{_within(answers.accuracy)} | {_within(answers.log_loss)} | {_within(answers.passing)}"


def _classes(row: Judged, floor: Fidelity, textures: Mapping[str, tuple[Texture, Texture]]) -> Iterator[str]:
    answers = row.two_sample.generated.told_apart
    head = "| class | n | FID - floor | recall | coverage | told apart | passing | even pixels (real) | finest waves |"
    yield from (f"## {row.name}", "", head)
    yield "| --- " * 9 + "|"
    for group, figures in row.quality.groups.items():
        told = answers.classes.get(group, Answers(0)) if answers else Answers(0)
        drawn, real = textures[group]
        yield (
            f"| {group} | {figures.n:,} | {figures.fid - floor.groups[group].fid:.3f} | {figures.recall:.3f} "
            f"| {figures.coverage:.3f} | {_within(told.accuracy)} | {_within(told.passing)} "
            f"| {drawn.even:.3f} ({real.even:.3f}) | {drawn.decibels(real):+.1f} dB |"
        )


def _textures(row: Judged, subject: Subject) -> dict[str, tuple[Texture, Texture]]:
    """Of drawn and of real test images, by class."""
    data, generator = subject.prepared, ExportedGenerator(OnnxGenerator(row.model, threads=1))
    found = {}
    for code, name in enumerate(data.label_names):
        test = data.indices("test")
        chosen = test if data.labels is None else test[data.labels[test] == code]
        real = StoredImages(data, chosen[:_TEXTURED])
        drawn = quantised(drawn_images(generator, data, chosen[:_TEXTURED], seed=0), data.levels)
        found[name] = (texture(drawn), texture(real[:]))
    return found


def _picture(row: Judged, name: str) -> list[str]:
    picture = f"{name}-{re.sub('[^A-Za-z0-9]+', '-', row.name)}.png"
    shutil.copy(row.picture, ROOT / "docs" / picture)
    return [f"![Sample grid of {row.name}](../../docs/{picture})"]


def _within(figure: Measured | None) -> str:
    return "" if figure is None else f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
