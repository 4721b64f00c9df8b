"""Stage search: Optuna over the space in params.yaml -> artifacts/search/best.yaml."""

from functools import partial

from medgan.config.schema import load_config
from medgan.console import progress, run
from medgan.data.store import open_prepared
from medgan.device import use_cpu
from medgan.scores.extractor import Extractor
from medgan.scores.validation import check_score, validation_judge
from medgan.search.choice import PICTURES_NAME, Outcome, described, write_outcome
from medgan.search.objective import TrialTraining, trial_training
from medgan.search.session import run_search
from medgan.search.space import check_space
from medgan.tracking.trials import Searched, SearchMirror
from medgan.workspace.counts import check_counts
from medgan.workspace.places import EXTRACTOR, PARAMS, PREPARED, SEARCH, checkpoints, store_root, studies


def main() -> None:
    config = load_config(PARAMS)
    use_cpu(config.train.threads)
    prepared = open_prepared(PREPARED).balanced(config.data.balance).towards(config.data.direction)
    check_space(config, prepared.spec)
    check_score(config.gan, config.search_score, prepared.spec)
    check_counts(config, prepared)
    outcome, mirror = Outcome({}, [], {}), None
    if config.search.trials:
        extractor = Extractor.load(EXTRACTOR)
        judge = validation_judge(config.gan, trial_training(config), prepared, extractor, seed=config.seed)
        training = TrialTraining(config, prepared, extractor.digest, judge, checkpoints(), progress)
        of = Searched(training.study, config.search_score, config.data.name, prepared.md5)
        mirror = SearchMirror(store_root(), of, config.search.model_dump(mode="json"))
        search = partial(run_search, training, config, prepared.spec, name=training.study, mirror=mirror)
        outcome = search(storage=studies(), checkpoints=checkpoints())
    write_outcome(SEARCH, outcome, config.search)
    if mirror:
        mirror.show(sorted((SEARCH / PICTURES_NAME).glob("*.png")))
    print(*described(outcome), sep="\n")


if __name__ == "__main__":
    run(main)
