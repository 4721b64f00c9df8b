"""From a configuration to prepared data: which source, and how its samples are stored."""

from pathlib import Path

from medgan.config.checking import build
from medgan.config.data import DataConfig
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.fingerprint import ARITHMETIC, code_digest, fingerprint, tree_digest
from medgan.sources import SOURCES
from medgan.sources.writing import write_prepared


def prepare(config: DataConfig, directory: Path, *, seed: int) -> Prepared:
    """Read `config.raw` into `directory`, which must not hold older files. Raises MedganError as the source does."""
    source = build(SOURCES, config.source, config.options, "data.options")
    return write_prepared(
        directory,
        source.samples(config.raw, ImageSpec(config.size, config.channels)),
        intensity=source.intensity,
        size=config.size,
        channels=config.channels,
        labelled=config.labels,
        validation=config.validation,
        test=config.test,
        seed=seed,
        train_per_class=config.train_per_class,
        direction=getattr(source, "direction", ""),
    )


def prepare_fingerprint(config: DataConfig, seed: int) -> str:
    """Of all that decides prepared data: parameters, the content of the raw files, and the code of the source."""
    source = build(SOURCES, config.source, config.options, "data.options")
    code = code_digest(["medgan.sources.prepare", type(source).__module__], libraries={**ARITHMETIC, "PIL": "pillow"})
    return fingerprint(
        {
            "data": config.model_dump(mode="json", exclude={"name", "raw", "modality", "licence"}),
            "seed": seed,
            "raw": tree_digest(config.raw) if config.raw.exists() else "",
            "code": code,
        }
    )
