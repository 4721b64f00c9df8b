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
from medgan.scores.extractor import Extractor
from medgan.scores.validation import check_score, validation_judge
from medgan.search import study as search
from medgan.search.study import trial_training
from medgan.tracking.recording import search_mirror
from medgan.training.checkpoint import locked, remove_folders
from medgan.training.identity import training_fingerprint
from medgan.training.loop import Listener, fit
from medgan.training.state import identity
from medgan.workspace.places import CHECKPOINTS, EXTRACTOR, PARAMS, PREPARED, SEARCH, STORES, STUDIES


def main() -> None:
    config = load_config(PARAMS)
    use_processor(config.train.threads)
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
    name = fingerprint({"base": base, "space": space, **identity(training)})

    def objective(candidate: Config, seed: int, report: Callable[[int, float], None]) -> float:
        key = training_fingerprint(candidate.gan, training, seed, prepared, extractor.digest)
        with progress("trial", training.steps) as done:
            listener, folder = Listener(on_step=done, on_evaluation=report), CHECKPOINTS / f"trial-{name}-{key}"
            trained = fit(
                candidate.gan, training, prepared, seed=seed, judge=judge, directory=folder, listener=listener
            )
        return trained.best.score

    with locked(CHECKPOINTS / f"study-{name}"):
        study = search.open_study(name, STUDIES)
        for number in search.sweep(study):
            print(f"trial {number} was interrupted; it is tried again")
        mirror = search_mirror(STORES, config, name, prepared.md5)
        mirror(search.records(study), "RUNNING")
        try:
            search.run_trials(study, config, spec, objective, on_trial=lambda trial: mirror([trial], "RUNNING"))
            best = search.choose(study, config, objective)
        except MedganError:
            mirror(search.records(study), "FAILED")
            raise
        mirror(search.records(study), "FINISHED")
    remove_folders(CHECKPOINTS.glob("trial-*"))
    return best, search.records(study)


if __name__ == "__main__":
    run(main)
