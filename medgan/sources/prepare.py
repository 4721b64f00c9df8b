"""From a configuration to prepared data: which source, and how its samples are fitted and stored."""

import logging
from collections.abc import Iterator
from pathlib import Path

from medgan.config.checking import build
from medgan.config.data import DataConfig
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.data.store import Prepared
from medgan.fingerprint import ARITHMETIC, code_digest, fingerprint, tree_digest
from medgan.sources import SOURCES, Source
from medgan.sources.fit import exceeds, fit
from medgan.sources.rejections import nothing_usable
from medgan.sources.writing import write_prepared

_LOG = logging.getLogger(__name__)
_LIBRARIES = {**ARITHMETIC, "PIL": "pillow", "imagehash": "imagehash"}  # that decide pixels and splits


def prepare(config: DataConfig, directory: Path, *, seed: int) -> Prepared:
    """Read `config.raw` into `directory`, which must not hold older files. Raises MedganError as the source does."""
    source = _source(config)
    return write_prepared(
        directory,
        _fitted(source, config),
        intensity=source.intensity,
        size=config.size,
        channels=config.channels,
        labelled=config.labels,
        validation=config.validation,
        test=config.test,
        seed=seed,
        max_rejected=config.max_rejected,
        train_per_class=config.train_per_class,
        direction=getattr(source, "direction", None),
    )


def prepare_fingerprint(config: DataConfig, seed: int) -> str:
    """Digest all that decides prepared data: parameters, content of the raw files, code of the source."""
    source = _source(config)
    code = code_digest(["medgan.sources.prepare", type(source).__module__], libraries=_LIBRARIES)
    return fingerprint(
        {
            "data": config.model_dump(mode="json", exclude={"name", "raw", "modality", "licence", "balance"}),
            "seed": seed,
            "raw": tree_digest(config.raw) if config.raw.exists() else "",
            "code": code,
        }
    )


def first_sample(config: DataConfig) -> Sample:
    """Return the first sample that `prepare` would store, and read no other. Raises MedganError as `prepare` does."""
    rejected = []
    for item in _fitted(_source(config), config):
        if isinstance(item, Sample):
            return item
        rejected.append(item)
    raise nothing_usable(rejected)


def _source(config: DataConfig) -> Source:
    return build(SOURCES, config.source, config.options, "data.options")


def _fitted(source: Source, config: DataConfig) -> Iterator[Sample | Rejected]:
    spec, intensity, clipped = ImageSpec(config.size, config.channels), source.intensity, 0
    for item in source.samples(config.raw, spec):
        if isinstance(item, Rejected):
            yield item
            continue
        clipped += exceeds(item, intensity)
        yield fit(item, spec, intensity)
    if clipped:
        bounds = f"{intensity.low:g} to {intensity.high:g} {intensity.unit}".strip()
        _LOG.warning("%d images have values outside %s, which are clipped", clipped, bounds)
