"""Stage evaluate: quality on the test split beside what it is to be measured against, and pictures -> reports/."""

import shutil

from medgan.config.schema import load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import use_processor
from medgan.evaluation.evaluate import evaluate_ways
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import to_tree, write_reports
from medgan.gans.drawing import GRID_COLUMNS, sample_grid
from medgan.imaging.grids import below, grid, save_image
from medgan.scores.extractor import Extractor
from medgan.scores.validation_images import example_conditions, examples
from medgan.tracking.opening import store_at
from medgan.tracking.recording import find_run
from medgan.training.result import load_generators
from medgan.workspace.places import EXTRACTOR, METRICS, PARAMS, PREPARED, REPORTS, STORES, TRAIN


def main() -> None:
    config = load_config(PARAMS)
    use_processor(config.train.threads)
    prepared, store = open_prepared(PREPARED), store_at(STORES, config.data.name)  # before minutes of measuring
    protocol = EvaluationProtocol.of(config.evaluate, Extractor.load(EXTRACTOR), seed=config.seed)
    gan, generators, description = load_generators(TRAIN)
    reports = evaluate_ways(gan, generators, prepared, protocol, progress=progress)
    samples = [sample_grid(way.gan, generators, example_conditions(way.view(prepared), "test")) for way in gan.ways()]
    shutil.rmtree(REPORTS, ignore_errors=True)
    save_image(REPORTS / "samples.png", below(samples))
    save_image(REPORTS / "real.png", grid(prepared.pictures(examples(prepared, "test")), columns=GRID_COLUMNS))
    write_reports(METRICS, reports)
    run_id, _ = find_run(store, config.data.name, TRAIN)
    store.log_tree(run_id, "test", to_tree(reports))
    store.log_picture(run_id, REPORTS / "samples.png", key="final", step=description.step)


if __name__ == "__main__":
    run(main)
