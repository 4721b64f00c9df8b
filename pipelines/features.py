"""Stage features: train the extractor behind fid_domain on the training split -> artifacts/features."""

import json
from pathlib import Path

from medgan.config.schema import load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import resolve_threads, use_cpu
from medgan.scores.learning import extractor_fingerprint, extractor_of, write_extractor
from medgan.workspace.counts import check_counts
from medgan.workspace.kept import kept
from medgan.workspace.places import EXTRACTOR, FEATURES, PARAMS, PREPARED


def main() -> None:
    config = load_config(PARAMS)
    use_cpu(config.train.threads)
    prepared = open_prepared(PREPARED)
    check_counts(config, prepared)

    def make(folder: Path) -> None:
        with progress("features", config.features.steps) as done:
            extractor = extractor_of(prepared, config.features, seed=config.seed, progress=done)
        write_extractor(folder / EXTRACTOR.name, extractor, prepared)

    threads = resolve_threads(config.train.threads)
    kept("features", extractor_fingerprint(prepared, config.features, config.seed, threads), FEATURES, make)
    learnt = json.loads(EXTRACTOR.with_suffix(".json").read_text())
    right = learnt.get("validation_accuracy")  # where there are classes
    print(
        f"{learnt['extractor']} {learnt['digest']}"
        + ("" if right is None else f", tells {100 * right:.1f} % of classes right")
    )


if __name__ == "__main__":
    run(main)
