"""Stage evaluate: quality on the test split beside what it is to be measured against, and pictures -> reports/."""

import json
import shutil

from medgan.config.schema import load_config
from medgan.console import run
from medgan.data.store import open_prepared
from medgan.device import use_processor
from medgan.gans.drawing import GRID_COLUMNS, sample_grid
from medgan.imaging.grids import below, grid, save_image
from medgan.scores.features import Extractor
from medgan.scores.validation import pictured, shown
from medgan.tracking.opening import store_at
from medgan.tracking.recording import find_run
from medgan.training.result import load_generators
from medgan.workspace.places import EXTRACTOR, METRICS, PARAMS, PREPARED, REPORTS, TRAIN, store_root
from pipelines.quality import synthesis_metrics, translation_metrics


def main() -> None:
    config = load_config(PARAMS)
    use_processor(config.train.threads)
    prepared, extractor = open_prepared(PREPARED), Extractor.load(EXTRACTOR)
    store = store_at(store_root(), config.data.name)  # before minutes of measuring
    gan, generators, _ = load_generators(TRAIN)
    back = gan.reversed()
    measured = translation_metrics if "source" in gan.inputs else synthesis_metrics
    metrics = measured(config, prepared, extractor, gan, generators)
    samples = [sample_grid(gan, generators, pictured(prepared, "test"))]
    if back is not None:
        reverse = prepared.reversed()
        metrics["reverse"] = translation_metrics(config, reverse, None, back, generators)
        samples.append(sample_grid(back, generators, pictured(reverse, "test")))

    shutil.rmtree(REPORTS, ignore_errors=True)
    save_image(REPORTS / "samples.png", below(samples))
    save_image(REPORTS / "real.png", grid(prepared.pictures(shown(prepared, "test")), columns=GRID_COLUMNS))
    METRICS.write_text(json.dumps(metrics, indent=2) + "\n")
    run_id, description = find_run(store, config.data.name, TRAIN)
    store.log_tree(run_id, "test", metrics)
    store.log_picture(run_id, REPORTS / "samples.png", key="final", step=description.step)


if __name__ == "__main__":
    run(main)
