"""Stage evaluate: quality on the test split beside what it is to be measured against, and pictures -> reports/."""

from functools import partial

from medgan.config.schema import load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import use_cpu
from medgan.evaluation.report import read_reports
from medgan.evaluation.results import PICTURES_NAME, REAL_NAME, SAMPLES_NAME, evaluation_fingerprint, write_evaluation
from medgan.reporting.measures import headlines, in_mlflow
from medgan.tracking.opening import opened_store
from medgan.tracking.recording import find_run
from medgan.training.result import WEIGHTS_NAME, load_generators
from medgan.workspace.judges import protocol_of
from medgan.workspace.kept import kept
from medgan.workspace.places import METRICS, PARAMS, PREPARED, REPORTS, TRAIN, store_root


def main() -> None:
    config = load_config(PARAMS)
    use_cpu(config.train.threads)
    gan, generators, description = load_generators(TRAIN)
    prepared, protocol = open_prepared(PREPARED).towards(description.between), protocol_of(config)
    make = partial(
        write_evaluation, gan=gan, generators=generators, prepared=prepared, protocol=protocol, progress=progress
    )
    with opened_store(store_root(), config.data.name) as store:  # before minutes of measuring
        key = evaluation_fingerprint(gan, TRAIN / WEIGHTS_NAME, prepared, protocol)
        kept("evaluate", key, REPORTS, make, shared=True)
        run_id, _ = find_run(store, config.data.name, TRAIN)
        store.log_figures(run_id, in_mlflow(headlines(read_reports(METRICS))))
        pictures = sorted((REPORTS / PICTURES_NAME).glob("*.png"))
        for path in (METRICS, REPORTS / SAMPLES_NAME, REPORTS / REAL_NAME, *pictures):
            store.log_file(run_id, path)


if __name__ == "__main__":
    run(main)
