"""Stage prepare: raw files -> data/prepared."""

from functools import partial

from medgan.config.schema import load_config
from medgan.console import run
from medgan.data.store import open_prepared
from medgan.errors import MedganError
from medgan.sources.account import account
from medgan.sources.files import check_raw
from medgan.sources.names import write_names
from medgan.sources.prepare import prepare_fingerprint
from medgan.sources.rejections import RejectedError
from medgan.workspace.counts import check_counts, doubts
from medgan.workspace.kept import kept
from medgan.workspace.naming import listing, naming
from medgan.workspace.places import PARAMS, PREPARED
from medgan.workspace.preparing import prepare_folder


def main() -> None:
    config = load_config(PARAMS)
    check_raw(config.data.raw, PREPARED)
    fingerprint = prepare_fingerprint(config.data, config.seed)
    names = listing(config.data.raw, fingerprint)

    try:
        kept("prepare", fingerprint, PREPARED, partial(prepare_folder, config, naming(config.data.raw, fingerprint)))
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
