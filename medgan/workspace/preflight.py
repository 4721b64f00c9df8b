"""What can be checked before DVC starts, since DVC removes a stage's outputs before it runs."""

from dataclasses import replace
from pathlib import Path

from medgan.config.data import DataConfig
from medgan.config.schema import Config, load_config
from medgan.data.spec import ImageSpec
from medgan.data.store import open_prepared
from medgan.errors import MedganError
from medgan.gans import check_gan
from medgan.scores.validation import check_score
from medgan.scores.weights import known
from medgan.search.space import check_space
from medgan.sources.files import check_raw
from medgan.sources.prepare import first_sample
from medgan.tracking.opening import check_store
from medgan.training.transfer import initial_networks, start_from
from medgan.usefulness.classifiers import check_classifier
from medgan.workspace.fetch import adopt
from medgan.workspace.judges import utility_of
from medgan.workspace.places import PARAMS, PREPARED, store_root


def preflight(*, raw_away: bool = False) -> tuple[Config, ImageSpec]:
    """The configuration, and the shapes of its data.

    Raises MedganError for parameters, models, raw data or an MLflow store that cannot work.
    raw_away: the raw files are elsewhere, and what was prepared of them is here.
    """
    config = load_config(PARAMS)
    initial = initial_networks(config.train.init_from)
    for path in config.features.weights:
        known(store_root() / path)
    data = config.data
    spec = open_prepared(PREPARED).towards(data.direction).spec if raw_away else _spec(data)
    gan = check_gan(config.gan, spec)
    if spec.source_channels and config.features.weights:
        raise MedganError(
            "features.weights: translation is judged by pairs, without published extractors; leave it empty"
        )
    if initial is not None:
        start_from(gan, initial)
    for score in {config.train.score, *config.search_scores}:
        check_score(config.gan, score, spec)
    check_space(config, spec)
    if config.utility.seeds:
        utility = utility_of(config)
        check_classifier(utility.classifier, spec.channels, utility.weights)
    check_store(store_root())
    if not raw_away:
        adopt(Path.cwd(), data.raw)
    return config, spec


def _spec(data: DataConfig) -> ImageSpec:
    """As the first image dictates it: of its classes, only whether there are any."""
    check_raw(data.raw, PREPARED)
    try:
        sample = first_sample(data)
    except MedganError as error:
        if data.raw.exists():
            raise
        raise MedganError(f"{error}; or `dvc pull dvc.yaml` fetches what was made of them elsewhere") from None
    masks, sources = (0 if plane is None else plane.shape[2] for plane in (sample.mask, sample.source))
    spec = ImageSpec(data.size, data.channels, 2 if data.labels else 0, source_channels=sources, mask_channels=masks)
    return replace(spec, classes=0, source_channels=data.channels) if data.direction and not sources else spec
