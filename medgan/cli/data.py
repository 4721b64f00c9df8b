"""Commands on raw data sets: data fetch."""

from pathlib import Path
from typing import Annotated

import typer


def fetch(
    name: Annotated[
        str,
        typer.Argument(help="medical-mnist (any data/NAME.dvc), cifar10, or one of MedMNIST such as pneumoniamnist."),
    ],
) -> None:
    """Fetch a raw data set into data/raw, or check and adopt the files that are there."""
    from medgan.workspace.fetch import raw_data

    typer.echo(raw_data(Path.cwd(), name))
