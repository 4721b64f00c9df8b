"""Source `medmnist`: pictures of MedMNIST v2 (Yang et al. 2023) with one label each, as its package stores them."""

import ast
import math
import zlib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from tokenize import TokenError
from typing import Any, ClassVar
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from medgan.config.checking import STRICT, nearest
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, Intensity
from medgan.sources.files import numbered

SUFFIXES = {28: "", 64: "_64", 128: "_128", 224: "_224"}  # of file names and of keys in the package, by size in pixels
# What zipfile and numpy raise; the last two of headers of arrays that are no Python.
_DAMAGE = (OSError, ValueError, EOFError, KeyError, RuntimeError, BadZipFile, zlib.error, SyntaxError, TokenError)
PARTS = ("train", "val", "test")


@dataclass(frozen=True, config=STRICT)
class MedMnist:
    """flag: the package's name of a data set, such as pneumoniamnist.

    The files name no patient: each image counts as one, and byte-identical ones stay in one split.
    """

    intensity: ClassVar[Intensity] = EIGHT_BITS
    nameless: ClassVar[bool] = True

    flag: str

    def __post_init__(self) -> None:
        information(self.flag)

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Sample | Rejected]:
        """All three parts, since medgan splits by itself; `raw` is a folder with a FLAG.npz of any stored size."""
        names: dict[str, str] = information(self.flag)["label"]
        path = _smallest_that_suffices(raw, self.flag, spec.size)
        for part in PARTS:
            try:
                codes = _read_labels(path, part, len(names))
                yield from numbered(part, _read_images(path, part, len(codes)), (names[str(code)] for code in codes))
            except _DAMAGE as error:
                reason = " ".join(str(error).split())
                raise MedganError(
                    f"{path} is damaged ({reason}); remove it and run `medgan data fetch {self.flag}`"
                ) from None


def table() -> dict[str, dict[str, Any]]:
    """Read what the package knows of each data set, by flag: label, task, url, MD5, url_64, MD5_64 and more.

    Raises ModuleNotFoundError where it is not installed.
    """
    # Read and not imported: importing it makes a folder ~/.medmnist and loads pandas, scikit-learn and scikit-image.
    text = Path(str(distribution("medmnist").locate_file("medmnist/info.py"))).read_text(encoding="utf-8")
    assigned = (node for node in ast.parse(text).body if isinstance(node, ast.Assign))
    found: dict[str, dict[str, Any]] = ast.literal_eval(
        next(node.value for node in assigned if ast.unparse(node.targets[0]) == "INFO")
    )
    return found


def flags() -> list[str]:
    """List the flags of the data sets that this source reads."""
    return [flag for flag, entry in table().items() if not _obstacle(entry)]


def information(flag: str) -> dict[str, Any]:
    """The entry of a flag. Raises MedganError where this source cannot read it."""
    entries = table()
    if flag not in entries:
        raise MedganError(f"unknown medmnist data set '{flag}'{nearest(flag, flags())}")
    obstacle = _obstacle(entries[flag])
    if obstacle:
        raise MedganError(f"medmnist's '{flag}' {obstacle}; choices: {', '.join(sorted(flags()))}")
    return entries[flag]


def _obstacle(entry: dict[str, Any]) -> str | None:
    if entry["python_class"].endswith("3D"):
        return "has volumes, and medgan takes pictures"
    if entry["task"].startswith("multi-label"):
        return "has several labels an image, and medgan takes one"
    return None


def _smallest_that_suffices(raw: Path, flag: str, size: int) -> Path:
    """The stored file to shrink from, or the largest where none is as large as `size`."""
    stored = {pixels: raw / f"{flag}{suffix}.npz" for pixels, suffix in SUFFIXES.items()}
    present = [pixels for pixels, path in stored.items() if path.is_file()]
    if not present:
        names = ", ".join(path.name for path in stored.values())
        raise MedganError(
            f"{raw} holds none of {names}; run `medgan data fetch {flag}` and set data.raw to data/raw/{flag}, "
            "or put one of them there"
        )
    return stored[next((pixels for pixels in present if pixels >= size), present[-1])]


def _read_labels(path: Path, part: str, classes: int) -> list[int]:
    """One label an image, below `classes`. Raises what numpy and zipfile raise."""
    if not is_zipfile(path):
        raise ValueError("not an .npz file, or cut off")
    # A pickle could run code of whoever wrote the file. Opened here, since numpy forgets to close what is torn.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        labels = stored[f"{part}_labels"]
    if labels.dtype.kind not in "iu" or labels.ndim != 2 or labels.shape[1] != 1:
        raise ValueError(f"{part}_labels are {labels.dtype} {labels.shape}, not one number an image")
    codes: list[int] = labels[:, 0].tolist()
    if not all(0 <= code < classes for code in codes):
        raise ValueError(f"{part}_labels go from {min(codes)} to {max(codes)}, and there are {classes} classes")
    return codes


def _read_images(path: Path, part: str, count: int) -> Iterator[NDArray[np.uint8]]:
    """So many images (S, S) or (S, S, 3), unpacked one by one where stored so. Raises as `_read_labels` does."""
    with ZipFile(path) as archive, archive.open(f"{part}_images.npy") as file:
        # numpy writes 1.0 for every array without named fields.
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{part}_images are not an array of numpy's format 1.0")
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype != np.uint8 or len(shape) not in (3, 4) or shape[3:] not in ((), (3,)):
            raise ValueError(f"{part}_images are {dtype} {shape}, not grey or RGB bytes")
        if shape[0] != count:
            raise ValueError(f"{part}_images are {shape[0]}, and there are {count} labels")
        if by_column:
            yield from np.frombuffer(file.read(), np.uint8).reshape(shape[::-1]).T
            return
        for _ in range(count):
            yield np.frombuffer(file.read(math.prod(shape[1:])), np.uint8).reshape(shape[1:])
        file.read()  # the checksum is looked at where the file ends
