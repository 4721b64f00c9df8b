"""Masks that lie in a folder of their own, under the names of their images."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgan.data.spec import Rejected
from medgan.errors import MedganError
from medgan.imaging.masks import read_mask
from medgan.imaging.opening import SUFFIXES
from medgan.sources.table import files_by_name

Fit = Literal["refuse", "stretch"]
_TAKEN = (*SUFFIXES, ".npy")


class MaskFiles:
    """Masks in a folder, by the names of their images: path within the folder, or else name alone, then `suffix`."""

    def __init__(self, files: Iterable[Path], folder: Path, suffix: str) -> None:
        self._folder, self._suffix = folder, suffix
        self._files = [path for path in files if path.suffix.lower() in _TAKEN]
        self._named = files_by_name([path.relative_to(folder) for path in self._files])

    def of(self, image: Path, name: str | None = None) -> Path:
        """The mask of an image, which is named within the raw folder. Raises ValueError where it has none, or two.

        name: of the mask, where something says it.
        """
        stem = image.with_suffix("")
        names = [name] if name else [f"{stem.as_posix()}{self._suffix}", f"{stem.name}{self._suffix}"]
        for key in names:
            found = self._named.get(key, [])
            if len(found) == 1:
                return self._folder / found[0]
            if found:
                raise ValueError(f"{self._folder.name} has {len(found)} masks for it; give each a name of its own")
        raise ValueError(f"{self._folder.name} has no mask of its name and suffix ({', '.join(_TAKEN)})")

    def without(self, images: Iterable[tuple[Path, str | None]], raw: Path) -> Iterator[Rejected]:
        """Yield the masks that are of none of the images, each with the name of its mask where something says it."""
        used = set[Path]()
        for image, name in images:
            with suppress(ValueError):
                used.add(self.of(image, name))
        for path in self._files:
            if path not in used:
                yield Rejected(path.relative_to(raw).as_posix(), "it is a mask, and its image is not there")


def fitted_mask(path: Path, shape: tuple[int, int], how: Fit) -> NDArray[np.uint8]:
    """(H, W, 1) of 0 and 1, by the nearest pixel where the mask has another size than its image, which has `shape`.

    Raises ValueError where it cannot be read, and, unless it is to be stretched, where the shapes differ by more than
    a pixel: then nothing says whether the image was squashed or cut.
    """
    try:
        mask = read_mask(path)
    except MedganError as error:
        raise ValueError(f"its mask: {str(error).replace(str(path), 'it')}") from None
    (height, width), (its_height, its_width) = shape, mask.shape
    if how == "refuse" and abs(its_width * height / its_height - width) > 1:
        raise ValueError(
            f"its mask has {its_width}x{its_height} pixels and it has {width}x{height}, of another shape; where "
            "images were squashed and masks were not, data.options.mask_fit: stretch does the same to masks"
        )
    if (its_height, its_width) != shape:
        mask = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
    return mask[..., None]
