"""A sample of what a source gives: sizes, depths, colours, and a picture of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

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
from medgan.sources.fit import fit

_LOOKED = 64  # samples
_READ = 4096  # samples of a source that reads one after the other
_SHOWN, _COLUMNS, _ROWS = 256, 6, 8  # pixels of a picture; pictures in a row, rows
_SIZES = ((64, 64), (28, 32))  # pixels of the shorter side from which on images are made so large
_SMALLEST = 16
_FEW = 3  # sizes that are listed
_GREY = 2  # levels by which colours of grey pictures differ, at most


@dataclass(frozen=True)
class Look:
    """size, channels, fit: of `data`, that suit the sample. lines: for people. picture: (H, W, C), large."""

    size: int
    channels: int
    fit: Fit
    lines: tuple[str, ...]
    picture: NDArray[np.uint8]


@dataclass(frozen=True)
class _Seen:
    """What is kept of a sample. covered: share of the image in its mask. tile: (S, W, C), parts side by side."""

    shape: tuple[int, ...]
    bits: int
    grey: bool
    low: int
    high: int
    covered: float | None
    label: str
    tile: NDArray[np.uint8]


def look(proposal: Proposal) -> Look:
    """Read some samples, evenly spread, one at a time. Raises MedganError where none can be read."""
    source = build(SOURCES, proposal.source, dict(proposal.options), "data.options")
    size, channels = proposal.shape or (_SIZES[0][0], 1)
    seen, refused = list[_Seen](), list[Rejected]()
    for item in _spread(source.samples(proposal.raw, ImageSpec(size, channels))):
        for part in item() if callable(item) else (item,):
            if isinstance(part, Rejected):
                refused.append(part)
            else:
                seen.append(_seen(part, source.intensity))
    if not seen:
        first = f"{refused[0].origin}: {refused[0].reason}" if refused else "there is none"
        raise MedganError(f"none of {len(refused)} files that were looked at can be used, such as {first}")
    if proposal.shape is None:
        side = median(min(one.shape[:2]) for one in seen)
        size = next((made for least, made in _SIZES if side >= least), _SMALLEST)
        channels = 1 if all(one.grey for one in seen) else 3
    square = all(size * (1 - min(one.shape[:2]) / max(one.shape[:2])) < 1 for one in seen)
    return Look(size, channels, "crop" if square else "letterbox", tuple(_lines(seen)), _picture(seen, channels))


def _seen(sample: Sample, intensity: Intensity) -> _Seen:
    image = sample.image
    grey = bool((image == image[..., :1]).all()) or int(np.ptp(image.astype(np.int32), axis=2).max()) <= _GREY
    spec = ImageSpec(_SHOWN, 1 if grey else image.shape[2])
    fitted = fit(sample, spec, intensity, "letterbox")
    parts = list(_parts(fitted, intensity)) if isinstance(fitted, Sample) else [np.zeros((_SHOWN, _SHOWN, 1), np.uint8)]
    return _Seen(
        shape=image.shape,
        bits=8 * image.itemsize,
        grey=grey,
        low=int(image.min()),
        high=int(image.max()),
        covered=None if sample.mask is None else float(sample.mask.any(axis=2).mean()),
        label=sample.label or "",
        tile=np.concatenate(parts, axis=1),
    )


def _parts(sample: Sample, intensity: Intensity) -> Iterator[NDArray[np.uint8]]:
    """Source, image and mask, those that there are."""
    image = intensity.picture(sample.image)
    if sample.source is not None:
        yield intensity.picture(sample.source)
    yield image
    if sample.mask is not None:
        drawn = 255 * sample.mask.any(axis=2, keepdims=True).astype(np.uint8)
        yield np.broadcast_to(drawn, image.shape)


def _lines(seen: Sequence[_Seen]) -> Iterator[str]:
    sizes = ["{1}x{0}".format(*one.shape) for one in seen]
    ends = sorted(seen, key=lambda one: one.shape[0] * one.shape[1])
    ranged = " to ".join("{1}x{0}".format(*one.shape) for one in (ends[0], ends[-1]))
    shown = numbered(sizes) if len({*sizes}) <= _FEW else f"{len({*sizes})} sizes, {ranged}"
    yield f"looked at {len(seen)} images: {shown} pixels; {numbered(map(_kind, seen))}"
    yield f"stored values from {min(one.low for one in seen):,} to {max(one.high for one in seen):,}"
    if all(one.grey for one in seen) and any(one.shape[2] == 3 for one in seen):
        yield "colour pictures of which every pixel is grey: they are read as grey (data.channels: 1)"
    covered = [one.covered for one in seen if one.covered is not None]
    if covered:
        yield f"masks cover {100 * median(covered):.1f} % of an image in the middle case"


def _kind(one: _Seen) -> str:
    colours = "colour" if not one.grey else "grey" if one.shape[2] == 1 else "RGB that is grey"
    return f"{colours} of {one.bits} bits"


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


def _picture(seen: Sequence[_Seen], channels: int) -> NDArray[np.uint8]:
    """A row a class, or rows of any."""
    by_label: dict[str, list[NDArray[np.uint8]]] = {}
    for one in seen:
        tile = np.broadcast_to(one.tile, (*one.tile.shape[:2], channels)) if one.tile.shape[2] == 1 else one.tile
        by_label.setdefault(one.label, []).append(tile)
    rows = [tiles for _, tiles in sorted(by_label.items())][:_ROWS]
    shown = list[NDArray[np.uint8]]()
    for row in rows:
        of_row = some(row, _COLUMNS if len(rows) > 1 else _ROWS // 2 * _COLUMNS)
        shown += [*of_row, *[np.zeros_like(of_row[0])] * (-len(of_row) % _COLUMNS)]
    return grid(np.stack(shown), columns=_COLUMNS)
