"""Stage features: train the extractor behind fid_domain on the training split; measure the floor."""

import json
import shutil

from medgan.config.schema import Config, load_config
from medgan.console import progress, run
from medgan.data.store import Prepared, open_prepared
from medgan.device import use_processor
from medgan.randomness import derive_seed
from medgan.scores.features import Extractor, train_extractor
from medgan.workspace.counts import check_counts
from medgan.workspace.places import FEATURES, PARAMS, PREPARED


def main() -> None:
    config = load_config(PARAMS)
    use_processor(config.train.threads)
    prepared = open_prepared(PREPARED)
    check_counts(config, prepared)
    extractor = learn(config, prepared)
    shutil.rmtree(FEATURES, ignore_errors=True)
    FEATURES.mkdir(parents=True)
    extractor.save(FEATURES / "extractor.safetensors")
    about: dict[str, str | float] = {"extractor": extractor.name, "digest": extractor.digest, "data_md5": prepared.md5}
    if prepared.labels is not None:
        validation = prepared.indices("validation")
        agreed = extractor.classify(prepared.pictures(validation)) == prepared.labels[validation]
        about["validation_accuracy"] = round(float(agreed.mean()), 4)
    (FEATURES / "extractor.json").write_text(json.dumps(about, indent=2) + "\n")
    print(", ".join(f"{key} {value}" for key, value in about.items()))


def learn(config: Config, prepared: Prepared) -> Extractor:
    """The extractor of these data: from training images, those that generators may not learn from included."""
    learnable, labels = prepared.learnable(), prepared.labels
    with progress("features", config.features.steps) as done:
        return train_extractor(
            prepared.pictures(learnable),
            None if labels is None else labels[learnable],
            classes=prepared.spec.classes,
            steps=config.features.steps,
            batch=config.features.batch,
            seed=derive_seed(config.seed, "features"),
            progress=done,
        )


if __name__ == "__main__":
    run(main)
