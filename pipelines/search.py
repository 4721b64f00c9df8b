"""Stage search: Optuna over the space in params.yaml -> artifacts/search/best.yaml."""

import shutil
from collections.abc import Callable
from functools import partial

import yaml

from medgan import search
from medgan.checking import Scalar
from medgan.config import Config, load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import use_threads
from medgan.fingerprint import code_hash, fingerprint
from medgan.tracking.runs import store_at
from medgan.tracking.trials import mirror_trial
from medgan.training.checkpoint import locked, remove_folders
from medgan.training.loop import Listener, fit
from pipelines import CHECKPOINTS, PARAMS, PREPARED, SEARCH, STUDIES, store_root
from pipelines.scoring import load_extractor, training_fingerprint, trial_training, validation_judge


def main() -> None:
    config = load_config(PARAMS)
    use_threads(config.train.threads)
    search.check_space(config, open_prepared(PREPARED).spec)
    best: dict[str, Scalar] = {}
    trials: list[search.TrialRecord] = []
    if config.search.trials:
        best, trials = _search(config)
    shutil.rmtree(SEARCH, ignore_errors=True)
    SEARCH.mkdir(parents=True)
    search.write_trials(SEARCH / "trials.csv", trials, config.search)
    (SEARCH / "best.yaml").write_text(yaml.safe_dump(best))
    print(f"best of {len(trials)} trials: {best or 'params.yaml as it is'}")


def _search(config: Config) -> tuple[dict[str, Scalar], list[search.TrialRecord]]:
    prepared, extractor = open_prepared(PREPARED), load_extractor()
    training = trial_training(config)
    judge = validation_judge(prepared, extractor, config.search.n, config.seed, config.train.score)
    space = config.search.model_dump(mode="json", exclude={"trials", "finalists"})
    base = training_fingerprint(config.gan, training, config.seed, prepared, extractor)
    name = fingerprint({"base": base, "space": space, "code": code_hash()})

    def objective(candidate: Config, seed: int, report: Callable[[int, float], None]) -> float:
        folder = CHECKPOINTS / f"trial-{training_fingerprint(candidate.gan, training, seed, prepared, extractor)}"
        with progress("trial", training.steps) as done:
            listener = Listener(on_step=done, on_evaluation=report)
            trained = fit(
                candidate.gan, training, prepared, seed=seed, judge=judge, directory=folder, listener=listener
            )
        return trained.best.score

    store = store_at(store_root(), config.data.name)
    tags = {"medgan.kind": "search", "medgan.data_md5": prepared.md5}
    params = config.search.model_dump(mode="json")
    parent = store.run(f"search-{name}", f"search {name[:6]}", params=params, tags=tags)
    with locked(CHECKPOINTS / f"study-{name}"), store.ended(parent):
        study = search.open_study(name, STUDIES)
        for number in search.sweep(study):
            print(f"trial {number} was interrupted; it is tried once more")
        mirror = partial(mirror_trial, store, parent, name)
        for record in search.records(study):
            mirror(record)
        search.run_trials(study, config, objective, on_trial=mirror)
        best = search.choose(study, config, objective)
    remove_folders(CHECKPOINTS.glob("trial-*"))
    return best, search.records(study)


if __name__ == "__main__":
    run(main)
