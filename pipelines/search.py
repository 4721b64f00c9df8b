"""Stage search: Optuna over the space in params.yaml -> artifacts/search/best.yaml."""

import shutil
from collections.abc import Callable

import yaml

from medgan.config.checking import Scalar
from medgan.config.schema import Config, load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import use_processor
from medgan.errors import MedganError
from medgan.fingerprint import fingerprint
from medgan.scores.features import Extractor
from medgan.scores.validation import check_score, validation_judge
from medgan.search import study as search
from medgan.search.study import trial_training
from medgan.tracking.recording import search_mirror
from medgan.training.checkpoint import held, remove_folders
from medgan.training.identity import identity, training_fingerprint
from medgan.training.loop import Listener, fit
from medgan.workspace.counts import check_counts
from medgan.workspace.places import EXTRACTOR, PARAMS, PREPARED, SEARCH, checkpoints, store_root, studies


def main() -> None:
    config = load_config(PARAMS)
    use_processor(config.train.threads)
    check_counts(config, open_prepared(PREPARED))
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
    prepared, extractor = open_prepared(PREPARED), Extractor.load(EXTRACTOR)
    training, spec = trial_training(config), prepared.spec
    check_score(config.gan, config.train.score, spec)
    judge = validation_judge(prepared, extractor, config.search.n, config.seed, config.train.score)
    space = config.search.model_dump(mode="json", exclude={"trials", "finalists"})
    base = training_fingerprint(config.gan, training, config.seed, prepared, extractor.digest)
    changes = [{path: value} for path, values in config.search.space.items() for value in values.examples()]
    candidates = [config.gan, *(config.override(change).gan for change in changes)]
    code = identity(candidates, training, spec, scored_by=judge.score.__module__)
    name = fingerprint({"base": base, "space": space, **code})

    def objective(candidate: Config, seed: int, report: Callable[[int, float], None]) -> float:
        key = training_fingerprint(candidate.gan, training, seed, prepared, extractor.digest)
        with progress("trial", training.steps) as done:
            listener, folder = Listener(on_step=done, on_evaluation=report), checkpoints() / f"trial-{name}-{key}"
            trained = fit(
                candidate.gan, training, prepared, seed=seed, judge=judge, directory=folder, listener=listener
            )
        return trained.best.score

    with held(checkpoints() / f"study-{name}"):
        study = search.open_study(name, studies())
        for number in search.sweep(study):
            print(f"trial {number} was interrupted; it is tried again")
        mirror = search_mirror(store_root(), config, name, prepared.md5)
        mirror(search.records(study), "RUNNING")
        try:
            search.run_trials(study, config, spec, objective, on_trial=lambda trial: mirror([trial], "RUNNING"))
            best = search.choose(study, config, objective)
        except MedganError:
            mirror(search.records(study), "FAILED")
            raise
        mirror(search.records(study), "FINISHED")
    remove_folders(checkpoints().glob("trial-*"))
    return best, search.records(study)


if __name__ == "__main__":
    run(main)
