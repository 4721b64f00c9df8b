"""Stage prepare: raw files -> data/prepared."""

from pathlib import Path

from medgan.config.schema import load_config
from medgan.console import run
from medgan.data.store import counts, open_prepared
from medgan.imaging.grids import by_class, grid, save_image
from medgan.sources.files import check_raw
from medgan.sources.prepare import prepare, prepare_fingerprint
from medgan.workspace.kept import kept
from medgan.workspace.places import PARAMS, PREPARED


def main() -> None:
    config = load_config(PARAMS)
    check_raw(config.data.raw, PREPARED)

    def make(folder: Path) -> None:
        prepared = prepare(config.data, folder, seed=config.seed)
        shown = by_class(prepared.labels, prepared.splits == "train", classes=prepared.spec.classes, columns=10)
        save_image(folder / "preview.png", grid(prepared.pictures(shown), columns=10))

    kept("prepare", prepare_fingerprint(config.data, config.seed), PREPARED, make)
    for label, split, number in counts(open_prepared(PREPARED)):
        print(f"{label:>16} {split:<10} {number}")


if __name__ == "__main__":
    run(main)
