"""Level the classes of a folder of images with drawn ones: python -m apps.balance FOLDER GENERATOR.onnx OUT

FOLDER has a folder of images for each class, named as the generator's classes. OUT becomes a copy of it in which the
smaller classes have drawn images too, as many as the largest class has more. Each of these says that it is synthetic,
in a text chunk and in a file beside it. Whether they help a classifier, reports/utility.json says.
"""

import json
import shutil
from pathlib import Path

import typer

from medgan.console import run
from medgan.errors import MedganError
from medgan.files import replacing
from medgan.imaging.drawn import NOTICE, write_png
from medgan.runtime import OnnxGenerator

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def balance(folder: Path, generator: Path, out: Path, seed: int = 0) -> None:
    """Write a levelled copy of FOLDER, whose folders are classes of the generator, to OUT, which is not there yet."""
    model = OnnxGenerator(generator)
    classes = sorted(path.name for path in folder.glob("*/"))
    if not classes or not set(classes) <= set(model.label_names):
        raise MedganError(f"{folder} has the folders {classes}, and the classes of {generator} are {model.label_names}")
    if out.exists():
        raise MedganError(f"{out} is there already; name another folder")
    source = model.metadata.get("fingerprint", generator.name)
    counts = {name: sum(file.suffix.lower() in PICTURES for file in (folder / name).rglob("*")) for name in classes}
    missing = {name: max(counts.values()) - count for name, count in counts.items()}
    labels = [name for name, count in missing.items() for _ in range(count)]
    with replacing(out) as aside:
        shutil.copytree(folder, aside)
        for index, image in enumerate(model.draw(len(labels), seed=seed, labels=labels)):
            file = aside / labels[index] / f"synthetic-{seed}-{index:05d}.png"
            write_png(file, image, model.intensity)
            origin = {"generator": source, "label": labels[index], "seed": seed, "index": index}
            file.with_suffix(".json").write_text(json.dumps({"notice": NOTICE, "synthetic": True, **origin}) + "\n")
    typer.echo(f"{out}: {', '.join(f'{count} {name} and {missing[name]} drawn' for name, count in counts.items())}")


if __name__ == "__main__":
    run(lambda: typer.run(balance))
