"""Whether the prepared data have as many images as later stages ask for."""

from medgan.config.schema import Config
from medgan.data.store import Prepared


def check_counts(config: Config, prepared: Prepared) -> None:
    """Raise MedganError where a later stage asks for more images than a split of the prepared data has."""
    validation = [config.train.n, *([config.search.n] if config.search.trials else [])]
    for split, n in (("validation", max(validation)), ("test", config.evaluate.n), ("train", config.evaluate.n)):
        prepared.take(split, n, config.seed)
