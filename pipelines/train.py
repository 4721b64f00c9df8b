"""Stage train: the best configuration, trained on the full budget -> artifacts/train."""

import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path

import yaml

from medgan.config.schema import load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import use_processor
from medgan.errors import DivergedError
from medgan.fingerprint import fingerprint, git_commit
from medgan.scores.extractor import Extractor
from medgan.scores.validation import SCORES, check_score, validation_judge
from medgan.tracking.opening import store_at
from medgan.tracking.recording import Recorder, open_run
from medgan.tracking.runs import Store
from medgan.training.checkpoint import prune_folders
from medgan.training.identity import training_fingerprint
from medgan.training.loop import Listener, fit
from medgan.training.processes import joined
from medgan.training.result import describe, write_trained
from medgan.training.state import identity
from medgan.workspace.places import CHECKPOINTS, EXTRACTOR, PARAMS, PREPARED, SEARCH, STORES, TRAIN
from medgan.workspace.recipes import recipe_of


def main() -> None:
    """With several processes (torchrun) the first one alone writes and logs."""
    with joined() as here:
        config = load_config(PARAMS)
        use_processor(config.train.threads)
        best = yaml.safe_load((SEARCH / "best.yaml").read_text())
        gan, train, seed = config.override(best).gan, config.train, config.seed
        prepared, extractor = open_prepared(PREPARED), Extractor.load(EXTRACTOR)
        check_score(gan, train.score, prepared.spec)
        judge = validation_judge(prepared, extractor, train.n, seed, train.score)
        folder = CHECKPOINTS / f"train-{training_fingerprint(gan, train, seed, prepared, extractor.digest)}"
        fitted = partial(fit, gan, train, prepared, seed=seed, judge=judge, directory=folder)
        if not here.first:
            with suppress(DivergedError):  # the first one says so and records it; an error here would have it killed
                fitted()
            return
        for path, value in best.items():
            print(f"best.yaml sets {path} = {value}")
        key = fingerprint({"training": folder.name, **identity(train)})
        sections = {"gan": gan.model_dump(mode="json"), "train": train.model_dump(mode="json"), "seed": seed}
        origin = {"commit": git_commit(Path.cwd()), "recipe": recipe_of(Path.cwd(), PARAMS)}

        def opened() -> tuple[Store, str]:
            store = store_at(STORES, config.data.name)
            return store, open_run(store, config.data.name, key, sections, data_md5=prepared.md5, **origin)

        recorder = Recorder(opened)
        try:
            with progress("train", train.steps) as done:
                trained = fitted(listener=Listener(on_step=done, on_checkpoint=recorder))
        except DivergedError as error:
            recorder.fail(str(error))
            raise
    shutil.rmtree(TRAIN, ignore_errors=True)
    description = describe(key, sections, prepared, trained, **origin)
    write_trained(TRAIN, trained, description, folder / "samples")
    recorder.complete(trained.rows, TRAIN / "samples")
    prune_folders(CHECKPOINTS, keep=folder)
    found = f"{trained.best.weights} weights of step {trained.best.step}"
    print(f"best on validation: {found}, {SCORES[train.score].title} {trained.best.score:.4g}")


if __name__ == "__main__":
    run(main)
