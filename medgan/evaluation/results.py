"""The files of an evaluation: reports, and pictures to look at beside them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from medgan.data.store import Prepared
from medgan.evaluation.evaluate import evaluate_ways
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import write_reports
from medgan.evaluation.watching import Progress
from medgan.fingerprint import code_digest, file_digest, fingerprint
from medgan.gans.base import Gan
from medgan.gans.drawing import GRID_COLUMNS, sample_grid
from medgan.imaging.arrays import Images, to_uint8
from medgan.imaging.grids import below, grid, save_image
from medgan.scores.validation_images import example_conditions, examples

METRICS_NAME, SAMPLES_NAME, REAL_NAME = "metrics.json", "samples.png", "real.png"
# What is shown of some generators only.
PICTURES_NAME = "pictures"
_BETWEEN_ROWS = 4  # white pixels


def write_evaluation(
    folder: Path,
    *,
    gan: Gan,
    generators: nn.ModuleDict,
    prepared: Prepared,
    protocol: EvaluationProtocol,
    progress: Progress,
) -> None:
    """Judge every way in which a trained GAN draws, into a folder that is not there yet."""
    pictures = folder / PICTURES_NAME
    pictures.mkdir(parents=True)

    def show(name: str, rows: Sequence[Images]) -> None:
        lines = [grid(to_uint8(row), columns=len(row)) for row in rows]
        apart = np.full((_BETWEEN_ROWS, *lines[0].shape[1:]), 255, np.uint8)
        save_image(pictures / f"{name}.png", below([lines[0], *(part for line in lines[1:] for part in (apart, line))]))

    reports = evaluate_ways(gan, generators, prepared, protocol, progress=progress, show=show)
    samples = [sample_grid(way.gan, generators, example_conditions(way.view(prepared), "test")) for way in gan.ways()]
    save_image(folder / SAMPLES_NAME, below(samples))
    save_image(folder / REAL_NAME, grid(prepared.pictures(examples(prepared, "test")), columns=GRID_COLUMNS))
    write_reports(folder / METRICS_NAME, reports)


def evaluation_fingerprint(gan: Gan, weights: Path, prepared: Prepared, protocol: EvaluationProtocol) -> str:
    """Digest all that decides what `write_evaluation` writes. weights: the file of the trained generators."""
    networks = {type(module).__module__ for module in gan.modules()}
    return fingerprint(
        {
            "weights": file_digest(weights),
            "data": prepared.md5,
            "extractor": protocol.embedder.digest if protocol.embedder else None,
            "others": [judge.digest for judge in protocol.others],
            "numbers": [
                protocol.n,
                protocol.bootstrap,
                protocol.segmenter_steps,
                protocol.told_apart_steps,
                protocol.seed,
                protocol.split,
            ],
            "code": code_digest({"medgan.evaluation.results", *networks}),
        }
    )
