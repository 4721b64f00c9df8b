"""What can be checked before DVC starts, since DVC removes a stage's outputs before it runs."""

from dataclasses import replace

from medgan.config.schema import load_config
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans import check_gan
from medgan.scores.validation import check_score
from medgan.scores.weights import known
from medgan.search.space import check_space
from medgan.sources.files import check_raw
from medgan.sources.prepare import first_sample
from medgan.tracking.opening import check_store
from medgan.training.transfer import initial_networks, start_from
from medgan.workspace.places import PARAMS, PREPARED, store_root


def preflight() -> None:
    """Raise MedganError for parameters, models, raw data or an MLflow store that cannot work."""
    config = load_config(PARAMS)
    initial = initial_networks(config.train.init_from)
    for path in config.features.weights:
        known(store_root() / path)
    check_raw(config.data.raw, PREPARED)
    data, sample = config.data, first_sample(config.data)
    masks, sources = (0 if plane is None else plane.shape[2] for plane in (sample.mask, sample.source))
    spec = ImageSpec(data.size, data.channels, 2 if data.labels else 0, source_channels=sources, mask_channels=masks)
    if data.direction and not sources:
        spec = replace(spec, classes=0, source_channels=data.channels)
    gan = check_gan(config.gan, spec)
    if sources and config.features.weights:
        raise MedganError(
            "features.weights: translation is judged by pairs, without published extractors; leave it empty"
        )
    if initial is not None:
        start_from(gan, initial)
    check_score(config.gan, config.train.score, spec)
    check_space(config, spec)
    check_store(store_root())
