"""Stage train: the best configuration, trained on the full budget -> artifacts/train."""

from contextlib import suppress
from functools import partial

import yaml

from medgan.config.schema import load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import use_processor
from medgan.errors import DivergedError
from medgan.scores.extractor import Extractor
from medgan.scores.validation import check_score, describe_best, validation_judge
from medgan.tracking.recording import record_training
from medgan.training.processes import joined
from medgan.training.task import Task
from medgan.workspace.counts import check_counts
from medgan.workspace.places import EXTRACTOR, PARAMS, PREPARED, SEARCH, TRAIN, checkpoints, store_root
from medgan.workspace.recipes import origin_of


def main() -> None:
    """With several processes (torchrun) the first one alone writes and logs."""
    with joined() as process:
        config = load_config(PARAMS)
        use_processor(config.train.threads)
        best = yaml.safe_load((SEARCH / "best.yaml").read_text())
        gan, train, seed = config.override(best).gan, config.train, config.seed
        prepared, extractor = open_prepared(PREPARED), Extractor.load(EXTRACTOR)
        check_score(gan, train.score, prepared.spec)
        check_counts(config, prepared)
        judge = validation_judge(prepared, extractor, train.n, seed, train.score)
        task = Task(gan, train, seed, prepared, judge, extractor.digest, checkpoints())
        if process.first:
            for path, value in best.items():
                print(f"best.yaml sets {path} = {value}")
            steps = partial(progress, "train", train.steps)
            trained = record_training(
                task, config.data.name, store_root(), TRAIN, origin=origin_of(PARAMS), progress=steps
            )
            print(f"best on validation: {describe_best(trained.best, train.score)}")
        else:  # the first one says and records what went wrong; an error here would have it killed
            with suppress(DivergedError):
                task.fit()


if __name__ == "__main__":
    run(main)
