"""Source `phantom`: numerical heads with lesions (Shepp & Logan 1974), imaged by spin echo (Hahn 1950).

Signal = PD (1 - exp(-TR / T1)) exp(-TE / T2); tissues mix by partial volume; magnitude images carry Rician noise
(Gudbjartsson & Patz 1995). Patient i depends on (seed, i) alone: not on the count, nor on the patients before it.
"""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from medgan.config.checking import STRICT, nearest
from medgan.config.trees import read_yaml
from medgan.data.spec import Direction, ImageSpec, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, Intensity
from medgan.seeds import numpy_generator
from medgan.sources.phantom.anatomy import BANDS, WAVES, Array, Draws, Slices, healthy_head, paint
from medgan.sources.phantom.lesions import LESIONS

HEALTHY_TISSUES = ("scalp", "skull", "csf", "grey", "white", "deep_grey", "ventricle")
LESION_TISSUES = (
    *("tumour", "necrosis", "oedema", "plaque", "infarct", "blood", "haemosiderin"),
    *("cyst", "metastasis", "pus", "capsule", "meningioma"),
)
BRIGHTEST = 235  # of 255: level of the strongest signal in the table; noise and coil bias may add to it
_CEILING = 100 * 255 / BRIGHTEST  # the highest level, in % of the strongest signal
TWELVE_BITS = Intensity(0, _CEILING, "%", slope=_CEILING / 4095)


@dataclass(frozen=True, config=STRICT)
class Phantom:
    """Options of the source; `samples` yields `count` labelled images with masks, `slices` to a patient.

    lesions: classes, dealt in turn to the patients; a name given twice comes twice as often.
    modalities: one is a channel of the image. source_modalities: those of the paired source image, of the same slice.
    noise: standard deviation of the Rician noise as a share of the strongest signal.
    bits: of a pixel. With 12, as MR scanners store, values are in % of the strongest signal; the same range in 8 has
    fewer levels and no unit.
    """

    nameless: ClassVar[bool] = True

    count: Annotated[int, Field(ge=1, le=10_000_000)] = 6000
    slices: Annotated[int, Field(ge=1, le=64)] = 4
    lesions: Annotated[tuple[str, ...], Field(min_length=1)] = ("healthy", "tumour", "plaques", "infarct")
    modalities: Annotated[tuple[str, ...], Field(min_length=1)] = ("T2w",)
    source_modalities: tuple[str, ...] = ()
    noise: Annotated[float, Field(ge=0, le=0.5)] = 0.015
    bits: Literal[8, 12] = 8
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        for name in self.lesions:
            if name not in LESIONS:
                raise MedganError(f"data.options.lesions: unknown lesion '{name}'{nearest(name, list(LESIONS))}")

    @property
    def intensity(self) -> Intensity:
        return TWELVE_BITS if self.bits == 12 else EIGHT_BITS

    @property
    def direction(self) -> Direction | None:
        source, image = "+".join(self.source_modalities), "+".join(self.modalities)
        return Direction(source, image) if source else None

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Sample | Rejected]:
        """Images (size, size, channels) of the tissue table `raw`, each modality on its own fixed scale.

        Raises MedganError at once if the table is wrong or the modalities do not fit the spec.
        """
        if len(self.modalities) != spec.channels:
            raise MedganError(
                f"data.channels is {spec.channels} but data.options.modalities has {len(self.modalities)}"
                f" ({', '.join(self.modalities)}); name one modality a channel"
            )
        signals = read_signals(raw, (*self.modalities, *self.source_modalities))
        return self._samples(signals, spec.size)

    def _samples(self, signals: dict[str, Array], size: int) -> Iterator[Sample]:
        # Small pictures are drawn at twice their size, because a sulcus is thinner than their pixels.
        factor = 2 if size <= 64 else 1
        patients = -(-self.count // self.slices)
        # A chunk of about a megabyte an array stays in the cache; its length changes no byte of the result.
        chunk = max(1, 2**18 // (self.slices * (size * factor) ** 2))
        split = len(self.modalities)
        for first in range(0, patients, chunk):
            images, masks = self._chunk(range(first, min(first + chunk, patients)), signals, size, factor)
            for row in range(min(len(images), self.count - first * self.slices)):
                index, cut = divmod(first * self.slices + row, self.slices)
                image = images[row, :, :, :split].copy()
                yield Sample(
                    image=image,
                    patient=f"p{index:05d}",
                    origin=f"phantom/p{index:05d}/slice-{cut}",
                    digest=hashlib.sha256(image.tobytes()).hexdigest(),
                    label=self._label(index),
                    source=images[row, :, :, split:].copy() if self.source_modalities else None,
                    mask=masks[row],
                    colour=False,
                )

    def _label(self, index: int) -> str:
        return self.lesions[index % len(self.lesions)]

    def _chunk(
        self, indices: range, signals: dict[str, Array], size: int, factor: int
    ) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], NDArray[np.uint8]]:
        """Images (n, size, size, all modalities) and masks (n, size, size, 1) of these patients' slices."""
        channels = len(self.modalities) + len(self.source_modalities)
        noise = np.empty((len(indices), self.slices, 2, channels, size, size), np.float32)
        anatomy, lesion, coefficients = [], [], []
        for row, index in enumerate(indices):
            generator = numpy_generator(self.seed, "phantom", index)
            anatomy.append(generator.random(24))
            lesion.append(generator.random(48))
            coefficients.append(generator.standard_normal((2, len(BANDS), WAVES, WAVES)))
            # Drawn last, so that a patient has the same head at every size.
            generator.standard_normal(dtype=np.float32, out=noise[row])
        levels = np.linspace(-1, 1, self.slices) if self.slices > 1 else np.zeros(1)
        # One random field turns into another on the way up: neighbouring slices look alike.
        turns = np.stack([np.cos(0.5 * levels), np.sin(0.5 * levels)])
        mixed = np.einsum("ts,ptfab->psfab", turns, np.stack(coefficients)).reshape(-1, len(BANDS), WAVES, WAVES)
        slices = Slices(
            np.repeat(np.array(anatomy, np.float32), self.slices, 0),
            np.repeat(np.array(lesion, np.float32), self.slices, 0),
            np.tile(levels.astype(np.float32), len(indices))[:, None, None],
            mixed,
        )
        labels = np.repeat([self._label(index) for index in indices], self.slices)
        clean, coverage = _draw(slices, labels, signals, size * factor)
        clean, coverage = _pool(clean, factor), _pool(coverage, factor)
        real, imaginary = (noise * np.float32(self.noise)).reshape(-1, 2, channels, size, size).swapaxes(0, 1)
        most, dtype = self.intensity.levels - 1, np.uint8 if self.bits == 8 else np.uint16
        magnitude = np.hypot(clean + real, imaginary) * (BRIGHTEST * most / 255)
        images = np.clip(np.rint(magnitude), 0, most).astype(dtype).transpose(0, 2, 3, 1)
        # A lesion smaller than a pixel still gets the pixel that it covers most.
        threshold = np.minimum(0.5, 0.8 * coverage.max((1, 2), keepdims=True))
        return images, (coverage > threshold)[..., None].astype(np.uint8)


def _draw(slices: Slices, labels: NDArray[np.str_], signals: dict[str, Array], grid: int) -> tuple[Array, Array]:
    """Noiseless signal (n, modalities, grid, grid) and how much of each point a lesion covers (n, grid, grid)."""
    image, brain = healthy_head(slices, signals, grid)
    coverage = np.zeros_like(brain.x)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        part, covered = image[rows], coverage[rows]
        for tissue, membership in LESIONS[str(label)](brain.take(rows), Draws(slices.lesion[rows])):
            paint(part, signals[tissue], membership)
            np.maximum(covered, membership, out=covered)
        image[rows], coverage[rows] = part, covered
    image *= (1 + 0.05 * brain.bias)[:, None]
    return image, coverage


def _pool(image: Array, factor: int) -> Array:
    """Mean of factor x factor points of the last two axes: what a pixel measures."""
    *outer, height, width = image.shape
    blocks = image.reshape(*outer, height // factor, factor, width // factor, factor)
    # Term by term: a reduction over two short axes is several times slower.
    terms = [blocks[..., row, :, column] for row in range(factor) for column in range(factor)]
    return sum(terms[1:], start=terms[0]) * (1 / factor**2)


def read_signals(path: Path, modalities: tuple[str, ...]) -> dict[str, Array]:
    """Signal (modalities,) of every tissue, 1 for the strongest tissue of the table in that modality.

    Raises MedganError that names the file and the key.
    """
    table = read_yaml(path)
    names = (*HEALTHY_TISSUES, *LESION_TISSUES)
    tissues = [_numbers(path, table, "tissues", name, ("pd", "t1", "t2")) for name in names]
    columns = []
    for modality in modalities:
        tr, te = _numbers(path, table, "modalities", modality, ("tr", "te"))
        column = np.array([pd * (1 - math.exp(-tr / t1)) * math.exp(-te / t2) for pd, t1, t2 in tissues])
        columns.append((column / column.max()).astype(np.float32))
    signals: dict[str, Array] = dict(zip(names, np.stack(columns, axis=1), strict=True))
    contrast = _positive(path, "lesion_contrast", table.get("lesion_contrast", 1.0))
    for name in LESION_TISSUES:
        signals[name] = np.clip(signals["white"] + contrast * (signals[name] - signals["white"]), 0, 1)
    return signals


def _numbers(path: Path, table: dict[str, Any], section: str, name: str, keys: tuple[str, ...]) -> list[float]:
    entries = table.get(section)
    if not isinstance(entries, dict):
        raise MedganError(f"{path}: section '{section}' is missing; restore it from git")
    if not isinstance(entries.get(name), dict):
        choices = nearest(name, [str(key) for key in entries])
        raise MedganError(f"{path}: {section}.{name} is missing; give it {', '.join(keys)}{choices}")
    return [_positive(path, f"{section}.{name}.{key}", entries[name].get(key)) for key in keys]


def _positive(path: Path, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise MedganError(f"{path}: {key} is {value!r}; give a number above 0")
    return float(value)
