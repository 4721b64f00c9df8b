"""Stage prepare: raw files -> data/prepared."""

from functools import partial

from medgan.config.schema import load_config
from medgan.console import run
from medgan.data.store import open_prepared
from medgan.errors import MedganError
from medgan.sources.account import account
from medgan.sources.files import check_raw
from medgan.sources.prepare import prepare_fingerprint
from medgan.sources.rejections import RejectedError, write_rejected
from medgan.workspace.counts import check_counts, doubts
from medgan.workspace.kept import kept
from medgan.workspace.places import PARAMS, PREPARED
from medgan.workspace.preparing import prepare_folder

# Of a data set that was not prepared; else it is among the prepared files.
_REJECTED = PREPARED.with_name("rejected.csv")


def main() -> None:
    config = load_config(PARAMS)
    check_raw(config.data.raw, PREPARED)
    _REJECTED.unlink(missing_ok=True)

    try:
        kept("prepare", prepare_fingerprint(config.data, config.seed), PREPARED, partial(prepare_folder, config))
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
