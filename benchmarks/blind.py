"""A sheet of real and drawn images, shuffled, with its key apart: can you tell them apart? -> reports/blind/*.

    python -m benchmarks.blind                  # of the finished run of this clone: artifacts/export, data/prepared
    python -m benchmarks.blind --model G.onnx --data FOLDER --images 24 --seed 1
    python -m benchmarks.blind --answers reports/blind/answers.csv      # your score, once you have filled it in

A sheet a class has as many held-out test images as drawn ones, numbered from 1. Write r or d beside each number in
answers.csv, and look into key.csv only then.
"""

import argparse
import csv
from collections.abc import Iterable, Sequence
from math import comb
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.judging import ROOT
from medgan.data.store import Prepared, open_prepared
from medgan.errors import MedganError
from medgan.imaging.arrays import quantised, to_uint8
from medgan.imaging.grids import grid, save_image
from medgan.runtime.generator import OnnxGenerator
from medgan.seeds import numpy_generator

COLUMNS = 8
_FOLDER = ROOT / "reports" / "blind"
_SIDE, _STRIP = 192, 14  # pixels of a shown image, and of the strip above it that bears its number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "artifacts" / "export" / "generator.onnx")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "prepared", help="what `prepare` wrote")
    parser.add_argument(
        "--images", type=int, default=24, help="drawn ones of each class, and real ones; 24 unless told"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answers", type=Path, help="a filled-in answers.csv, to be counted")
    told = parser.parse_args()
    if told.answers:
        print("\n".join(counted(told.answers, _FOLDER / "key.csv")))
        return
    write_sheets(OnnxGenerator(told.model), open_prepared(told.data), told.images, told.seed, _FOLDER)
    print(f"look at {_FOLDER}/*.png, and write r or d beside each number in {_FOLDER}/answers.csv")


def write_sheets(generator: OnnxGenerator, data: Prepared, images: int, seed: int, folder: Path) -> None:
    """A sheet a class, an empty table of answers, and the key."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for code, name in enumerate(data.label_names or ("all",)):
        chosen = _held_out(data, code, images, seed)
        drawn = _drawn(generator, data, name, chosen, seed)
        shown = np.concatenate([data.pictures(chosen), drawn])
        order = numpy_generator(seed, f"blind/{name}").permutation(len(shown))
        save_image(folder / f"{name}.png", _sheet(shown[order]))
        rows += [(name, place + 1, "r" if row < images else "d") for place, row in enumerate(order)]
    _write(folder / "key.csv", [("class", "number", "is"), *rows])
    _write(folder / "answers.csv", [("class", "number", "is"), *((name, number, "") for name, number, _ in rows)])


def counted(answers: Path, key: Path) -> list[str]:
    """What the answers are worth, by class and in all: how many are right, and how likely as many are by guessing."""
    right = {(row["class"], row["number"]): row["is"] for row in _read(key)}
    given = {(row["class"], row["number"]): row["is"].strip().lower() for row in _read(answers)}
    lines, whole = [], (0, 0)
    for name in dict.fromkeys(name for name, _ in right):
        mine = [
            given.get(place, "") == truth for place, truth in right.items() if place[0] == name and given.get(place)
        ]
        lines.append(f"{name}: {sum(mine)} of {len(mine)} right")
        whole = (whole[0] + sum(mine), whole[1] + len(mine))
    hits, n = whole
    luck = sum(comb(n, k) for k in range(hits, n + 1)) / 2**n
    return [*lines, f"in all: {hits} of {n} right; by guessing as many or more are right in {luck:.2g} of all cases"]


def _held_out(data: Prepared, code: int, images: int, seed: int) -> NDArray[np.int64]:
    rows = data.indices("test")
    if data.labels is not None:
        rows = rows[data.labels[rows] == code]
    if len(rows) < images:
        raise MedganError(f"there are {len(rows)} test images of a class and {images} are to be shown; lower --images")
    return np.sort(numpy_generator(seed, f"blind/real/{code}").choice(rows, images, replace=False))


def _drawn(
    generator: OnnxGenerator, data: Prepared, name: str, chosen: NDArray[np.int64], seed: int
) -> NDArray[np.uint8]:
    """As many of the class, around the lesions of the chosen ones where masks are asked for."""
    masks = data.masks[chosen].transpose(0, 3, 1, 2) if "mask" in generator.inputs and data.masks is not None else None
    labels = name if generator.conditional else None
    images = generator.draw(len(chosen), seed=seed, labels=labels, masks=masks)
    return to_uint8(quantised(images, data.levels))


def _sheet(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, C): each image enlarged, below its number."""
    factor = max(1, _SIDE // images.shape[1])
    large = images.repeat(factor, axis=1).repeat(factor, axis=2)
    tiles = []
    for number, image in enumerate(large):
        strip = Image.new("L", (image.shape[1], _STRIP))
        ImageDraw.Draw(strip).text((2, 1), str(number + 1), fill=255)
        above = np.broadcast_to(np.asarray(strip)[..., None], (_STRIP, image.shape[1], image.shape[2]))
        tiles.append(np.concatenate([above, image]))
    return grid(np.stack(tiles), columns=COLUMNS)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    main()
