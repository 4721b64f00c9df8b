"""What the pixels of some pictures say: whether they are masks, pairs, or neighbours of one patient."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgan.imaging.reading import read_picture
from medgan.sources.check.proposal import some

LOOKED = 16  # pictures that a guess is made from
MOST = 0.8  # share of them that must agree
_COMPARED, _CLOSER = 60, 0.7  # of so many, the share that is closer by chance in one folder of 500
_COLOURS, _PIXELS = 8, 2**14  # of a mask, at most; pixels that are looked at
_SIDE = 32  # pixels of the pictures that are compared


def read_some(raw: Path, files: Iterable[Path]) -> Iterator[NDArray[Any]]:
    """(H, W, C) each, one at a time; what cannot be read is left out."""
    for path in files:
        with suppress(ValueError):
            yield read_picture(raw / path)[0]


def are_masks(raw: Path, files: Sequence[Path]) -> bool:
    """Say whether pictures have few colours each."""
    few = [_has_few_colours(picture) for picture in read_some(raw, some(files, LOOKED // 2))]
    return sum(few) > MOST * len(few)


def are_pairs(raw: Path, pairs: Sequence[tuple[Path, Path]]) -> bool:
    """Say whether two pictures of a pair are more alike than those of different pairs."""
    read = [[*map(_small, read_some(raw, pair))] for pair in some(pairs, _COMPARED)]
    small = [pair for pair in read if len(pair) == 2]
    closer = [_alike(a, b) > _alike(a, small[index - 1][1]) for index, (a, b) in enumerate(small)]
    return len(small) > 3 and sum(closer) > MOST * len(closer)


def are_neighbours(raw: Path, images: Sequence[Path]) -> bool:
    """Say whether pictures of following numbers are more alike than those of one folder are.

    images: named by numbers.
    """
    ordered = sorted(images, key=lambda path: (path.parent, int(path.stem)))
    inner = [i for i in range(len(ordered) - 1) if ordered[i].parent == ordered[i + 1].parent]
    closer = list[bool]()
    for index in some(inner, _COMPARED):
        folder = [path for path in ordered if path.parent == ordered[index].parent]
        far = folder[(folder.index(ordered[index]) + len(folder) // 2) % len(folder)]
        three = [*map(_small, read_some(raw, (ordered[index], ordered[index + 1], far)))]
        if len(three) == 3:
            closer.append(_alike(three[0], three[1]) > _alike(three[0], three[2]))
    return len(closer) >= LOOKED and sum(closer) >= _CLOSER * len(closer)


def _has_few_colours(picture: NDArray[Any]) -> bool:
    pixels = picture.reshape(-1, picture.shape[2])
    return len(np.unique(pixels[:: max(1, len(pixels) // _PIXELS)], axis=0)) <= _COLOURS


def _small(picture: NDArray[Any]) -> NDArray[np.float64]:
    grey = Image.fromarray(picture.mean(axis=2).astype(np.float32))
    return np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)


def _alike(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Size of the correlation: what is bright in one kind of image may be dark in another."""
    a, b = a - a.mean(), b - b.mean()
    return float(abs((a * b).sum()) / max(1e-9, np.sqrt((a * a).sum() * (b * b).sum())))
