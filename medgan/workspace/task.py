"""The training that this clone asks for."""

from typing import Any

import yaml

from medgan.config.schema import Config
from medgan.data.store import open_prepared
from medgan.scores.extractor import Extractor
from medgan.scores.validation import check_score, validation_judge
from medgan.training.task import Task
from medgan.workspace.counts import check_counts
from medgan.workspace.places import EXTRACTOR, PREPARED, SEARCH, checkpoints


def best_values() -> dict[str, Any]:
    """Read what the search has chosen, by dotted path."""
    values: dict[str, Any] = yaml.safe_load((SEARCH / "best.yaml").read_text())
    return values


def training_task(config: Config) -> Task:
    """Make it of params.yaml and what the search has chosen. Raises MedganError where the data do not suit it."""
    gan, train, seed = config.override(best_values()).gan, config.train, config.seed
    prepared = open_prepared(PREPARED).balanced(config.data.balance).towards(config.data.direction)
    extractor = Extractor.load(EXTRACTOR)
    check_score(gan, train.score, prepared.spec)
    check_counts(config, prepared)
    judge = validation_judge(gan, train, prepared, extractor, seed=seed)
    return Task(gan, train, seed, prepared, judge, extractor.digest, checkpoints())
