"""Commands that work on a clone: recipes, use, doctor, ui, worker, trials, champion, compare."""

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


def ui(
    port: Annotated[int, typer.Option(min=1, max=65534, help="Of MLflow; optuna-dashboard takes the next one.")] = 5000,
    browser: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open the page in a browser; on a desktop by default.")
    ] = None,
) -> None:
    """Serve the pages of this clone, on this machine only: runs and versions in MLflow, studies in optuna-dashboard.

    It prints a link to this data set's generators, best first, and ends with Ctrl-C.
    """
    import webbrowser
    from contextlib import suppress

    from medgan.workspace.pages import pages_of
    from medgan.workspace.recipes import clone_root
    from medgan.workspace.serving import PortTakenError, on_desktop, serving, wait

    try:
        pages, link = pages_of(clone_root(Path.cwd()), port)
    except PortTakenError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    with suppress(KeyboardInterrupt), serving(pages) as served:
        typer.echo(link)
        for page in pages[1:]:
            typer.echo(f"http://127.0.0.1:{page.port} ({page.name})")
        if pages:
            typer.echo("(stop with Ctrl-C)")
        if on_desktop() if browser is None else browser:
            webbrowser.open(link)
        if served:
            wait(served)


def worker(
    wait: Annotated[
        float,
        typer.Option(min=0, help="Minutes to wait until the search has begun and asks for no fewer trials."),
    ] = 10,
) -> None:
    """Help with the search of params.yaml, which `make repro` has begun here or on another machine, until it is done.

    search.storage names the PostgreSQL database that they share; its password stands in MEDGAN_SEARCH_PASSWORD or in
    the file that MEDGAN_SEARCH_PASSWORD_FILE names. Data and extractor are those of `make repro`: `dvc pull`.
    """
    from medgan.config.schema import load_config
    from medgan.console import run
    from medgan.device import use_cpu
    from medgan.workspace.places import PARAMS
    from medgan.workspace.searching import join

    def work() -> None:
        config = load_config(PARAMS)
        use_cpu(config.train.threads)
        typer.echo(f"nothing is left to do; {join(config, patience=60 * wait)} trials ended here")

    run(work)


def trials(
    once: Annotated[bool, typer.Option("--once", help="Print it and end.")] = False,
) -> None:
    """Show what the search of params.yaml is doing, worker by worker: live on a terminal, until Ctrl-C."""
    import time
    from contextlib import suppress

    from rich.console import Console, Group
    from rich.live import Live

    from medgan.config.schema import load_config
    from medgan.search.board import drawn
    from medgan.workspace.places import PARAMS
    from medgan.workspace.searching import watched

    console = Console()
    with watched(load_config(PARAMS)) as boards:
        if once or not console.is_terminal:
            console.print(*map(drawn, boards()), sep="\n")
            return
        with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(Group(*map(drawn, boards())), refresh=True)
                time.sleep(2)


def champion(
    name: Annotated[str | None, typer.Argument(help="Of the registered model; by default that of params.yaml.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for generator.onnx and golden.npz; it is replaced.")] = Path(
        "artifacts/champion"
    ),
) -> None:
    """Fetch the best generator so far, which need not be the one that was exported last."""
    from medgan.workspace.champion import fetch_champion
    from medgan.workspace.recipes import clone_root

    typer.echo(fetch_champion(clone_root(Path.cwd()), name, out))


def compare(
    one: Annotated[str, typer.Argument(metavar="RUN", help="Id, name or first letters of the fingerprint of a run.")],
    other: Annotated[str, typer.Argument(metavar="RUN", help="Another one of this data set.")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("reports/compare.html"),
) -> None:
    """Write one page of two generators: which is better, what each draws of the same noise, what differs."""
    from medgan.workspace.comparing import compare as compared
    from medgan.workspace.recipes import clone_root

    typer.echo(compared(clone_root(Path.cwd()), (one, other), out))
    typer.echo(f"{out}: one file that needs no network")


COMMANDS: tuple[Callable[..., None], ...] = (recipes, use, doctor, ui, worker, trials, champion, compare)
