"""medgan: draw with, and check, exported generators anywhere; choose recipes and look at runs inside a clone."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from medgan import __version__
from medgan.errors import MedganError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
Model = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="An exported generator.")]
Mask = Annotated[
    Path | None, typer.Option(help="A grey picture or .npy for generators that take a mask: lesion where not 0.")
]
Truncation = Annotated[
    float | None, typer.Option(help="Draw values of z beyond this anew: below 1 more typical, less varied.")
]


@app.command()
def generate(  # noqa: PLR0917 (options, by name on the command line)
    model: Model,
    count: Annotated[int, typer.Option(min=1, help="How many images.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same images.")] = 0,
    label: Annotated[str | None, typer.Option(help="A class by name; without it the classes come in turn.")] = None,
    mask: Mask = None,
    truncation: Truncation = None,
    out: Annotated[Path, typer.Option(help="Folder for the PNG files, made where it is missing.")] = Path("drawn"),
) -> None:
    """Draw images: a PNG each, and grid.png with all of them."""
    import math

    from medgan.imaging.arrays import to_uint8
    from medgan.imaging.grids import grid, save_image
    from medgan.imaging.masks import read_mask
    from medgan.runtime.generator import OnnxGenerator

    generator = OnnxGenerator(model)
    codes, masks = generator.codes(count, label), read_mask(mask) if mask else None
    generator.check_masks(count, masks)
    nearest = next(path for path in (out, *out.parents) if path.exists())
    if not nearest.is_dir():
        raise MedganError(f"--out {out}: {nearest} is a file; name a folder")
    images = to_uint8(generator.draw(count, seed=seed, labels=codes, masks=masks, truncation=truncation))
    for index, image in enumerate(images):
        suffix = f"-{generator.label_names[codes[index]]}" if codes is not None else ""
        save_image(out / f"{seed}-{index:05d}{suffix}.png", image)
    columns = max(1, len(generator.label_names)) if codes is not None and label is None else math.ceil(math.sqrt(count))
    save_image(out / "grid.png", grid(images, columns=columns))
    if masks is not None:
        typer.echo(f"{mask}: lesion in {int(masks.sum())} of {masks.size} pixels")
    typer.echo(f"{count} images in {out}, all of them in {out / 'grid.png'} (synthetic; not for diagnosis)")


@app.command()
def grid(  # noqa: PLR0917 (options, by name on the command line)
    model: Model,
    show: Annotated[str, typer.Option(help="samples, classes (of one z a row) or path (from one z to another).")] = (
        "samples"
    ),
    rows: Annotated[int, typer.Option(min=1)] = 8,
    columns: Annotated[int, typer.Option(min=2, help="Each class has one where classes are shown.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same images.")] = 0,
    label: Annotated[str | None, typer.Option(help="A class by name; without it the classes come in turn.")] = None,
    mask: Mask = None,
    truncation: Truncation = None,
    out: Annotated[Path, typer.Option(help="The picture.")] = Path("grid.png"),
) -> None:
    """Draw one picture of a model: samples, a sweep over its classes, or interpolations."""
    from medgan.imaging.arrays import to_uint8
    from medgan.imaging.grids import check_suffix, grid, save_image
    from medgan.imaging.masks import read_mask
    from medgan.runtime.generator import OnnxGenerator
    from medgan.runtime.sheets import SHEETS

    check_suffix(out)
    if show not in SHEETS:
        raise MedganError(f"--show {show} is unknown; choices: {', '.join(SHEETS)}")
    generator = OnnxGenerator(model)
    z, labels, columns = SHEETS[show](generator, rows, columns, seed=seed, label=label, truncation=truncation)
    images = generator.images(z, labels, read_mask(mask) if mask else None)
    save_image(out, grid(to_uint8(images), columns=columns))
    typer.echo(f"{out}: {rows} rows of {columns} (synthetic; not for diagnosis)")


@app.command()
def translate(
    model: Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="PNG, JPEG, TIFF, .npy, .nii or .nii.gz.")],
    value_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--range", metavar="LOW HIGH", help="The values in the files that mean -1 and 1; others are clipped."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the files, made where it is missing.")] = Path("translated"),
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
) -> None:
    """Translate images with an exported model: a file of the same name for each; JPEG becomes PNG, NIfTI float32."""
    from medgan.runtime.generator import OnnxGenerator
    from medgan.runtime.translate import translate_files

    generator = OnnxGenerator(model)
    for line in translate_files(generator, images, out, value_range=value_range, force=force):
        typer.echo(line)
    files = "1 file" if len(images) == 1 else f"{len(images)} files"
    about = [generator.metadata[key] for key in ("direction",) if key in generator.metadata]
    typer.echo(f"{files} in {out} ({'; '.join([*about, 'synthetic', 'not for diagnosis'])})")


@app.command()
def verify(model: Model) -> None:
    """Check a model against the golden vectors beside it, and print what it says of itself."""
    from medgan.runtime.generator import OnnxGenerator, golden_difference

    generator = OnnxGenerator(model)
    difference = golden_difference(generator, model.with_name("golden.npz"))
    for key, value in sorted(generator.metadata.items()):
        typer.echo(f"{key:>12}  {value}")
    typer.echo(f"{'difference':>12}  {difference:.1e} from the golden vectors")
    if difference > 1e-4:
        raise MedganError(f"{model} differs from its golden vectors by {difference:.1e}, above 1e-4; export it again")


@app.command()
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
            found = costs(config.gan, spec)
            typer.echo(
                f"{'':<20} {config.data.size} px; generator {found.generator / 1e6:.2f} M parameters, "
                f"{found.draw / 1e6:,.0f} M multiply-adds an image; discriminator {found.discriminator / 1e6:.2f} M; "
                f"a training step {found.step / 1e6:,.0f} M multiply-adds an image"
            )


@app.command()
def use(
    recipe: Annotated[str, typer.Argument(help="A name from `medgan recipes`; `default` goes back.")],
    force: Annotated[bool, typer.Option("--force", help="Drop hand edits of params.yaml.")] = False,
) -> None:
    """Write params.yaml from the shipped defaults and a recipe, and print what changes."""
    from medgan.workspace.recipes import use_recipe

    for line in use_recipe(Path.cwd(), recipe, force=force):
        typer.echo(line)


@app.command()
def data(
    name: Annotated[
        str,
        typer.Argument(help="medical-mnist (any data/NAME.dvc), cifar10, or one of MedMNIST such as pneumoniamnist."),
    ],
) -> None:
    """Fetch a raw data set into data/raw, or check and adopt the files that are there."""
    from medgan.workspace.fetch import raw_data

    typer.echo(raw_data(Path.cwd(), name))


@app.command()
def doctor() -> None:
    """Versions, device, precision, stores and the state of the pipeline."""
    from medgan.workspace.doctor import findings

    healthy = True
    for finding in findings(Path.cwd()):
        healthy &= finding.good
        typer.echo(f"{'ok ' if finding.good else 'BAD'} {finding.what:<12} {finding.value}")
    if not healthy:
        raise MedganError("something above is BAD; the line says what to do")


@app.command()
def ui(port: Annotated[int, typer.Option(min=1, max=65535)] = 5000) -> None:
    """Serve the MLflow pages of this clone, on this machine only."""
    import subprocess

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


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    pass


def main() -> None:
    """Entry point: a MedganError is one sentence on stderr and exit status 2; so is a missing package."""
    try:
        app()
    except MedganError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "medgan":
            raise
        typer.echo(f"error: this command needs {error.name}; install medgan[train], or work in a clone", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
