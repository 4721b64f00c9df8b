"""Near-copies: images of one perceptual hash (Zauner 2010) that also agree in their pixels.

A hash says little of an image without content and of images that are all alike, such as hands: so each pair of one
hash is looked at again. Nothing but equal bytes joins flat images, such as empty slices.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.cluster.hierarchy import DisjointSet
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medgan.imaging.intensity import Intensity

# Correlation of two blurred thumbnails. Of pairs of one hash that are no copies, 249 of Medical MNIST's hands reach
# .983 and 129 of different phantoms .989; neighbouring slices and copies saved anew are above.
AGREEMENT = 0.99
_SIDE = 32  # of a thumbnail: what the hash itself looks at
_BLUR = 0.7  # pixels of a thumbnail: noise and JPEG differ there, and are no difference
_FLAT = 2.0  # standard deviation of a thumbnail in grey levels, below which there is nothing to compare
_BLOCK = 256  # thumbnails compared with all others at a time


def thumbnails(
    image: NDArray[Any], source: NDArray[Any] | None, intensity: Intensity, *, colour: bool
) -> NDArray[np.uint8]:
    """What people would see of a sample's arrays (H, W, C), as planes (P, 32, 32): of its image, then of its source.

    colour: three channels are one plane, in grey; else each channel is one. The hash of a thumbnail is that of the
    picture: imagehash makes the same one.
    """
    planes: list[NDArray[np.uint8]] = []
    for array in (image, source):
        if array is not None:
            pictures = intensity.picture(array)
            whole = colour and pictures.shape[2] == 3
            planes += [pictures] if whole else list(pictures.transpose(2, 0, 1))
    grey = (Image.fromarray(np.ascontiguousarray(plane)).convert("L") for plane in planes)
    return np.stack([np.asarray(plane.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)) for plane in grey])


def perceptual_hashes(planes: NDArray[np.uint8]) -> tuple[bytes, ...]:
    """8 bytes for each of the thumbnails (P, 32, 32); none for one that is flat."""
    return tuple(
        np.packbits(imagehash.phash(Image.fromarray(plane)).hash).tobytes() if plane.std() >= _FLAT else b""
        for plane in planes
    )


def near_copies(
    hashes: Sequence[tuple[bytes, ...]], thumbnails_of: Callable[[int], NDArray[np.uint8]]
) -> list[list[int]]:
    """Groups of two or more samples, as indices in ascending order, each sample in one group at most.

    Two samples are near-copies if any plane of one, such as its source, is a near-copy of the same plane of the other:
    one anatomy is in both. hashes: of each sample. thumbnails_of: asked for samples that share a hash alone.
    """
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for index, of_planes in enumerate(hashes):
        for plane, value in enumerate(of_planes):
            if value:
                buckets[plane, value].append(index)
    sets: DisjointSet[int] = DisjointSet()
    for (plane, _), members in buckets.items():
        if len(members) > 1:
            first: dict[int, int] = {}
            for index, group in zip(
                members, _agreeing(np.stack([thumbnails_of(index)[plane] for index in members])), strict=True
            ):
                sets.add(index)
                sets.merge(first.setdefault(int(group), index), index)
    return sorted(sorted(group) for group in sets.subsets() if len(group) > 1)


def _agreeing(planes: NDArray[np.uint8]) -> NDArray[Any]:
    """A group for each of the thumbnails (N, 32, 32): two are in one if a chain of agreeing pairs leads there."""
    # By their bytes: np.unique compares 1,024 fields a row, and takes ten times as long as all that follows.
    numbers: dict[bytes, int] = {}
    which = np.array([numbers.setdefault(plane.tobytes(), len(numbers)) for plane in planes])
    distinct = np.frombuffer(b"".join(numbers), np.uint8).reshape(-1, *planes.shape[1:])
    blurred = gaussian_filter(distinct.astype(np.float32), (0, _BLUR, _BLUR)).reshape(len(distinct), -1)
    blurred -= blurred.mean(axis=1, keepdims=True)
    blurred /= np.linalg.norm(blurred, axis=1, keepdims=True)
    groups = np.arange(len(distinct))
    for start in range(0, len(distinct), _BLOCK):
        # Blocks, joined one after the other: the pairs of a large bucket are too many to be held at a time.
        one, other = np.nonzero(blurred[start : start + _BLOCK] @ blurred[start:].T >= AGREEMENT)
        edges = coo_array((np.ones(len(one), bool), (groups[start + one], groups[start + other])), (len(groups),) * 2)
        groups = connected_components(edges, directed=False)[1][groups]
    found: NDArray[Any] = groups[which]
    return found
