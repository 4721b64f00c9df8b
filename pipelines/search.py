"""Stage search: Optuna over the space in params.yaml -> artifacts/search/best.yaml."""

from medgan.config.schema import load_config
from medgan.console import run
from medgan.device import use_cpu
from medgan.search.choice import PICTURES_NAME, Outcome, described, write_outcome
from medgan.search.session import run_search
from medgan.tracking.trials import Searched, SearchMirror
from medgan.workspace.places import PARAMS, SEARCH, store_root, studies
from medgan.workspace.searching import searched_data, this_search


def main() -> None:
    config = load_config(PARAMS)
    use_cpu(config.train.threads)
    outcome, mirror, prepared = Outcome({}, []), None, searched_data(config)
    if config.search.trials:
        search = this_search(config, prepared)
        of = Searched(search.name, config.search_score, config.data.name, prepared.md5)
        mirror = SearchMirror(store_root(), of, config.search.model_dump(mode="json"))
        outcome = run_search(search, studies(config.search.storage), mirror)
    write_outcome(SEARCH, outcome, config.search)
    if mirror:
        mirror.show([*sorted(SEARCH.glob("*.*")), *sorted((SEARCH / PICTURES_NAME).glob("*.png"))])
    print(*described(outcome, config.search), sep="\n")


if __name__ == "__main__":
    run(main)
