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


def add(
    path: Annotated[Path, typer.Argument(help="The folder with the images, or a file such as an .npz.")],
    name: Annotated[str, typer.Option("--name", help="What to call it: it comes to data/raw/NAME.")],
    push: Annotated[bool, typer.Option("--push", help="Let `dvc push` send raw files, which may name people.")] = False,
) -> None:
    """Copy raw files to data/raw/NAME and version them with DVC; again, after a change, anew."""
    from medgan.workspace.adding import add as add_files

    typer.echo(add_files(Path.cwd(), path, name, push=push))


def weights(
    name: Annotated[str, typer.Argument(help="inception, dinov2-small or dinov2-base.")],
) -> None:
    """Fetch the weights of a published extractor into data/weights, or check the file that is there."""
    from medgan.workspace.weights import fetch_weights

    typer.echo(fetch_weights(Path.cwd(), name))
