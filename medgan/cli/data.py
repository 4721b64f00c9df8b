"""What is fetched: raw data sets, and the weights of published extractors."""

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


def weights(
    name: Annotated[str, typer.Argument(help="inception, dinov2-small or dinov2-base.")],
) -> None:
    """Fetch the weights of a published extractor into data/weights, or check the file that is there."""
    from medgan.workspace.weights import fetch_weights

    typer.echo(fetch_weights(Path.cwd(), name))
