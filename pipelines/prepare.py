"""Stage prepare: raw files -> data/prepared."""

from pathlib import Path

from medgan.config.schema import load_config
from medgan.console import run
from medgan.data.store import open_prepared
from medgan.errors import MedganError
from medgan.imaging.grids import by_class, grid, save_image
from medgan.sources.account import account
from medgan.sources.files import check_raw
from medgan.sources.prepare import prepare, prepare_fingerprint
from medgan.sources.rejections import RejectedError, write_rejected
from medgan.workspace.counts import check_counts, doubts
from medgan.workspace.kept import kept
from medgan.workspace.places import PARAMS, PREPARED

# Of a data set that was not prepared; else it is among the prepared files.
_REJECTED = PREPARED.with_name("rejected.csv")


def main() -> None:
    config = load_config(PARAMS)
    check_raw(config.data.raw, PREPARED)
    _REJECTED.unlink(missing_ok=True)

    def make(folder: Path) -> None:
        prepared = prepare(config.data, folder, seed=config.seed)
        shown = by_class(prepared.labels, prepared.splits == "train", classes=prepared.spec.classes, columns=10)
        save_image(folder / "preview.png", grid(prepared.pictures(shown), columns=10))

    try:
        kept("prepare", prepare_fingerprint(config.data, config.seed), PREPARED, make)
    except RejectedError as error:
        write_rejected(_REJECTED, error.rejected)
        raise MedganError(f"{error}; {_REJECTED} lists each file with its reason") from None
    print(*account(PREPARED), sep="\n")
    prepared = open_prepared(PREPARED)
    check_counts(config, prepared)
    for doubt in doubts(config, prepared):
        print(f"note: {doubt}")


if __name__ == "__main__":
    run(main)
