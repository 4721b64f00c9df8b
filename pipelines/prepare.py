"""Stage prepare: raw files -> data/prepared."""

import shutil

from medgan.config.schema import load_config
from medgan.console import run
from medgan.data.store import counts
from medgan.imaging.grids import by_class, grid, save_image
from medgan.sources.prepare import prepare
from medgan.workspace.places import PARAMS, PREPARED


def main() -> None:
    config = load_config(PARAMS)
    shutil.rmtree(PREPARED, ignore_errors=True)
    prepared = prepare(config.data, PREPARED, seed=config.seed)
    shown = by_class(prepared.labels, prepared.splits == "train", classes=prepared.spec.classes, columns=10)
    save_image(PREPARED / "preview.png", grid(prepared.pictures(shown), columns=10))
    for label, split, number in counts(prepared):
        print(f"{label:>16} {split:<10} {number}")


if __name__ == "__main__":
    run(main)
