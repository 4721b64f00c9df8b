"""Generators under the audit of copies: one that learnt from few images for long, and one from many as long."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import judging
from benchmarks.judging import ROOT, Subject, configuration, open_subject, row_identity, train
from benchmarks.keeping import kept
from medgan.config.schema import Config
from medgan.console import progress
from medgan.evaluation.copying.audit import audit, queries
from medgan.evaluation.copying.picture import closest_pairs
from medgan.evaluation.generators import TorchGenerator, drawn_images
from medgan.imaging.arrays import quantised, to_uint8
from medgan.imaging.grids import grid, save_image
from medgan.seeds import derive_seed

_ALIKE: dict[str, Any] = {
    "data.options.count": 16_000,
    "gan.augment": [],
    "train.evaluations": 1,  # the last step draws: the best one on validation would come before copies do
    "train.steps": 5000,
}
GENERATORS: Mapping[str, dict[str, Any]] = {
    "100 phantoms": {**_ALIKE, "data.train_per_class": 25},
    "10,000 phantoms": {**_ALIKE, "data.train_per_class": 2500},
}


@dataclass(frozen=True)
class Overtrained:
    """A generator that learnt from `train` images, each of them `epochs` times, and what the audit says of its images.

    found: share of copies, membership: chance that a training image is nearer than a test image; each with its 95 %
    interval. planted, alarms: share of planted copies that this audit finds, and of honest sets that alarm it.
    """

    name: str
    key: str
    train: int
    drawn: int
    steps: int
    epochs: float
    cpu_seconds: float
    verdict: str
    found: tuple[float, float, float]
    p: float
    membership: tuple[float, float, float]
    planted: float
    alarms: float

    @property
    def picture(self) -> Path:
        """Its closest pairs above held-out ones."""
        return _picture(self.key)


def overtrained(name: str) -> Overtrained:
    """One of GENERATORS, or what was kept of it; a training that was stopped goes on."""
    config = configuration("default", changes=GENERATORS[name])
    subject = open_subject(config)
    key = row_identity(config, subject)
    row = kept("overtrained", {"row": key}, lambda: asdict(_audited(name, key, config, subject)))
    shutil.rmtree(_checkpoints(key), ignore_errors=True)
    ranges = {figure: tuple(row[figure]) for figure in ("found", "membership")}
    return Overtrained(**{**row, **ranges, "name": name})


def _audited(name: str, key: str, config: Config, subject: Subject) -> Overtrained:
    trained, seconds = train(name, config, subject, _checkpoints(key))
    data = subject.prepared
    held_out = data.take("test", config.evaluate.n, derive_seed(config.seed, "evaluate"))
    generator = TorchGenerator(trained.gan, trained.generators)
    images = quantised(drawn_images(generator, data, held_out, seed=config.seed), data.levels)
    with progress("copies", queries(data, len(images), len(held_out))) as done:
        copies = audit(images, held_out, data, seed=config.seed, done=done)
    pairs = to_uint8(np.concatenate(closest_pairs(copies, images, data)))
    save_image(_picture(key), grid(pairs, columns=len(copies.closest)))
    learnt = len(data.indices("train"))
    found, membership = copies.found, copies.membership
    return Overtrained(
        name=name,
        key=key,
        train=learnt,
        drawn=len(images),
        steps=config.train.steps,
        epochs=config.train.steps * config.gan.batch / learnt,
        cpu_seconds=seconds,
        verdict=copies.verdict,
        found=(found.share, found.low, found.high),
        p=copies.p,
        membership=(membership.auc, membership.low, membership.high),
        planted=copies.planted,
        alarms=copies.alarms,
    )


def _checkpoints(key: str) -> Path:
    return judging.WORK / f"train-{key}"


def _picture(key: str) -> Path:
    return judging.WORK / "overtrained" / f"{key}.png"


def table(rows: Sequence[Overtrained]) -> list[str]:
    """With the pictures of each, copied to docs/."""
    lines = [
        "",
        "## Generators",
        "",
        "The recipe `default`, four classes, without augmentation; the weights of the last step draw. Membership: .5 "
        "where training images left no traces. Planted: share of planted copies that the same audit finds. Alarms: "
        "share of honest sets that raise one.",
        "",
        "| learnt from | steps | epochs | CPU seconds | drawn | verdict | copies | p | membership | planted | alarms |",
        "| --- " * 11 + "|",
        *(
            f"| {row.train:,} images | {row.steps:,} | {row.epochs:.0f} | {row.cpu_seconds:.0f} | {row.drawn:,} "
            f"| {row.verdict} | {_range(row.found)} | {row.p:.1g} | {_range(row.membership)} | {row.planted:.2f} "
            f"| {row.alarms:.2f} |"
            for row in rows
        ),
        "",
        "Its closest images, the training images laid on them, and below them the same of held-out images.",
    ]
    for row in rows:
        picture = f"copyists-{row.train}.png"
        shutil.copy(row.picture, ROOT / "docs" / picture)
        lines += ["", f"![Closest pairs of {row.name}](../../docs/{picture})"]
    return lines


def _range(figure: Sequence[float]) -> str:
    value, low, high = figure
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
