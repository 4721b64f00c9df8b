"""Stage prepare: raw files -> data/prepared."""

from pathlib import Path

from medgan.config.schema import load_config
from medgan.console import run
from medgan.data.store import open_prepared
from medgan.errors import MedganError
from medgan.imaging.grids import by_class, grid, save_image
from medgan.sources.account import account
from medgan.sources.files import check_raw
from medgan.sources.names import write_names
from medgan.sources.prepare import prepare, prepare_fingerprint
from medgan.sources.rejections import RejectedError
from medgan.workspace.counts import check_counts, doubts
from medgan.workspace.kept import kept
from medgan.workspace.naming import listing, naming
from medgan.workspace.places import PARAMS, PREPARED


def main() -> None:
    config = load_config(PARAMS)
    check_raw(config.data.raw, PREPARED)
    fingerprint = prepare_fingerprint(config.data, config.seed)
    names = listing(config.data.raw, fingerprint)

    def make(folder: Path) -> None:
        prepared = prepare(config.data, folder, seed=config.seed, naming=naming(config.data.raw, fingerprint))
        shown = by_class(prepared.labels, prepared.splits == "train", classes=prepared.spec.classes, columns=10)
        save_image(folder / "preview.png", grid(prepared.pictures(shown), columns=10))

    try:
        kept("prepare", fingerprint, PREPARED, make)
    except RejectedError as error:
        write_names(names, [], error.rejected)
        raise MedganError(f"{error}; {names} lists each file with its reason") from None
    print(*account(PREPARED, names), sep="\n")
    if names.exists():
        print(f"{names} says which file each number is: it may name people, and stays with the raw files")
    prepared = open_prepared(PREPARED)
    check_counts(config, prepared)
    for doubt in doubts(config, prepared):
        print(f"note: {doubt}")


if __name__ == "__main__":
    run(main)
