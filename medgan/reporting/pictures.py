"""Pictures inside the report: strips of drawn and real images, the film of the training; each says what it shows."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from medgan.data.store import Prepared
from medgan.evaluation.generators import ExportedGenerator, drawn_images
from medgan.imaging.arrays import to_uint8
from medgan.imaging.grids import grid
from medgan.runtime import OnnxGenerator

NOTICE = "synthetic; not for diagnosis"
_REAL, _MASKS = "real images; not for diagnosis", "masks of real images; not for diagnosis"
_ACROSS = 6  # images in a strip
_MOST_CLASSES = 12
_LONGEST = 24  # moments in the film
_SMALLEST = 13  # pixels, the height of the letters of a notice
_MILLISECONDS = 500

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """source: a data URI. alt: what is to be seen, for those who cannot see it."""

    source: str
    alt: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True)
class Row:
    """Strips under one title, a class or all images: side by side, or below each other where something was given."""

    title: str
    strips: tuple[Picture, ...]

    @property
    def stacked(self) -> bool:
        return len(self.strips) > 2


def drawn_beside_real(data: Prepared, onnx: Path, *, seed: int) -> tuple[list[Row], int]:
    """A row a class, or one row, of the first dozen classes; and how many classes are not shown.

    Drawn under the conditions of test images by the file that ships; beside them these test images.
    """
    generator = ExportedGenerator(OnnxGenerator(onnx))
    names = data.label_names[:_MOST_CLASSES] if data.labels is not None else ()
    rows = (
        [_row(generator, data, data.splits == "test", "", seed)]
        if not names
        else [
            _row(generator, data, (data.splits == "test") & (data.labels == code), name, seed)
            for code, name in enumerate(names)
        ]
    )
    return [row for row in rows if row is not None], max(0, len(data.label_names) - _MOST_CLASSES)


def _row(generator: ExportedGenerator, data: Prepared, allowed: NDArray[np.bool_], title: str, seed: int) -> Row | None:
    members, count = np.flatnonzero(allowed), _ACROSS if title else 2 * _ACROSS
    if not len(members):
        return None
    # Spread over the data: neighbours in it are often slices of one patient.
    chosen = members[np.unique(np.linspace(0, len(members), count, endpoint=False).astype(int))]
    drawn = to_uint8(drawn_images(generator, data, chosen, seed=seed))
    of = f" of {title}" if title else ""
    given = []
    if "mask" in generator.inputs and data.masks is not None:
        masks = np.repeat(255 * np.asarray(data.masks[chosen])[..., :1], drawn.shape[-1], axis=-1).astype(np.uint8)
        given.append(strip(masks, f"masks{of} that were given", "given: masks", notice=_MASKS))
    if "source" in generator.inputs and data.sources is not None:
        sources = data.intensity.picture(np.asarray(data.sources[chosen]))
        given.append(strip(sources, f"images{of} that were given", "given", notice=_REAL))
    ours = strip(drawn, f"{len(drawn)} drawn images{of}", "drawn", notice=NOTICE)
    theirs = strip(data.pictures(chosen), f"{len(drawn)} real images{of}", "real", notice=_REAL)
    return Row(title, (*given, ours, theirs))


def strip(images: Pixels, alt: str, caption: str, *, notice: str) -> Picture:
    """(N, H, W, C) side by side, six in a line."""
    return _picture(grid(images, columns=min(_ACROSS, len(images))), alt, caption, notice)


def framed(path: Path, alt: str, caption: str, *, notice: str = NOTICE) -> Picture:
    """A picture that a stage has left."""
    with Image.open(path) as image:
        return _picture(np.asarray(image.convert("RGB")), alt, caption, notice)


def film(samples: Mapping[int, Path]) -> Picture | None:
    """The sample grids of a training one after the other, as a moving WebP; None for fewer than two."""
    steps = sorted(samples)
    if len(steps) < 2:
        return None
    shown = [steps[i] for i in np.unique(np.linspace(0, len(steps) - 1, _LONGEST).round().astype(int))]
    frames = [_marked(_pixels(samples[step]), f"step {step:,}: {NOTICE}") for step in shown]
    file = io.BytesIO()
    times = [_MILLISECONDS] * (len(frames) - 1) + [4 * _MILLISECONDS]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=times, loop=0, quality=70)
    alt = f"What it drew of the same noise at {len(shown)} moments, from step {shown[0]:,} to step {shown[-1]:,}"
    return Picture(_uri(file.getvalue(), "image/webp"), alt, alt, *frames[0].size)


def svg(text: bytes, alt: str, caption: str) -> Picture:
    """A drawing of lines; its size comes of the page."""
    return Picture(_uri(text, "image/svg+xml"), alt, caption, 640, 360)


def _pixels(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _picture(pixels: Pixels, alt: str, caption: str, notice: str) -> Picture:
    image = _marked(pixels, notice)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return Picture(_uri(file.getvalue(), "image/png"), alt, caption, *image.size)


def _marked(pixels: Pixels, notice: str) -> Image.Image:
    """With a band below it in which the notice stands, so that it stays with a picture that is saved."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if not notice:
        return image
    letters = max(_SMALLEST, image.width // 45)
    whole = Image.new(
        image.mode, (image.width, image.height + letters + letters // 2), 0 if image.mode == "L" else (0, 0, 0)
    )
    whole.paste(image, (0, 0))
    font: Any = ImageFont.load_default(size=letters)
    ImageDraw.Draw(whole).text(
        (4, image.height + letters // 8), notice, fill=200 if image.mode == "L" else (200, 200, 200), font=font
    )
    return whole


def _uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
