"""From a configuration to prepared data: which source, and how its samples are stored."""

from pathlib import Path

from medgan.config.checking import build
from medgan.config.schema import DataConfig
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.sources import SOURCES
from medgan.sources.writing import write_prepared


def prepare(config: DataConfig, directory: Path, *, seed: int) -> Prepared:
    """Read `config.raw` into `directory`, which must not hold older files. Raises MedganError as the source does."""
    source = build(SOURCES, config.source, config.options, "data.options")
    return write_prepared(
        directory,
        source.samples(config.raw, ImageSpec(config.size, config.channels)),
        size=config.size,
        channels=config.channels,
        labelled=config.labels,
        validation=config.validation,
        test=config.test,
        seed=seed,
        train_per_class=config.train_per_class,
        direction=getattr(source, "direction", None),
    )
