"""Samples of any size, depth and colours, made what a data set asks for: the only place that resamples pixels."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgan.config.data import Fit
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.imaging.intensity import Intensity

_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601), as Pillow weighs 8 bits


def fit(sample: Sample, spec: ImageSpec, intensity: Intensity, how: Fit = "crop") -> Sample | Rejected:
    """Image, source and mask at `spec.size`, never stretched.

    how: crop, the shorter side fitted and the longer one cut at both ends; letterbox, the longer side fitted and the
    shorter one filled with the lowest intensity (0 in masks); pad, the same, but nothing is enlarged: an image and its
    source of two sizes are both shown at the smaller one.
    Image and source are resampled by Lanczos' filter and keep their depth; what lies outside the intensity is clipped
    to it. The mask is resampled by the nearest pixel. Colours become grey, and grey colours, as `spec.channels` says;
    channels that are modalities are left alone. A sample that cannot be fitted is rejected.
    """
    try:
        longest = min(max(array.shape[:2]) for array in (sample.image, sample.source) if array is not None)
        room = min(spec.size, longest) if how == "pad" else spec.size
        into = partial(_fitted, spec=spec, intensity=intensity, crop=how == "crop", room=room, colour=sample.colour)
        image = into(sample.image)
        if image.shape[2] != spec.channels:
            raise ValueError(f"its image has {image.shape[2]} channels and data.channels is {spec.channels}")
        source = None if sample.source is None else into(sample.source)
        if sample.mask is not None and sample.mask.shape[:2] != sample.image.shape[:2]:
            shapes = " and its image ".join("x".join(map(str, a.shape[:2])) for a in (sample.mask, sample.image))
            raise ValueError(f"its mask has {shapes} pixels (height x width); give both one size")
        nearest = partial(_resized, size=spec.size, filter_=Image.Resampling.NEAREST, crop=how == "crop", room=room)
        mask = None if sample.mask is None else nearest(sample.mask, background=0)
    except ValueError as error:
        return Rejected(sample.origin, str(error), sample.label)
    return replace(sample, image=image, source=source, mask=mask)


def exceeds(sample: Sample, intensity: Intensity) -> bool:
    """Say whether a pixel of image or source lies outside the intensity."""
    arrays = (array for array in (sample.image, sample.source) if array is not None)
    low, high = intensity.bounds
    return any(array.min() < low or array.max() > high for array in arrays)


def lost(sample: Sample, size: int) -> float:
    """Share of the image's longer side that cropping takes; 0 where it is less than a pixel of the result."""
    height, width = sample.image.shape[:2]
    share = 1 - min(height, width) / max(height, width)
    return share if share * size >= 1 else 0.0


def square_pixels(array: NDArray[Any], height: float) -> NDArray[Any]:
    """(H, W, C) uint8 or uint16 whose pixels are `height` times as high as wide, resampled to squares.

    The side with the larger pixels gains some, so that nothing is lost.
    """
    rows, columns = array.shape[:2]
    shown = (columns, round(rows * height)) if height > 1 else (round(columns / height), rows)
    return _resampled(array, shown, Image.Resampling.LANCZOS, (0, 0, columns, rows))


def _fitted(
    array: NDArray[Any], *, spec: ImageSpec, intensity: Intensity, crop: bool, room: int, colour: bool
) -> NDArray[Any]:
    if array.ndim != 3 or array.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"its pixels are {array.dtype} {array.shape}, not uint8 or uint16 (height, width, channels)")
    if colour and (array.shape[2], spec.channels) == (3, 1):
        array = _grey(array)
    elif colour and (array.shape[2], spec.channels) == (1, 3):
        array = array.repeat(3, axis=2)
    low, high = intensity.bounds
    lowest, highest = max(0, np.ceil(low)), min(np.iinfo(array.dtype).max, np.floor(high))
    lanczos = Image.Resampling.LANCZOS
    resized = _resized(array, size=spec.size, filter_=lanczos, crop=crop, room=room, background=int(lowest))
    if resized.min() < lowest or resized.max() > highest:
        resized = resized.clip(int(lowest), int(highest))
    return resized


def _grey(array: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 3) to (H, W, 1)."""
    if array.dtype == np.uint8:
        return np.asarray(Image.fromarray(array).convert("L"))[..., None]
    grey: NDArray[Any] = np.rint(array @ np.array(_LUMINANCE)).astype(array.dtype)
    return grey[..., None]


def _resized(
    array: NDArray[Any], *, size: int, filter_: Image.Resampling, crop: bool, room: int, background: int
) -> NDArray[Any]:
    """(H, W, C) uint8 or uint16 to (size, size, C). room: pixels of it that the side which is fitted takes."""
    height, width = array.shape[:2]
    if height == width == size == room:
        return array
    side = min(height, width) if crop else max(height, width)
    shown_width, shown_height = (max(1, round(min(length, side) * room / side)) for length in (width, height))
    shown = shown_width, shown_height
    left, top = max(0, (width - side) // 2), max(0, (height - side) // 2)
    box = (left, top, left + min(side, width), top + min(side, height))
    fitted = _resampled(array, shown, filter_, box)
    if shown == (size, size):
        return fitted
    whole = np.full((size, size, array.shape[2]), background, array.dtype)
    column, row = ((size - length) // 2 for length in shown)
    whole[row : row + shown[1], column : column + shown[0]] = fitted
    return whole


def _resampled(
    array: NDArray[Any], shown: tuple[int, int], filter_: Image.Resampling, box: tuple[int, int, int, int]
) -> NDArray[Any]:
    """The box (left, top, right, bottom) of an array (H, W, C), made (width, height) `shown`."""
    planes = []
    for plane in array.transpose(2, 0, 1):
        # Pillow resamples 16 bits as floats only, which hold them exactly.
        exact = np.ascontiguousarray(plane, np.uint8 if array.dtype == np.uint8 else np.float32)
        resized = np.asarray(Image.fromarray(exact).resize(shown, filter_, box=box))
        planes.append(resized if array.dtype == np.uint8 else np.rint(resized).clip(0, 65535).astype(np.uint16))
    return np.stack(planes, axis=2)
