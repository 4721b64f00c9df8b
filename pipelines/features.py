"""Stage features: train the extractor behind fid_domain on the training split; measure the floor."""

import json
import shutil

from medgan.config.schema import load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import use_processor
from medgan.scores.fidelity import agreement
from medgan.scores.images import ImageSet
from medgan.scores.learning import extractor_of
from medgan.workspace.counts import check_counts
from medgan.workspace.places import EXTRACTOR, FEATURES, PARAMS, PREPARED


def main() -> None:
    config = load_config(PARAMS)
    use_processor(config.train.threads)
    prepared = open_prepared(PREPARED)
    check_counts(config, prepared)
    with progress("features", config.features.steps) as done:
        extractor = extractor_of(prepared, config.features, seed=config.seed, progress=done)
    shutil.rmtree(FEATURES, ignore_errors=True)
    FEATURES.mkdir(parents=True)
    extractor.save(EXTRACTOR)
    about: dict[str, str | float] = {"extractor": extractor.name, "digest": extractor.digest, "data_md5": prepared.md5}
    if extractor.classes:
        validation = ImageSet.stored(prepared, prepared.indices("validation"))
        about["validation_accuracy"] = round(agreement(extractor, validation), 4)
    (FEATURES / "extractor.json").write_text(json.dumps(about, indent=2) + "\n")
    print(", ".join(f"{key} {value}" for key, value in about.items()))


if __name__ == "__main__":
    run(main)
