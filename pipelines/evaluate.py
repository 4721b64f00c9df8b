"""Stage evaluate: test-split quality, its floor, copying and class agreement -> reports/."""

import json
import shutil
from dataclasses import asdict
from typing import Any

import numpy as np

from medgan.config import load_config
from medgan.console import progress, run
from medgan.data.loader import conditions
from medgan.data.store import open_prepared
from medgan.device import use_threads
from medgan.evaluation.copying import copied_share
from medgan.evaluation.fidelity import agreement, measure, reference
from medgan.evaluation.lesions import judge_lesions
from medgan.pictures import grid, save_image, to_uint8
from medgan.randomness import derive_seed
from medgan.training.drawing import GRID_COLUMNS, generate, sample_grid
from medgan.training.result import load_generators
from pipelines import METRICS, PARAMS, PREPARED, REPORTS, TRAIN
from pipelines.recording import find_run, open_store
from pipelines.scoring import load_extractor, shown


def main() -> None:
    config = load_config(PARAMS)
    use_threads(config.train.threads)
    prepared, extractor, n = open_prepared(PREPARED), load_extractor(), config.evaluate.n
    gan, generators, _ = load_generators(TRAIN)
    test = prepared.take("test", n, derive_seed(config.seed, "evaluate"))
    train = prepared.take("train", n, derive_seed(config.seed, "floor"))
    labels = None if prepared.labels is None else np.asarray(prepared.labels[test])
    drawn = to_uint8(generate(gan, generators, n, conditions(prepared, test), seed=derive_seed(config.seed, "test")))

    real = reference(extractor, prepared.pictures(test), split="test")
    floor = measure(extractor, prepared.pictures(train), real, bootstrap=config.evaluate.bootstrap, seed=config.seed)
    quality = measure(extractor, drawn, real, bootstrap=config.evaluate.bootstrap, seed=config.seed)
    train_features = extractor.features(prepared.pictures(prepared.indices("train")))
    metrics: dict[str, Any] = {
        "quality": asdict(quality),
        "floor": asdict(floor),
        "copied": copied_share(extractor.features(drawn), real.features, train_features),
    }
    if labels is not None and gan.spec.classes:
        metrics["agreement"] = {
            "generated": agreement(extractor, drawn, labels),
            "real": agreement(extractor, prepared.pictures(test), labels),
        }

    if "mask" in gan.inputs:
        steps = config.evaluate.segmenter_steps
        with progress("segmenter", steps) as done:
            metrics["lesion"] = judge_lesions(prepared, drawn, test, steps=steps, seed=config.seed, progress=done)

    shutil.rmtree(REPORTS, ignore_errors=True)
    examples = shown(prepared, "test")
    save_image(REPORTS / "samples.png", sample_grid(gan, generators, conditions(prepared, examples)))
    save_image(REPORTS / "real.png", grid(prepared.pictures(examples), columns=GRID_COLUMNS))
    METRICS.write_text(json.dumps(metrics, indent=2) + "\n")
    store = open_store(config.data.name)
    run_id, description = find_run(store, config.data.name)
    store.log_tree(run_id, "test", metrics)
    store.log_picture(run_id, REPORTS / "samples.png", key="final", step=description.step)


if __name__ == "__main__":
    run(main)
