"""Commands that work on a clone: recipes, use, doctor, ui."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from medgan.errors import MedganError


def recipes(
    verbose: Annotated[bool, typer.Option("--verbose", help="With the size and cost of the networks.")] = False,
) -> None:
    """List the recipes: overlays of the default params.yaml."""
    from medgan.workspace.recipes import clone_root, list_recipes, read_recipe

    root = clone_root(Path.cwd())
    for name, summary in list_recipes(root):
        typer.echo(f"{name:<20} {summary}")
        if verbose:
            from medgan.config.schema import parse_config
            from medgan.data.spec import ImageSpec
            from medgan.device import use_cpu
            from medgan.workspace.costs import costs

            use_cpu(1)
            config = parse_config(read_recipe(root, name)[0])
            channels = config.data.channels
            spec = ImageSpec(config.data.size, channels, classes=2, source_channels=channels, mask_channels=1)
            sizes = costs(config.gan, spec)
            typer.echo(
                f"{'':<20} {config.data.size} px; generator {sizes.generator / 1e6:.2f} M parameters, "
                f"{sizes.draw / 1e6:,.0f} M multiply-adds an image; discriminator {sizes.discriminator / 1e6:.2f} M; "
                f"a training step {sizes.step / 1e6:,.0f} M multiply-adds an image"
            )


def use(
    recipe: Annotated[str, typer.Argument(help="A name from `medgan recipes`; `default` goes back.")],
    force: Annotated[bool, typer.Option("--force", help="Drop hand edits of params.yaml.")] = False,
) -> None:
    """Write params.yaml from the shipped defaults and a recipe, and print what changes."""
    from medgan.workspace.recipes import use_recipe

    for line in use_recipe(Path.cwd(), recipe, force=force):
        typer.echo(line)


def doctor() -> None:
    """Versions, device, precision, stores and the state of the pipeline."""
    from medgan.workspace.doctor import findings

    healthy = True
    for finding in findings(Path.cwd()):
        healthy &= finding.good
        typer.echo(f"{'ok ' if finding.good else 'BAD'} {finding.what:<12} {finding.value}")
    if not healthy:
        raise MedganError("something above is BAD; the line says what to do")


def ui(port: Annotated[int, typer.Option(min=1, max=65535)] = 5000) -> None:
    """Serve the MLflow pages of this clone's store, on this machine only; of a server, say where they are."""
    from medgan.databases import redacted, sqlite_path
    from medgan.tracking import tracking_uri
    from medgan.workspace.places import store_root
    from medgan.workspace.recipes import clone_root

    root = store_root(clone_root(Path.cwd()))
    uri = tracking_uri(root)
    if uri.startswith(("http://", "https://")):
        typer.echo(f"{redacted(uri)} is a server of its own (MLFLOW_TRACKING_URI): open it in a browser")
        return
    from medgan.tracking.opening import experiment_count, prepare_store  # only now: mlflow takes seconds

    prepare_store(uri) if sqlite_path(uri) else experiment_count(uri)  # a sentence where it cannot be opened
    typer.echo(f"http://127.0.0.1:{port} shows {redacted(uri)} (stop with Ctrl-C)")
    server = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # By the environment: everybody may read the arguments of a process, and this one may hold a password.
    environment = {**os.environ, "MLFLOW_BACKEND_STORE_URI": uri}
    code = subprocess.run([*server, "--serve-artifacts"], check=False, cwd=root, env=environment).returncode
    raise typer.Exit(code)


COMMANDS: tuple[Callable[..., None], ...] = (recipes, use, doctor, ui)
