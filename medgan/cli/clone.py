"""Commands that work on a clone: recipes, use, doctor, ui."""

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
            from medgan.device import use_processor
            from medgan.workspace.costs import costs

            use_processor(1)
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
    """Serve the MLflow pages of this clone, on this machine only."""

    from medgan.tracking import database_of, default_uri
    from medgan.workspace.recipes import clone_root

    root = clone_root(Path.cwd())
    typer.echo(f"http://127.0.0.1:{port} (stop with Ctrl-C)")
    server = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    uri = default_uri(root)
    if (database := database_of(uri)) and not database.exists():
        from medgan.tracking.opening import make_database  # only now: mlflow takes seconds

        make_database(uri)
    code = subprocess.run([*server, "--backend-store-uri", uri, "--serve-artifacts"], check=False, cwd=root).returncode
    raise typer.Exit(code)


COMMANDS: tuple[Callable[..., None], ...] = (recipes, use, doctor, ui)
