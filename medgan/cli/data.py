"""What is fetched: raw data sets, and the weights of published extractors."""

import signal
import sys
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


def check(
    path: Annotated[Path, typer.Argument(help="A folder of raw files, or a file of MedMNIST.")],
    write: Annotated[bool, typer.Option("--write", help="Write params.yaml.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Drop hand edits of params.yaml.")] = False,
) -> None:
    """Say what is in a folder of images, and which params.yaml fits it."""
    from medgan.workspace.check import check as checked

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # else what it has read, and lists of names, would stay
    for line in checked(Path.cwd(), path, write=write, force=force):
        typer.echo(line)


def weights(
    name: Annotated[str, typer.Argument(help="inception, dinov2-small or dinov2-base.")],
) -> None:
    """Fetch the weights of a published extractor into data/weights, or check the file that is there."""
    from medgan.workspace.weights import fetch_weights

    typer.echo(fetch_weights(Path.cwd(), name))
