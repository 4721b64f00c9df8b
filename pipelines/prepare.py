"""Stage prepare: raw files -> data/prepared."""

import shutil

from medgan.checking import build
from medgan.config import load_config
from medgan.console import run
from medgan.data.sources import SOURCES
from medgan.data.spec import ImageSpec
from medgan.data.store import counts, write_prepared
from medgan.pictures import by_class, grid, save_image
from pipelines import PARAMS, PREPARED


def main() -> None:
    config = load_config(PARAMS)
    data = config.data
    source = build(SOURCES, data.source, data.options, "data.options")
    items = source.samples(data.raw, ImageSpec(data.size, data.channels))
    shutil.rmtree(PREPARED, ignore_errors=True)
    prepared = write_prepared(
        PREPARED,
        items,
        size=data.size,
        channels=data.channels,
        labelled=data.labels,
        validation=data.validation,
        test=data.test,
        seed=config.seed,
    )
    shown = by_class(prepared.labels, prepared.splits == "train", classes=prepared.spec.classes, columns=10)
    save_image(PREPARED / "preview.png", grid(prepared.images[shown], columns=10))
    for label, split, number in counts(prepared):
        print(f"{label:>16} {split:<10} {number}")


if __name__ == "__main__":
    run(main)
