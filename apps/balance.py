"""Level the classes of a folder of images with drawn ones: python -m apps.balance FOLDER GENERATOR.onnx OUT

FOLDER has a folder of images for each class, named as the generator's classes; give it what a classifier learns from,
never what judges it. OUT becomes a copy in which the smaller classes have drawn images too, as many as the largest
class has more. Each of these says that it is synthetic, in a text chunk and in a file beside it. Whether they help a
classifier, reports/utility.json says.
"""

import json
import shutil
from pathlib import Path

import typer
from PIL import Image

from medgan.console import run
from medgan.errors import MedganError
from medgan.files import replacing
from medgan.imaging.drawn import NOTICE, write_png
from medgan.runtime import OnnxGenerator

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def balance(folder: Path, generator: Path, out: Path, seed: int = 0) -> None:
    """Write a levelled copy of FOLDER, whose folders are classes of the generator, to OUT, which is not there yet."""
    model = OnnxGenerator(generator)
    files = {path.name: _files(path) for path in sorted(folder.glob("*/")) if not path.name.startswith(".")}
    pictures = {name: [file for file in each if file.suffix.lower() in PICTURES] for name, each in files.items()}
    if not files or not files.keys() <= set(model.label_names):
        raise MedganError(f"{folder} has the folders {[*files]}, the classes of {generator} are {model.label_names}")
    for name, each in files.items():
        if not pictures[name] and (each or not any(pictures.values())):
            raise MedganError(f"{folder / name} has no pictures: {', '.join(PICTURES)}")
        if drawn := [file for file in each if file.name.startswith("synthetic-")]:
            raise MedganError(f"{drawn[0]} was drawn; give the folder that it was added to")
    if out.exists() or out.resolve().is_relative_to(folder.resolve()):
        raise MedganError(f"{out} is there already, or lies in {folder}; name another folder")
    missing = {name: max(map(len, pictures.values())) - len(each) for name, each in pictures.items()}
    labels = [name for name, count in missing.items() for _ in range(count)]
    source = model.metadata.get("fingerprint", generator.name)
    images = model.draw(len(labels), seed=seed, labels=labels)
    real, shape = _shape(next(each[0] for each in pictures.values() if each)), images.shape[1:]
    with replacing(out) as aside:
        shutil.copytree(folder, aside)
        for index, image in enumerate(images):
            file = aside / labels[index] / f"synthetic-{seed}-{index:05d}.png"
            write_png(file, image, model.intensity)
            origin = {"generator": source, "label": labels[index], "seed": seed, "index": index}
            file.with_suffix(".json").write_text(json.dumps({"notice": NOTICE, "synthetic": True, **origin}) + "\n")
    typer.echo(f"{out}: {', '.join(f'{len(pictures[name])} {name} and {missing[name]} drawn' for name in files)}")
    if labels and real != shape:
        typer.echo(
            f"Drawn images are {shape}, real ones {real} (channels, height, width): bring all to one shape first"
        )


def _files(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return [file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts)]


def _shape(file: Path) -> tuple[int, ...]:
    with Image.open(file) as picture:
        return len(picture.getbands()), picture.height, picture.width


if __name__ == "__main__":
    run(lambda: typer.run(balance))
