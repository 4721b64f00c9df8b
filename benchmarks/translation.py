"""T1 to T2 on IXI: U-Net, cGAN and CycleGAN as published beside the recommended ones -> results/translation.*, docs/.

python -m benchmarks.translation        # some seventy minutes; `medgan data fetch ixi` first
"""

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.judging import ROOT, WORK, Subject, configuration, open_subject, row_identity, train
from benchmarks.tables import save
from benchmarks.turns import in_turns, training_step
from medgan.config.schema import Config
from medgan.device import resolve_precision
from medgan.evaluation.evaluate import evaluate_ways
from medgan.evaluation.report import from_tree, to_tree
from medgan.files import write_atomically
from medgan.gans.drawing import GRID_COLUMNS, sample_grid
from medgan.imaging.grids import save_image
from medgan.scores.figures import check_comparable
from medgan.scores.validation_images import example_conditions

# What the published lab prints after 20 epochs: MAE, PSNR, SSIM of its own test subjects.
PUBLISHED = {
    "unet-published": ("0.0492", "20.19", "0.968"),
    "pix2pix-published": ("0.0462", "20.58", "0.970"),
    "cyclegan-published": ("0.0865", "14.87", "0.887"),
}
RECOMMENDED = ("unet", "pix2pix", "cyclegan")
SEEDS = (0, 1, 2)
ROUNDS, STEPS = 5, 8  # penalties come every eighth step at most


@dataclass(frozen=True)
class Row:
    """One training. parameters: of the generator from T1 to T2. metrics: as reports/metrics.json has them."""

    recipe: str
    seed: int
    key: str
    parameters: int
    steps: int
    precision: str
    cpu_seconds: float
    metrics: dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    rows, steps = [], {}
    for recipe, config in {recipe: configuration(recipe) for recipe in (*PUBLISHED, *RECOMMENDED)}.items():
        subject = open_subject(config)
        steps[recipe] = training_step(config, subject.prepared)
        for seed in SEEDS if recipe in RECOMMENDED else SEEDS[:1]:
            rows.append(translated(recipe, config.override({"seed": seed}), subject))
        first = next(row for row in rows if row.recipe == recipe)
        shutil.copy(WORK / "judged" / f"{first.key}.png", ROOT / "docs" / f"translation-{recipe}.png")
    _write(rows, in_turns(steps, ROUNDS, times=STEPS, clock=time.process_time))


def translated(recipe: str, config: Config, subject: Subject) -> Row:
    """Train as the recipe says and score on the test subjects, or find both from the last time."""
    name, key = f"{recipe}-{config.seed}", row_identity(config, subject)
    kept = WORK / "judged" / f"{key}.json"
    if kept.exists():
        return Row(**json.loads(kept.read_text()))
    folder = WORK / f"train-{key}"
    trained, spent = train(name, config, subject, folder)
    metrics = to_tree(evaluate_ways(trained.gan, trained.generators, subject.prepared, subject.protocol(config)))
    parameters = sum(tensor.numel() for tensor in next(iter(trained.generators.values())).parameters())
    precision = resolve_precision(config.train.precision)
    row = Row(recipe, config.seed, key, parameters, config.train.steps, precision, spent, metrics)
    examples = {key: tensor[:GRID_COLUMNS] for key, tensor in example_conditions(subject.prepared, "test").items()}
    save_image(kept.with_suffix(".png"), sample_grid(trained.gan, trained.generators, examples))
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(kept, (json.dumps(asdict(row), indent=2) + "\n").encode())
    shutil.rmtree(folder)
    quality = metrics["quality"]
    print(f"{name}: {spent:.0f} CPU seconds, MAE {quality['mae']:.4f}, KID {quality['kid']:.4f}", flush=True)
    return row


def _write(rows: Sequence[Row], step_seconds: dict[str, list[float]]) -> None:
    qualities = [from_tree(row.metrics)[""].quality for row in rows]
    for other in qualities:
        check_comparable(qualities[0], other)
    first = rows[0].metrics
    quality, baselines = first["quality"], first["baselines"]
    lines = [
        "# T1 to T2 on IXI, 64x64",
        "",
        f"`python -m benchmarks.translation`: n = {quality['n']} {quality['split']} subjects; recommended recipes: "
        f"mean ± standard deviation of {len(SEEDS)} seeds. MAE, PSNR and SSIM by the published formulas, on [-1, 1]; "
        "in brackets what the publication prints for its own split. The mean T2 image of the training subjects has MAE "
        f"{baselines['mean']:.4f}, the T1 image as it is {baselines['source']:.4f}. KID: fid_domain features; real "
        f"training images have {first['floor']['kid']:.4f}. CPU seconds are those that a training took. In turns: "
        "steps times CPU seconds of a step, against the published recipe of the family, all recipes taking a few steps "
        "each one after the other, because a machine is slower at one hour than at another.",
        "",
        "| recipe | parameters | steps | precision | CPU seconds | in turns | MAE | PSNR | SSIM | KID |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    groups = {recipe: [row for row in rows if row.recipe == recipe] for recipe in (*PUBLISHED, *RECOMMENDED)}
    for recipe, group in groups.items():
        found = [row.metrics["quality"] for row in group]
        cells = [_spread([figures["published"][key] for figures in found], digits) for key, digits in _PUBLISHED_DIGITS]
        if recipe in PUBLISHED:
            cells = [f"{cell} ({value})" for cell, value in zip(cells, PUBLISHED[recipe], strict=True)]
        seconds = _spread([row.cpu_seconds for row in group], 0)
        kid = _spread([figures["kid"] for figures in found], 4)
        published = f"{recipe.removesuffix('-published')}-published"
        ratio = median(a / b for a, b in zip(step_seconds[recipe], step_seconds[published], strict=True))
        ratio *= group[0].steps / groups[published][0].steps
        cost = f"{group[0].parameters:,} | {group[0].steps:,} | {group[0].precision} | {seconds} | {ratio:.2f}"
        lines.append(f"| {recipe} | {cost} | {' | '.join(cells)} | {kid} |")
    lines += [
        "",
        "By piq on [0, 1], and the way back, T2 to T1, by the published MAE:",
        "",
        "| recipe | PSNR ↑ | SSIM ↑ | MS-GMSD ↓ | MDSI ↓ | HaarPSI ↑ | MAE, T2 to T1 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for recipe, group in groups.items():
        standard = [row.metrics["quality"]["standard"] for row in group]
        cells = [_spread([figures[key] for figures in standard], digits) for key, digits in _STANDARD_DIGITS]
        back = [row.metrics["reverse"]["quality"]["published"]["mae"] for row in group if "reverse" in row.metrics]
        lines.append(f"| {recipe} | {' | '.join(cells)} | {_spread(back, 4) if back else ''} |")
    save("translation", {"rows": [asdict(row) for row in rows], "step_seconds": step_seconds}, lines)


_PUBLISHED_DIGITS = (("mae", 4), ("psnr", 2), ("ssim", 4))
_STANDARD_DIGITS = (("psnr", 2), ("ssim", 4), ("ms_gmsd", 4), ("mdsi", 4), ("haarpsi", 4))


def _spread(values: Sequence[float], digits: int) -> str:
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()
