"""What the pixels of some pictures say: whether they are masks, pairs, or neighbours of one patient."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgan.imaging.reading import read_picture
from medgan.sources.check.proposal import some

LOOKED = 16  # pictures, or pairs of them, that a guess is made from
MOST = 0.8  # share of them that must agree
_NEIGHBOURS, _CLOSER = 60, 0.7  # of so many, the share that is closer by chance in one folder of 500
_SIDE = 32  # pixels of the pictures that are compared


def read_some(raw: Path, files: Sequence[Path]) -> list[NDArray[Any]]:
    """(H, W, C) each; what cannot be read is left out."""
    pictures = []
    for path in files:
        with suppress(ValueError):
            pictures.append(read_picture(raw / path)[0])
    return pictures


def are_masks(raw: Path, files: Sequence[Path]) -> bool:
    """Say whether pictures have two values each."""
    pictures = read_some(raw, some(files, LOOKED // 2))
    two = [picture for picture in pictures if len(np.unique(picture)) <= 2]
    return len(two) > MOST * len(pictures)


def are_pairs(raw: Path, pairs: Sequence[tuple[Path, Path]]) -> bool:
    """Say whether two pictures of a pair are more alike than those of different pairs."""
    read = [read_some(raw, pair) for pair in some(pairs, LOOKED)]
    small = [[_small(picture) for picture in pair] for pair in read if len(pair) == 2]
    closer = [_alike(a, b) > _alike(a, small[index - 1][1]) for index, (a, b) in enumerate(small)]
    return len(small) > 3 and sum(closer) > MOST * len(closer)


def are_neighbours(raw: Path, images: Sequence[Path]) -> bool:
    """Say whether pictures of following numbers are more alike than those of one folder are.

    images: named by numbers.
    """
    ordered = sorted(images, key=lambda path: (path.parent, int(path.stem)))
    inner = [i for i in range(len(ordered) - 1) if ordered[i].parent == ordered[i + 1].parent]
    closer = list[bool]()
    for index in some(inner, _NEIGHBOURS):
        folder = [path for path in ordered if path.parent == ordered[index].parent]
        far = folder[(folder.index(ordered[index]) + len(folder) // 2) % len(folder)]
        three = [_small(picture) for picture in read_some(raw, (ordered[index], ordered[index + 1], far))]
        if len(three) == 3:
            closer.append(_alike(three[0], three[1]) > _alike(three[0], three[2]))
    return len(closer) >= LOOKED and sum(closer) >= _CLOSER * len(closer)


def _small(picture: NDArray[Any]) -> NDArray[np.float64]:
    grey = Image.fromarray(picture.mean(axis=2).astype(np.float32))
    return np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)


def _alike(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Size of the correlation: what is bright in one kind of image may be dark in another."""
    a, b = a - a.mean(), b - b.mean()
    return float(abs((a * b).sum()) / max(1e-9, np.sqrt((a * a).sum() * (b * b).sum())))
