"""What can be checked before DVC starts, since DVC removes a stage's outputs before it runs."""

from medgan.checking import build
from medgan.config import load_config
from medgan.data.sources import SOURCES
from medgan.data.spec import ImageSpec
from medgan.gans import check_gan
from medgan.search import check_space
from pipelines import PARAMS


def preflight() -> None:
    """Raise MedganError for parameters, models or raw data that cannot work."""
    config = load_config(PARAMS)
    data = config.data
    source = build(SOURCES, data.source, data.options, "data.options")
    next(source.samples(data.raw, ImageSpec(data.size, data.channels)))  # a missing or empty folder says so here
    check_gan(config.gan, ImageSpec(data.size, data.channels, classes=2 if data.labels else 0))
    check_space(config)
