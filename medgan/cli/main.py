"""medgan: draw with, and check, exported generators anywhere; choose recipes and look at runs inside a clone."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from medgan import __version__
from medgan.cli import clone, data, draw
from medgan.errors import MedganError, os_error_sentence

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
for command in (*draw.COMMANDS, *clone.COMMANDS):
    app.command()(command)
app.command()(data.weights)
data_sets = typer.Typer(no_args_is_help=True, help="Raw data sets.")
data_sets.command()(data.fetch)
data_sets.command()(data.add)
data_sets.command()(data.check)
app.add_typer(data_sets, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    pass


def main() -> None:
    """Entry point: what a user can mend is one sentence on stderr and exit status 2.

    A MedganError, a package that is missing, and what the operating system refuses.
    """
    try:
        app()
    except MedganError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "medgan":
            raise
        _fail(f"this command needs {error.name}; install medgan[train], or work in a clone")
    except MemoryError:
        _fail("this takes more memory than there is; ask for fewer or smaller images")
    except OSError as error:
        _fail(os_error_sentence(error))


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    try:
        sys.stdout.flush()
    except OSError:  # a full disk behind stdout: Python would try once more at its end, and complain with a traceback
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(2)


if __name__ == "__main__":
    main()
