"""A sample of what a source gives: sizes, depths, colours, and a picture of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgan.config.checking import build
from medgan.config.data import Fit
from medgan.data.spec import ImageSpec, Item, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.grids import grid
from medgan.imaging.intensity import Intensity
from medgan.sources import SOURCES
from medgan.sources.check.proposal import Proposal, numbered, some
from medgan.sources.fit import fit, lost

_LOOKED = 64  # samples
_READ = 4096  # samples of a source that reads one after the other
_SHOWN, _COLUMNS, _ROWS = 256, 6, 8  # pixels of a picture; pictures in a row, rows
_SIZES = ((64, 64), (28, 32))  # pixels of the shorter side from which on images are made so large
_SMALLEST = 16
_GREY = 2  # levels by which colours of grey pictures differ, at most


@dataclass(frozen=True)
class Look:
    """size, channels, fit: of `data`, that suit the sample. lines: for people. picture: (H, W, C), large."""

    size: int
    channels: int
    fit: Fit
    lines: tuple[str, ...]
    picture: NDArray[np.uint8]


def look(proposal: Proposal) -> Look:
    """Read some samples, evenly spread. Raises MedganError where none can be read."""
    source = build(SOURCES, proposal.source, dict(proposal.options), "data.options")
    size, channels = proposal.shape or (_SIZES[0][0], 1)
    items = _spread(source.samples(proposal.raw, ImageSpec(size, channels)))
    read = [part for item in items for part in (item() if callable(item) else (item,))]
    samples = [part for part in read if isinstance(part, Sample)]
    if not samples:
        reasons = [f"{part.origin}: {part.reason}" for part in read if isinstance(part, Rejected)]
        raise MedganError(f"none of {len(reasons)} files that were looked at can be used, such as {reasons[0]}")
    sides = [min(sample.image.shape[:2]) for sample in samples]
    colour = any(not _is_grey(sample.image) for sample in samples)
    if proposal.shape is None:
        size = next((made for least, made in _SIZES if median(sides) >= least), _SMALLEST)
        channels = 3 if colour else 1
    how: Fit = "letterbox" if any(lost(sample, size) for sample in samples) else "crop"
    return Look(
        size, channels, how, tuple(_lines(samples, colour=colour)), _picture(samples, source.intensity, channels)
    )


def _lines(samples: Sequence[Sample], *, colour: bool) -> Iterator[str]:
    sizes = Counter("{1}x{0}".format(*sample.image.shape) for sample in samples)
    shown = numbered(sizes.elements()) if len(sizes) <= 3 else f"{len(sizes)} sizes, {_range(samples)}"
    kinds = Counter(_kind(sample.image) for sample in samples)
    yield f"looked at {len(samples)} images: {shown} pixels; {numbered(kinds.elements())}"
    lowest, highest = min(s.image.min() for s in samples), max(s.image.max() for s in samples)
    yield f"stored values from {lowest:,} to {highest:,}"
    if not colour and any(sample.image.shape[2] == 3 for sample in samples):
        yield "colour pictures of which every pixel is grey: they are read as grey (data.channels: 1)"
    covered = [float(sample.mask.any(axis=2).mean()) for sample in samples if sample.mask is not None]
    if covered:
        yield f"masks cover {100 * median(covered):.1f} % of an image in the middle case"


def _range(samples: Sequence[Sample]) -> str:
    shapes = sorted((sample.image.shape[:2] for sample in samples), key=np.prod)
    return " to ".join(f"{width}x{height}" for height, width in (shapes[0], shapes[-1]))


def _kind(image: NDArray[Any]) -> str:
    colours = "grey" if image.shape[2] == 1 else "RGB that is grey" if _is_grey(image) else "colour"
    return f"{colours} of {8 * image.itemsize} bits"


def _is_grey(image: NDArray[Any]) -> bool:
    return int(np.ptp(image.astype(np.int32), axis=2).max()) <= _GREY


def _spread(items: Iterable[Item]) -> list[Item]:
    """Some of them, evenly spread; calls cost nothing before they are called."""
    kept, step = list[Item](), 1
    for index, item in enumerate(items):
        if index % step == 0:
            kept.append(item)
        if len(kept) == 2 * _LOOKED:
            kept, step = kept[::2], 2 * step
        if index + 1 == _READ and not callable(item):
            break
    return some(kept, _LOOKED)


def _picture(samples: Sequence[Sample], intensity: Intensity, channels: int) -> NDArray[np.uint8]:
    """A row a class, or rows of any; source, image and mask side by side."""
    spec = ImageSpec(_SHOWN, channels)
    fitted = [made for sample in samples if isinstance(made := fit(sample, spec, intensity, "letterbox"), Sample)]
    by_label: dict[str, list[Sample]] = {}
    for sample in fitted:
        by_label.setdefault(sample.label or "", []).append(sample)
    rows = [part for _, part in sorted(by_label.items())][:_ROWS] if len(by_label) > 1 else [fitted]
    each = _COLUMNS if len(rows) > 1 else 4 * _COLUMNS
    tiles = []
    for row in rows:
        of_row = [np.concatenate(list(_parts(sample, intensity)), axis=1) for sample in some(row, each)]
        blank = np.zeros_like(of_row[0])
        tiles += [*of_row, *[blank] * (-len(of_row) % _COLUMNS)]
    return grid(np.stack(tiles), columns=_COLUMNS)


def _parts(sample: Sample, intensity: Intensity) -> Iterator[NDArray[np.uint8]]:
    image = intensity.picture(sample.image)
    if sample.source is not None:
        yield intensity.picture(sample.source)
    yield image
    if sample.mask is not None:
        drawn = 255 * sample.mask.any(axis=2, keepdims=True).astype(np.uint8)
        yield np.broadcast_to(drawn, image.shape)
