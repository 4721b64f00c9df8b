"""The files of an evaluation: reports, and pictures to look at beside them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medgan.data.store import Prepared
from medgan.evaluation.copying.picture import closest_pairs
from medgan.evaluation.evaluate import Progress, evaluate_ways
from medgan.evaluation.generators import Generator, TorchGenerator, drawn_images
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import Report, SynthesisReport, write_reports
from medgan.fingerprint import code_digest, file_digest, fingerprint
from medgan.gans.base import Gan
from medgan.gans.drawing import GRID_COLUMNS, sample_grid
from medgan.imaging.grids import below, grid, save_image
from medgan.scores.validation_images import example_conditions, examples

METRICS_NAME, SAMPLES_NAME, REAL_NAME, CLOSEST_NAME = "metrics.json", "samples.png", "real.png", "closest.png"


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
    reports = evaluate_ways(gan, generators, prepared, protocol, progress=progress)
    samples = [sample_grid(way.gan, generators, example_conditions(way.view(prepared), "test")) for way in gan.ways()]
    save_image(folder / SAMPLES_NAME, below(samples))
    save_image(folder / REAL_NAME, grid(prepared.pictures(examples(prepared, "test")), columns=GRID_COLUMNS))
    save_image(folder / CLOSEST_NAME, _closest(reports[""], TorchGenerator(gan, generators), prepared, protocol))
    write_reports(folder / METRICS_NAME, reports)


def _closest(
    report: Report, generator: Generator, prepared: Prepared, protocol: EvaluationProtocol
) -> NDArray[np.uint8]:
    """Picture the closest pairs of the audit of copies; black where there was nothing to copy."""
    if not isinstance(report, SynthesisReport) or report.copying is None:
        return np.zeros((1, 1, 1), np.uint8)
    rows = np.array([pair.image for pair in report.copying.closest])
    drawn = drawn_images(generator, prepared, protocol.held_out(prepared), seed=protocol.seed, rows=rows)
    return closest_pairs(report.copying, drawn, prepared)


def evaluation_fingerprint(gan: Gan, weights: Path, prepared: Prepared, protocol: EvaluationProtocol) -> str:
    """Digest all that decides what `write_evaluation` writes. weights: the file of the trained generators."""
    networks = {type(module).__module__ for module in gan.modules()}
    return fingerprint(
        {
            "weights": file_digest(weights),
            "data": prepared.md5,
            "extractor": protocol.embedder.digest if protocol.embedder else None,
            "numbers": [protocol.n, protocol.bootstrap, protocol.segmenter_steps, protocol.seed, protocol.split],
            "code": code_digest({"medgan.evaluation.results", *networks}),
        }
    )
