"""Stage train: the best configuration, trained on the full budget -> artifacts/train."""

from contextlib import suppress
from functools import partial

from medgan.config.schema import load_config
from medgan.console import progress, run
from medgan.device import use_cpu
from medgan.errors import DivergedError
from medgan.scores.validation import describe_best
from medgan.tracking.recording import record_training
from medgan.training.processes import joined
from medgan.workspace.places import PARAMS, TRAIN, store_root
from medgan.workspace.recipes import origin_of
from medgan.workspace.task import best_values, training_task


def main() -> None:
    """With several processes (torchrun) the first one alone writes and logs."""
    with joined() as process:
        config = load_config(PARAMS)
        use_cpu(config.train.threads)
        task = training_task(config)
        if not process.first:  # the first one says and records what goes wrong; an error here would have it killed
            with suppress(DivergedError):
                task.fit()
            return
        if best := best_values():
            print("best.yaml sets", ", ".join(f"{path} = {value}" for path, value in best.items()))
        origin = origin_of(PARAMS, task.sections)
        record = partial(record_training, origin=origin, progress=partial(progress, "train"))
        trained = record(task, config.data.name, store_root(), TRAIN)
        print(f"best on validation: {describe_best(trained.best, config.train.score)}")


if __name__ == "__main__":
    run(main)
