"""Commands that need an exported model and no clone: generate, grid, translate, verify."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from medgan.errors import MedganError

Model = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="An exported generator.")]
Mask = Annotated[
    Path | None, typer.Option(help="A grey picture or .npy for generators that take a mask: lesion where not 0.")
]
Truncation = Annotated[
    float | None, typer.Option(help="Draw values of z beyond this anew: below 1 more typical, less varied.")
]


def generate(  # noqa: PLR0917 (options, by name on the command line)
    model: Model,
    count: Annotated[int, typer.Option(min=1, help="How many images.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same images.")] = 0,
    label: Annotated[str | None, typer.Option(help="A class by name; without it the classes come in turn.")] = None,
    mask: Mask = None,
    truncation: Truncation = None,
    out: Annotated[Path, typer.Option(help="Folder for the files, made where it is missing.")] = Path("drawn"),
    suffix: Annotated[
        str, typer.Option("--format", help="png, npy, nii.gz or dcm, each in the depth and unit of the data.")
    ] = "png",
) -> None:
    """Draw images: a file each, and grid.png with all of them."""
    import math

    from medgan.imaging.arrays import to_uint8
    from medgan.imaging.drawn import WRITERS
    from medgan.imaging.grids import grid, save_image
    from medgan.imaging.masks import read_mask
    from medgan.runtime import OnnxGenerator

    if f".{suffix}" not in WRITERS:
        raise MedganError(f"--format {suffix} is unknown; choices: {', '.join(name[1:] for name in WRITERS)}")
    generator, write = OnnxGenerator(model), WRITERS[f".{suffix}"]
    codes, masks = generator.codes(count, label), read_mask(mask) if mask else None
    generator.check_masks(count, masks)
    with _writing(out):  # before minutes of drawing
        nearest = next(path for path in (out, *out.parents) if path.exists())
        if not nearest.is_dir():
            raise MedganError(f"--out {out}: {nearest} is a file; name a folder")
        out.mkdir(parents=True, exist_ok=True)
    images, intensity = (
        generator.draw(count, seed=seed, labels=codes, masks=masks, truncation=truncation),
        generator.intensity,
    )
    columns = max(1, len(generator.label_names)) if codes is not None and label is None else math.ceil(math.sqrt(count))
    with _writing(out):
        for index, image in enumerate(images):
            name = "" if codes is None else "-" + generator.label_names[codes[index]].replace("/", "-")
            write(out / f"{seed}-{index:05d}{name}.{suffix}", image, intensity)
        save_image(out / "grid.png", grid(to_uint8(images), columns=columns))
    if masks is not None:
        typer.echo(f"{mask}: lesion in {int(masks.sum())} of {masks.size} pixels")
    typer.echo(f"{count} images in {out}, all of them in {out / 'grid.png'} (synthetic; not for diagnosis)")


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
    from medgan.runtime import OnnxGenerator
    from medgan.runtime.sheets import SHEETS

    with _writing(out):
        check_suffix(out)
    if show not in SHEETS:
        raise MedganError(f"--show {show} is unknown; choices: {', '.join(SHEETS)}")
    generator = OnnxGenerator(model)
    z, labels, columns = SHEETS[show](generator, rows, columns, seed=seed, label=label, truncation=truncation)
    images = generator.images(z, labels, read_mask(mask) if mask else None)
    with _writing(out):
        save_image(out, grid(to_uint8(images), columns=columns))
    typer.echo(f"{out}: {rows} rows of {columns} (synthetic; not for diagnosis)")


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
    from medgan.runtime import OnnxGenerator
    from medgan.runtime.translate import translate_files

    generator = OnnxGenerator(model)
    for line in translate_files(generator, images, out, value_range=value_range, force=force):
        typer.echo(line)
    files = "1 file" if len(images) == 1 else f"{len(images)} files"
    about = [generator.metadata[key] for key in ("direction",) if key in generator.metadata]
    typer.echo(f"{files} in {out} ({'; '.join([*about, 'synthetic', 'not for diagnosis'])})")


def verify(model: Model) -> None:
    """Check a model against the golden vectors beside it, and print what it says of itself."""
    from medgan.runtime import OnnxGenerator, golden_difference

    generator = OnnxGenerator(model)
    difference = golden_difference(generator, model.with_name("golden.npz"))
    for key, value in sorted(generator.metadata.items()):
        typer.echo(f"{key:>12}  {value}")
    typer.echo(f"{'difference':>12}  {difference:.1e} from the golden vectors")
    if difference > 1e-4:
        raise MedganError(f"{model} differs from its golden vectors by {difference:.1e}, above 1e-4; export it again")


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Turn what the operating system refuses there into a MedganError."""
    try:
        yield
    except OSError as error:
        raise MedganError(f"--out {out} cannot be written: {error.strerror or error}; name another --out") from None


COMMANDS: tuple[Callable[..., None], ...] = (generate, grid, translate, verify)
