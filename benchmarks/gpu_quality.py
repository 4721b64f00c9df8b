"""A recipe trained on a GPU of a machine without data or registry, and judged there -> results/gpu-quality.*.

    python -m benchmarks.gpu_quality --pack medical-mnist.zip [--images 5000]     # here: so many images of each class
    python -m benchmarks.gpu_quality medical-mnist.zip [RECIPE ...] [--seconds 240]   # there: at most 8 minutes

Needs of packages: torch, torchvision, numpy, scipy, scikit-learn, pydantic, pyyaml, safetensors, pillow, imagehash,
torch-fidelity, piq, onnx, onnxscript, onnxruntime.
"""

import argparse
import zipfile
from pathlib import Path
from typing import Any

from benchmarks.judging import ROOT, WORK
from benchmarks.quality import measure
from medgan.files import replacing
from medgan.seeds import numpy_generator

RAW = ROOT / "data" / "raw" / "medical-mnist"
RECIPES = ("medical-mnist,gan.batch=256,gan.lr=0.002,gan.ema=0.999,train.evaluations=4",)
_VALIDATION, _TEST = 0.1, 0.2  # shares of a pack, enough for a judge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path, help="the file with images")
    parser.add_argument("recipes", nargs="*", default=RECIPES, help="as benchmarks.quality takes them")
    parser.add_argument("--pack", dest="make", action="store_true", help="make it, of Medical MNIST")
    parser.add_argument("--images", type=int, default=5000, help="of each class in a pack; 5000 unless told")
    parser.add_argument("--seconds", type=float, default=240, help="of training; 240 unless told")
    told = parser.parse_args()
    if told.make:
        pack(RAW, told.pack, told.images)
    else:
        raw = unpack(told.pack)
        command = (
            f"python -m benchmarks.gpu_quality {told.pack.name} {' '.join(told.recipes)} --seconds {told.seconds:.0f}"
        )
        measure("medical-mnist", told.recipes, told.seconds, name="gpu-quality", command=command, place=_place(raw))


def _place(raw: Path) -> dict[str, Any]:
    """Where the data lie, and as many of them for the judge as a small pack has, near-copies kept together."""
    images = sum(path.is_file() for path in raw.rglob("*"))
    least = 0.9 * images
    judges = {"train.n": min(2000, int(_VALIDATION * least)), "evaluate.n": min(5000, int(_TEST * least))}
    return {"data.raw": str(raw), "data.validation": _VALIDATION, "data.test": _TEST, **judges}


def pack(raw: Path, target: Path, images: int) -> None:
    """So many files of each class, drawn at random, as they are."""
    with replacing(target) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
        for folder in sorted(path for path in raw.iterdir() if path.is_dir()):
            files = sorted(folder.iterdir())
            chosen = numpy_generator(0, f"pack/{folder.name}").permutation(len(files))[:images]
            for index in sorted(chosen):
                name = zipfile.ZipInfo(
                    f"{folder.name}/{files[index].name}"
                )  # of no time: the same images, the same pack
                archive.writestr(name, files[index].read_bytes())
    print(f"{target}: {target.stat().st_size / 2**20:.0f} MiB")


def unpack(source: Path) -> Path:
    """Return the folder of its classes."""
    target = WORK / source.stem
    if not target.exists():
        with zipfile.ZipFile(source) as archive:
            archive.extractall(target.with_suffix(".part"))
        target.with_suffix(".part").rename(target)
    return target


if __name__ == "__main__":
    main()
