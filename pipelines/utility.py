"""Stage utility: whether drawn images help a classifier -> reports/utility.json, figures and a picture."""

import json
from functools import partial

from medgan.config.schema import load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import use_cpu
from medgan.reporting.measures import rounded
from medgan.tracking.opening import opened_store
from medgan.tracking.recording import find_run
from medgan.training.result import WEIGHTS_NAME, load_generators
from medgan.usefulness.results import DETAILS_NAME, PICTURE_NAME, usefulness_fingerprint, write_usefulness
from medgan.workspace.judges import utility_of
from medgan.workspace.kept import kept
from medgan.workspace.places import PARAMS, PREPARED, REPORTS, TRAIN, UTILITY, store_root


def main() -> None:
    config = load_config(PARAMS)
    use_cpu(config.train.threads)
    gan, generators, description = load_generators(TRAIN)
    data, asked, seed = open_prepared(PREPARED).towards(description.between), utility_of(config), config.seed
    make = partial(
        write_usefulness, gan=gan, generators=generators, data=data, config=asked, seed=seed, progress=progress
    )
    with opened_store(store_root(), config.data.name) as store:  # before a minute of training
        key = usefulness_fingerprint(gan, TRAIN / WEIGHTS_NAME, data, asked, seed)
        kept("utility", key, REPORTS, make, shared=True)
        run_id, _ = find_run(store, config.data.name, TRAIN)
        verdict = json.loads(UTILITY.read_text())
        if gain := verdict.get("gain"):
            store.log_figures(run_id, {"test/use": rounded(gain["value"])})
        store.tag(run_id, "utility", verdict["sentence"])
        for path in (UTILITY, REPORTS / DETAILS_NAME / PICTURE_NAME):
            if path.exists():
                store.log_file(run_id, path)
    print(verdict["sentence"])


if __name__ == "__main__":
    run(main)
