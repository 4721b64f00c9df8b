"""Prepared data and the picture that shows them."""

from collections.abc import Callable
from pathlib import Path

from medgan.config.schema import Config
from medgan.data.store import Prepared
from medgan.imaging.grids import by_class, grid, save_image
from medgan.sources.names import Naming
from medgan.sources.prepare import prepare

_COLUMNS = 10


def prepare_folder(
    config: Config, naming: Naming, folder: Path, *, watch: Callable[[int], None] = lambda _: None
) -> Prepared:
    """Read the raw data into `folder`, which must not hold older files, with preview.png.

    watch: is told how many images were read or rejected. Raises MedganError as the source does.
    """
    prepared = prepare(config.data, folder, seed=config.seed, naming=naming, watch=watch)
    training = prepared.splits == "train"
    shown = by_class(prepared.labels, training, classes=prepared.spec.classes, columns=_COLUMNS)
    save_image(folder / "preview.png", grid(prepared.pictures(shown), columns=_COLUMNS))
    return prepared
