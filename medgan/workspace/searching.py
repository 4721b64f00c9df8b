"""The search that this clone asks for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from medgan.config.schema import Config
from medgan.console import progress
from medgan.data.store import Prepared, open_prepared
from medgan.databases import sqlite_path
from medgan.errors import MedganError
from medgan.scores.extractor import Extractor
from medgan.scores.validation import check_score, validation_judge
from medgan.search.board import Board, boards
from medgan.search.objective import TrialTraining, trial_training
from medgan.search.session import Search, join_search
from medgan.search.space import check_space
from medgan.search.storage import check_shared, database_errors, open_storage
from medgan.search.study import NAME
from medgan.workspace.counts import check_counts
from medgan.workspace.places import EXTRACTOR, PREPARED, checkpoints, studies
from medgan.workspace.trial_figures import trial_figures


def searched_data(config: Config) -> Prepared:
    """What trials learn from. Raises MedganError where the data do not suit params.yaml."""
    prepared = open_prepared(PREPARED).balanced(config.data.balance).towards(config.data.direction)
    check_space(config, prepared.spec)
    for score in config.search_scores:
        check_score(config.gan, score, prepared.spec)
    check_counts(config, prepared)
    return prepared


def this_search(config: Config, prepared: Prepared) -> Search:
    """Make it of params.yaml, its data and the extractor."""
    extractor = Extractor.load(EXTRACTOR)
    judge = validation_judge(config.gan, trial_training(config), prepared, extractor, seed=config.seed)
    figures = trial_figures(config, prepared, extractor)
    training = TrialTraining(config, prepared, extractor.digest, judge, checkpoints(), figures, progress)
    about = {NAME: config.data.name, **training.identity}
    return Search(training, config, prepared.spec, training.study, checkpoints(), about)


def join(config: Config, *, patience: float) -> int:
    """Work on the search of params.yaml; returns how many trials ended here. patience: seconds until it has begun."""
    if not config.search.trials:
        raise MedganError("search.trials is 0: there is nothing to search")
    storage = studies(config.search.storage)
    check_shared(storage)
    for place, stage in ((PREPARED, "prepare"), (EXTRACTOR, "features")):
        if not place.exists():
            raise MedganError(f"{place} is missing; `dvc pull {stage}` fetches it, `dvc repro {stage}` makes it")
    return join_search(this_search(config, searched_data(config)), storage, patience=patience)


@contextmanager
def watched(config: Config) -> Iterator[Callable[[], list[Board]]]:
    """What the search of params.yaml is doing, each time it is asked. Raises MedganError where none has begun."""
    url = studies(config.search.storage)
    if (file := sqlite_path(url)) is not None and not file.exists():
        raise MedganError(f"no search on {config.data.name} has begun here; `make repro` begins one")
    with database_errors(url):
        storage = open_storage(url, config.search.grace)
        try:
            yield lambda: boards(storage, config.data.name, datetime.now(UTC))
        finally:
            storage.close()
