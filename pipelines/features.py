"""Stage features: train the extractor behind fid_domain on the training split; measure the floor."""

import json
import shutil

from medgan.config import load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import use_threads
from medgan.evaluation.features import train_extractor
from medgan.randomness import derive_seed
from pipelines import FEATURES, PARAMS, PREPARED


def main() -> None:
    config = load_config(PARAMS)
    use_threads(config.train.threads)
    prepared = open_prepared(PREPARED)
    train, validation = prepared.learnable(), prepared.indices("validation")
    labels = prepared.labels
    with progress("features", config.features.steps) as done:
        extractor = train_extractor(
            prepared.images[train],
            None if labels is None else labels[train],
            classes=prepared.spec.classes,
            steps=config.features.steps,
            batch=config.features.batch,
            seed=derive_seed(config.seed, "features"),
            progress=done,
        )
    shutil.rmtree(FEATURES, ignore_errors=True)
    FEATURES.mkdir(parents=True)
    extractor.save(FEATURES / "extractor.safetensors")
    about: dict[str, str | float] = {"extractor": extractor.name, "digest": extractor.digest, "data_md5": prepared.md5}
    if labels is not None:
        agreed = extractor.classify(prepared.images[validation]) == labels[validation]
        about["validation_accuracy"] = round(float(agreed.mean()), 4)
    (FEATURES / "extractor.json").write_text(json.dumps(about, indent=2) + "\n")
    print(", ".join(f"{key} {value}" for key, value in about.items()))


if __name__ == "__main__":
    run(main)
