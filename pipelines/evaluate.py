"""Stage evaluate: quality on the test split beside what it is to be measured against, and pictures -> reports/."""

from medgan.config.schema import load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import use_processor
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import read_reports, to_tree
from medgan.evaluation.results import SAMPLES_NAME, evaluation_fingerprint, write_evaluation
from medgan.scores.extractor import Extractor
from medgan.tracking.opening import store_at, store_errors
from medgan.tracking.recording import find_run
from medgan.training.result import WEIGHTS_NAME, load_generators
from medgan.workspace.kept import kept
from medgan.workspace.places import EXTRACTOR, METRICS, PARAMS, PREPARED, REPORTS, TRAIN, store_root


def main() -> None:
    config = load_config(PARAMS)
    use_processor(config.train.threads)
    prepared, store = open_prepared(PREPARED), store_at(store_root(), config.data.name)  # before minutes of measuring
    protocol = EvaluationProtocol.of(config.evaluate, Extractor.load(EXTRACTOR), seed=config.seed)
    gan, generators, description = load_generators(TRAIN)
    key = evaluation_fingerprint(gan, TRAIN / WEIGHTS_NAME, prepared, protocol)
    kept(
        "evaluate",
        key,
        REPORTS,
        lambda folder: write_evaluation(folder, gan, generators, prepared, protocol, progress=progress),
    )
    with store_errors(store_root()):
        run_id, _ = find_run(store, config.data.name, TRAIN)
        store.log_tree(run_id, "test", to_tree(read_reports(METRICS)))
        store.log_picture(run_id, REPORTS / SAMPLES_NAME, key="final", step=description.step)


if __name__ == "__main__":
    run(main)
