"""The healthy part of the numerical head: nested signed distances under a smooth random deformation.

After the ellipses of Shepp & Logan (1974); the folds of the cortex are zero lines of band-limited noise.
Lengths are in half widths of the picture: x runs from left to right and y from front to back, both in [-1, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]  # float32 in fact: numpy's stubs widen float32 * float

WAVES = 14  # cosines a side of the random fields
BANDS = ((1, 3), (1, 3), (8, 13), (3, 7), (1, 2.3))  # lowest and highest order of each random field
FOLDS = 2  # the field whose zero lines are sulci


class Draws:
    """Uniform numbers (n, P), one row an image, handed out a column at a time: the order of calls is the meaning."""

    def __init__(self, uniform: Array) -> None:
        self._columns = iter(uniform.T)

    def between(self, low: float, high: float) -> Array:
        """(n, 1, 1), uniform in [low, high]."""
        column: Array = next(self._columns)[:, None, None]
        return column * (high - low) + low

    def sign(self) -> Array:
        """(n, 1, 1), -1 or 1."""
        return np.where(self.between(-1, 1) < 0, np.float32(-1), np.float32(1))


@dataclass(frozen=True)
class Slices:
    """The random numbers of n slices; those of one patient share all but level and coefficients.

    anatomy, lesion: uniform (n, P). level: height in the head, (n, 1, 1) in [-1, 1].
    coefficients: of the smooth fields, standard normal (n, len(BANDS), WAVES, WAVES).
    """

    anatomy: Array
    lesion: Array
    level: Array
    coefficients: NDArray[np.float64]


@dataclass(frozen=True)
class Brain:
    """n slices, arrays (n, S, S): where each point lies in its head.

    depth: distance under the brain's surface, negative outside. ribbon: distance to the nearest fluid of surface,
    sulcus or fissure. texture: smooth unit noise, for ragged edges. bias: smooth unit noise, for the coil.
    scale: (n, 1, 1) size of a lesion's cross-section in this slice. edge: width over which a border fades.
    """

    edge: float
    x: Array
    y: Array
    depth: Array
    ribbon: Array
    texture: Array
    bias: Array
    scale: Array

    def take(self, rows: NDArray[np.intp]) -> "Brain":
        arrays = (self.x, self.y, self.depth, self.ribbon, self.texture, self.bias, self.scale)
        return Brain(self.edge, *(array[rows] for array in arrays))

    def inside(self, distance: Array) -> Array:
        """Membership in [0, 1] of a signed distance, positive inside: half on the border."""
        membership: Array = np.clip(distance * (1 / self.edge) + 0.5, 0, 1)
        return membership

    def radius(self, x: Array, y: Array) -> Array:
        """Distance to a point."""
        distance: Array = np.hypot(self.x - x, self.y - y)
        return distance


def paint(image: Array, signal: Array, membership: Array) -> None:
    """Cover what is there: image (n, M, S, S) in place, signal (M,), membership (n, S, S)."""
    for channel, value in enumerate(signal):
        image[:, channel] += membership * (value - image[:, channel])


def healthy_head(slices: Slices, signals: dict[str, Array], grid: int) -> tuple[Array, Brain]:
    """Noiseless signal (n, M, grid, grid) without lesions, and where its points lie."""
    draws, level, fields = Draws(slices.anatomy), slices.level, _fields(slices.coefficients, grid)
    x, y, skin = _skin(draws, level, fields, grid)
    bone = skin - draws.between(0.045, 0.06)
    fluid = bone - draws.between(0.05, 0.065)
    depth = fluid - draws.between(0.025, 0.045)
    ribbon = _ribbon(draws, x, y, depth, level=level, folds=fields[FOLDS])
    brain = Brain(2.5 / grid, x, y, depth, ribbon, fields[3], fields[4], np.sqrt(1 - 0.35 * level**2))
    image = np.zeros((len(x), len(signals["white"]), grid, grid), np.float32)
    paint(image, signals["scalp"], brain.inside(skin))
    paint(image, signals["skull"], brain.inside(bone))
    paint(image, signals["csf"], brain.inside(fluid))
    paint(image, signals["grey"], brain.inside(ribbon))
    paint(image, signals["white"], brain.inside(ribbon - draws.between(0.065, 0.08)))
    # Deep structures lie in the middle: looking for them elsewhere would triple their cost.
    middle = slice(grid // 5, grid - grid // 5)
    nuclei, ventricles = _deep(draws, level, x[:, middle, middle], y[:, middle, middle])
    paint(image[:, :, middle, middle], signals["deep_grey"], brain.inside(nuclei))
    paint(image[:, :, middle, middle], signals["ventricle"], brain.inside(ventricles))
    return image, brain


def _fields(coefficients: NDArray[np.float64], grid: int) -> Sequence[Array]:
    """Smooth random (n, grid, grid): two to bend the head, the distance to folds, lesion texture, coil bias.

    All but the distance have unit variance. Computed in double precision, so that the order in which a BLAS adds does
    not reach the pixels.
    """
    orders = np.arange(WAVES)
    angles = (np.pi * (np.arange(grid) + 0.5) / grid)[:, None] * orders
    basis, slope = np.cos(angles), -np.sin(angles) * orders * (np.pi / 2)
    order = np.hypot(orders[:, None], orders)
    variance = np.where(orders > 0, 0.5, 1)
    fields = []
    for index, (low, high) in enumerate(BANDS):
        band = ((order >= low) & (order <= high)).astype(np.float64)
        band /= np.sqrt((band * variance * variance[:, None]).sum())
        weights = coefficients[:, index] * band
        field = basis @ weights @ basis.T
        if index == FOLDS:
            # Noise over its slope is about the distance to its zero line; the constant tames flat spots.
            down, across = slope @ weights @ basis.T, basis @ weights @ slope.T
            field /= np.sqrt(down * down + across * across + 0.25 * (np.pi / 2 * high) ** 2)
        fields.append(field.astype(np.float32))
    return fields


def _skin(draws: Draws, level: Array, fields: Sequence[Array], grid: int) -> tuple[Array, Array, Array]:
    """Bent coordinates x, y of each point in its head, and its distance under the skin, negative outside."""
    axis = ((np.arange(grid) + 0.5) * 2 / grid - 1).astype(np.float32)
    turn = draws.between(-0.08, 0.08)
    across = axis[None, None, :] + draws.between(-0.025, 0.025)
    down = axis[None, :, None] + draws.between(-0.025, 0.025)
    x = across * np.cos(turn) + down * np.sin(turn) + 0.014 * fields[0]
    y = down * np.cos(turn) - across * np.sin(turn) + 0.014 * fields[1]
    shrink = 1 - 0.05 * (level + 0.3) ** 2
    width, length = draws.between(0.70, 0.77) * shrink, draws.between(0.86, 0.92) * shrink
    # Skulls are broader behind, so the half-width grows with y.
    radius = np.hypot(x / (width + 0.05 * y), y / length)
    return x, y, (1 - radius) * (0.5 * (width + length))


def _ribbon(draws: Draws, x: Array, y: Array, depth: Array, *, level: Array, folds: Array) -> Array:
    """Distance to the nearest fluid: the surface, a sulcus that reaches in from it, or the midline fissure."""
    reach = draws.between(0.1, 0.15)
    sulcus = np.hypot(folds, np.maximum(depth - reach, 0)) - draws.between(0.006, 0.012)
    beyond = np.maximum(0.42 - 0.08 * level - np.abs(y + 0.03), 0)
    fissure = np.hypot(x, beyond) - draws.between(0.008, 0.014)
    nearest: Array = np.minimum(np.minimum(depth, sulcus), fissure)
    return nearest


def _deep(draws: Draws, level: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Signed distances of the deep grey nuclei and of the ventricles, positive inside."""
    side = np.abs(x)
    size = draws.between(0.85, 1.15) * (1 - 0.12 * level)
    thalamus = 0.085 * size - np.hypot(side - 0.11, (y - 0.08) * 0.7)
    putamen = 0.06 * size - np.hypot(side - 0.27, (y + 0.04) * 0.42)
    caudate = 0.05 * size - np.hypot(side - 0.15, (y + 0.2) * 0.6)
    wide = draws.between(0.8, 1.3) * (1 - 0.15 * level**2)
    front = 0.042 * wide - _horn(side, y, (0.045, -0.01), (0.13, -0.30), bow=0.03)
    back = 0.042 * wide - _horn(side, y, (0.075, 0.11), (0.20, 0.36), bow=-0.035)
    third = np.minimum(0.016 * wide - side, 0.11 - np.abs(y - 0.06))
    nuclei = np.maximum(np.maximum(thalamus, putamen), caudate)
    return nuclei, np.maximum(np.maximum(front, back), third)


def _horn(x: Array, y: Array, start: tuple[float, float], end: tuple[float, float], *, bow: float) -> Array:
    """Distance to an arc that bends sideways by `bow` in its middle; larger near its end, so that a tube tapers."""
    u, v = end[0] - start[0], end[1] - start[1]
    x, y = x - start[0], y - start[1]
    share = np.clip((x * u + y * v) * (1 / (u * u + v * v)), 0, 1)
    distance: Array = np.hypot(x - share * u + 4 * bow * share * (1 - share), y - share * v)
    return distance + 0.014 * share
