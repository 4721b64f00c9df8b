"""Files in, files out, for exported models that translate images."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgan.errors import MedganError
from medgan.imaging.files import JPEG, NIFTI, SUFFIXES, is_kind, plane_of, read_array, write_array
from medgan.imaging.intensity import EIGHT_BITS, SIXTEEN_BITS, Intensity
from medgan.runtime.generator import OnnxGenerator

_ROUNDING = 1e-5  # what the runtime grants


@dataclass(frozen=True)
class Source:
    """A file as a model takes it, and what it takes to write the image that comes of it.

    images: (N, C, H, W) float32 in [-1, 1], at the file's own size.
    shape, dtype: of the array to write; its values low and high mean -1 and 1.
    held: the least and the greatest of the file's values; clipped: the share of them outside low..high.
    """

    images: NDArray[np.float32]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    low: float
    high: float
    held: tuple[float, float]
    clipped: float

    def restored(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Images (N, C, H, W) in [-1, 1] in the file's shape, dtype and range."""
        unit = (images.transpose(0, 2, 3, 1).astype(np.float64) + 1) / 2
        values = np.clip(self.low + unit * (self.high - self.low), self.low, self.high)
        return (values if self.dtype.kind == "f" else np.rint(values)).astype(self.dtype).reshape(self.shape)


def translate_files(
    generator: OnnxGenerator,
    paths: Sequence[Path],
    out: Path,
    *,
    value_range: tuple[float, float] | None = None,
    force: bool = False,
) -> Iterator[str]:
    """Write the image of each file into the folder `out`, under the file's name, and yield a line on each.

    JPEG, which is lossy, becomes PNG and NIfTI becomes float32; other files keep their type. Values of NIfTI are
    those of the window that the model was trained on, where there was one. Images of another size than the model's are
    resized to it, and what it makes of them is resized back.
    Raises MedganError, with nothing written, for files that `read_source` refuses, for an `out` that is a file or an
    input's own folder, for files that are there already unless `force` is given (they may be real images), and for
    models that do not translate.
    """
    generator.translate(np.empty((0, *generator.inputs.get("source", ())), np.float32))  # refuses other models
    channels, *size = generator.inputs["source"]
    if generator.image_shape[0] != channels:
        raise MedganError(
            f"this model turns {channels} channels into {generator.image_shape[0]}, for which a file of the same kind "
            "has no room; use OnnxGenerator.translate"
        )
    try:
        targets = _targets(paths, out, force=force)
    except OSError as error:
        raise MedganError(f"{error.filename} cannot be looked at: {error.strerror}; choose another place") from None
    window = None if generator.intensity in (EIGHT_BITS, SIXTEEN_BITS) else generator.intensity
    ranges = [_range_of(path, value_range, window) for path in paths]
    for path, limits in zip(paths, ranges, strict=True):  # all before any is written, and again then: one in memory
        read_source(path, channels, limits)
    for path, limits, target in zip(paths, ranges, targets, strict=True):
        source = read_source(path, channels, limits)
        _, _, *own = source.images.shape
        write_array(target, source.restored(_resized(generator.translate(_resized(source.images, size)), own)), path)
        kind = f"{plane_of(path)} image".lstrip() + "s" * (len(source.images) > 1)
        line = f"{target}: {len(source.images)} {kind} of {own[0]}x{own[1]}"
        if own != size:
            line += f", resized to {size[0]}x{size[1]} and back"
        if value_range is None:
            line += _taken(path, source, window)
        if source.clipped:
            line += f", {100 * source.clipped:.2g} % of the values clipped to {source.low:g}..{source.high:g}"
        yield line


def read_source(path: Path, channels: int, value_range: tuple[float, float] | None = None) -> Source:
    """A picture (grey of 8 or 16 bits, RGB of 8), .npy or NIfTI for a model that takes so many channels.

    .npy: (H, W), (H, W, C) or (N, H, W, C), or for a model of one channel (N, H, W); a last axis of length 1 is C.
    NIfTI: (H, W) or (H, W, N), axes as they are stored: no orientation is applied.
    value_range: the raw values that mean -1 and 1; others are clipped. Without it these are 0 and the greatest of
    unsigned integers of 8 and 16 bits, the minimum and maximum of a NIfTI file, and -1 and 1 of other floats.
    Raises MedganError for other files, images that are not square, and values that are not finite or not in range.
    """
    raw = read_array(path, channels)
    shape = _four_axes(path, raw.shape, channels)
    if raw.dtype.kind not in "iuf":
        raise MedganError(f"{path} holds {raw.dtype} values; save it as integers of 8 or 16 bits, or as floats")
    if bad := raw.size - int(np.isfinite(raw).sum()):
        raise MedganError(f"{path} holds {bad} values that are NaN or infinite; replace them, as numpy.nan_to_num does")
    dtype = np.dtype(np.float32) if is_kind(path, NIFTI) else raw.dtype
    low, high = value_range or _own_range(path, raw)
    limits: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    if not (low < high and math.isfinite(high - low) and limits.min <= low and high <= limits.max):
        raise MedganError(f"--range {low:g} {high:g}: {path} takes two {dtype} values, the lower one first")
    values = (raw.reshape(shape).transpose(0, 3, 1, 2).astype(np.float64) - low) * (2 / (high - low)) - 1
    clipped = float((np.abs(values) > 1 + _ROUNDING).mean())
    held = float(raw.min()), float(raw.max())
    return Source(np.clip(values, -1, 1).astype(np.float32), raw.shape, dtype, low, high, held, clipped)


def _range_of(path: Path, given: tuple[float, float] | None, window: Intensity | None) -> tuple[float, float] | None:
    """The values that mean -1 and 1, None where the file is to say it. window: of the data of the model."""
    if given is None and window and is_kind(path, NIFTI):  # no other file has values in a unit
        return window.low, window.high
    return given


def _taken(path: Path, source: Source, window: Intensity | None) -> str:
    """Which values were taken as -1 and 1 without --range, where people may want to know."""
    ends, volume = f"{source.low:g} and {source.high:g}", is_kind(path, NIFTI)
    if volume and window is None:
        return f", the file's minimum {source.low:g} and maximum {source.high:g} taken as -1 and 1"
    unit = f" {window.unit}".rstrip() if volume and window else ""
    taken = f", {ends}{unit} taken as -1 and 1"
    if 2 * (source.held[1] - source.held[0]) <= source.high - source.low:
        held = f"{source.held[0]:g} to {source.held[1]:g}"
        return f"{taken} though it holds {held}: give --range LOW HIGH if that is not what its values mean"
    return taken if volume else ""


def _four_axes(path: Path, shape: tuple[int, ...], channels: int) -> tuple[int, ...]:
    """(N, H, W, C) for an array that `read_source` takes."""
    if is_kind(path, NIFTI):  # (N, H, W), where W may be 1
        if channels != 1:
            raise MedganError(
                f"{path} holds one channel and this model takes {channels}; give it .npy (H, W, {channels})"
            )
        four = (*shape, 1)
    elif len(shape) == 2:
        four = (1, *shape, 1)
    elif len(shape) == 3:
        four = (1, *shape) if shape[-1] == channels else (*shape, 1)
    else:
        four = shape
    if len(four) != 4 or 0 in four or four[-1] != channels:
        choices = "(H, W), (H, W, 1), (N, H, W) or (N, H, W, 1)" if channels == 1 else "(H, W, {0}) or (N, H, W, {0})"
        raise MedganError(f"{path} has shape {shape}; this model takes {choices.format(channels)}")
    if four[1] != four[2]:
        raise MedganError(f"{path}: {four[1]}x{four[2]} pixels are no square; crop or pad it to one")
    return four


def _own_range(path: Path, raw: NDArray[Any]) -> tuple[float, float]:
    """The values that mean -1 and 1 where --range says nothing."""
    least, most = float(raw.min()), float(raw.max())
    if is_kind(path, NIFTI):
        low, high, known = least, most, least < most
    elif raw.dtype.kind == "f":
        low, high, known = -1.0, 1.0, True
    else:
        # Signed ones of 16 bits hold MR or Hounsfield units, which use a small part of them.
        low, high, known = 0.0, float(np.iinfo(raw.dtype).max), raw.dtype.kind == "u" and raw.dtype.itemsize <= 2
    if not (known and low - _ROUNDING <= least and most <= high + _ROUNDING):
        raise MedganError(
            f"{path} holds {raw.dtype} values from {least:g} to {most:g}, and nothing says which values mean -1 and 1; "
            "give --range LOW HIGH"
        )
    return low, high


def _targets(paths: Sequence[Path], out: Path, *, force: bool) -> list[Path]:
    """The file that each input becomes. Raises MedganError where one would replace an input, another or an old one."""
    nearest = next(path for path in (out, *out.parents) if path.exists())
    if not nearest.is_dir():
        raise MedganError(f"--out {out}: {nearest} is a file; name a folder")
    origins: dict[Path, Path] = {}
    for path in paths:
        if not path.is_file() or not is_kind(path, SUFFIXES):
            problem = "is of an unknown kind" if path.is_file() else "is not a file"
            raise MedganError(f"{path} {problem}; choices: {', '.join(SUFFIXES)}")
        if out.exists() and any(out.samefile(folder) for folder in (path.parent, path.resolve().parent)):
            raise MedganError(f"--out {out} is the folder of {path}, and no input is overwritten; name another folder")
        target = out / (f"{path.stem}.png" if is_kind(path, JPEG) else path.name)
        if target in origins:
            raise MedganError(f"{origins[target]} and {path} would both become {target}; rename one of them")
        if os.path.lexists(target) and not force:
            raise MedganError(f"{target} is there already; name another --out, or replace it with --force")
        origins[target] = path
    return list(origins)


def _resized(images: NDArray[np.float32], size: Sequence[int]) -> NDArray[np.float32]:
    """(N, C, *size) in [-1, 1], smoothed where they shrink."""
    n, channels, *own = images.shape
    if own == [*size]:
        return images
    planes = [Image.fromarray(plane) for plane in images.reshape(-1, *own)]
    done = np.stack([np.asarray(plane.resize((size[1], size[0]), Image.Resampling.LANCZOS)) for plane in planes])
    return np.asarray(np.clip(done.reshape(n, channels, *size), -1, 1), np.float32)
