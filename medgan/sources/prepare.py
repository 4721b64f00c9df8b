"""From a configuration to prepared data: which source, and how its samples are fitted and stored."""

import logging
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from medgan.config.checking import build
from medgan.config.data import DataConfig
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.data.store import Prepared
from medgan.fingerprint import ARITHMETIC, code_digest, fingerprint, tree_digest
from medgan.sources import SOURCES, Source
from medgan.sources.names import Naming
from medgan.sources.parallel import Fitted, Fitting, fitted
from medgan.sources.rejections import nothing_usable
from medgan.sources.writing import write_prepared

_LOG = logging.getLogger(__name__)
# Those that decide pixels and splits.
_LIBRARIES = {**ARITHMETIC, "PIL": "pillow", "imagehash": "imagehash", "pydicom": "pydicom"}


def prepare(
    config: DataConfig,
    directory: Path,
    *,
    seed: int,
    naming: Naming | None = None,
    watch: Callable[[int], None] = lambda _: None,
) -> Prepared:
    """Read `config.raw` into `directory`, which must not hold older files. Raises MedganError as the source does.

    naming: of patients and files. Without it files are listed nowhere, and patients are hashed with a key that nobody
    keeps. A source that names nobody needs neither. watch: is told how many images were read or rejected.
    """
    source = _source(config)
    named = not getattr(source, "nameless", False)
    return write_prepared(
        directory,
        _watched(_fitted(source, config, processes=len(os.sched_getaffinity(0))), watch),
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
        naming=(naming or Naming(secrets.token_bytes)) if named else None,
    )


def prepare_fingerprint(config: DataConfig, seed: int) -> str:
    """Digest all that decides prepared data: parameters, content of the raw files, code of the source."""
    source = _source(config)
    code = code_digest(["medgan.sources.prepare", type(source).__module__], libraries=_LIBRARIES)
    return fingerprint(
        {
            "data": config.model_dump(
                mode="json", exclude={"name", "raw", "modality", "licence", "balance", "direction"}
            ),
            "seed": seed,
            "raw": tree_digest(config.raw) if config.raw.exists() else "",
            "code": code,
        }
    )


def first_sample(config: DataConfig) -> Sample:
    """Return the first sample that `prepare` would store, and read no other. Raises MedganError as `prepare` does."""
    rejected = []
    for item in _fitted(_source(config), config):
        if isinstance(item, Fitted):
            return item.sample
        rejected.append(item)
    raise nothing_usable(rejected)


def _source(config: DataConfig) -> Source:
    return build(SOURCES, config.source, config.options, "data.options")


def _watched(items: Iterator[Fitted | Rejected], watch: Callable[[int], None]) -> Iterator[Fitted | Rejected]:
    for number, item in enumerate(items, start=1):
        yield item
        watch(number)


def _fitted(source: Source, config: DataConfig, *, processes: int = 1) -> Iterator[Fitted | Rejected]:
    fitting = Fitting(ImageSpec(config.size, config.channels), source.intensity, config.fit)
    clipped, losses = 0, list[float]()
    for item in fitted(source.samples(config.raw, fitting.spec), fitting, processes=processes):
        if isinstance(item, Fitted):
            clipped += item.clipped
            losses += [item.lost] if item.lost else []
        yield item
    if clipped:
        low, high, unit = fitting.intensity.low, fitting.intensity.high, fitting.intensity.unit
        _LOG.warning(
            f"{clipped:,} images have values outside {low:g} to {high:g} {unit}".rstrip() + ", which are clipped"
        )
    if losses:
        _LOG.warning(
            f"{len(losses):,} images are no squares and lose up to {100 * max(losses):.0f} % of their longer side; "
            "data.fit: letterbox keeps all of them"
        )
