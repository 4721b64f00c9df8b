"""What a picture of a whole generator shows: samples, every class of one z, the way from one z to another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgan.errors import MedganError
from medgan.runtime.generator import OnnxGenerator

Sheet = tuple[NDArray[np.float32], NDArray[np.int64] | None, int]  # z, labels, columns


def samples(
    generator: OnnxGenerator, rows: int, columns: int, *, seed: int, label: str | None, truncation: float | None
) -> Sheet:
    """Show the classes in turn, or one."""
    z = generator.latents(rows * columns, seed=seed, truncation=truncation)
    return z, generator.codes(len(z), label), columns


def classes(
    generator: OnnxGenerator, rows: int, _columns: int, *, seed: int, label: str | None, truncation: float | None
) -> Sheet:
    """One z a row, one class a column. Raises MedganError where there are no classes, or one is asked for."""
    if not generator.conditional:
        raise MedganError("this generator is unconditional: it has no classes to show")
    if label is not None:
        raise MedganError(f"every class is shown; leave out the label '{label}'")
    columns = len(generator.label_names)
    z = generator.latents(rows, seed=seed, truncation=truncation).repeat(columns, axis=0)
    return z, np.tile(np.arange(columns), rows), columns


def path(
    generator: OnnxGenerator, rows: int, columns: int, *, seed: int, label: str | None, truncation: float | None
) -> Sheet:
    """Go from one z to another in each row, in one class a row."""
    ends = generator.latents(2 * rows, seed=seed, truncation=truncation)
    z = np.concatenate([between(ends[2 * row], ends[2 * row + 1], columns) for row in range(rows)])
    codes = generator.codes(rows, label)
    return z, None if codes is None else codes.repeat(columns), columns


def between(first: NDArray[np.float32], last: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """(steps, latent_dim) from one z (latent_dim,) to another along a great circle (White 2016).

    A straight line would pass near the origin, where normal z hardly ever lie.
    """
    share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    cosine = first @ last / (np.linalg.norm(first) * np.linalg.norm(last))
    angle = np.arccos(np.clip(cosine, -1, 1))
    way: NDArray[Any] = (1 - share) * first + share * last
    if np.sin(angle) > 1e-4:
        way = (np.sin((1 - share) * angle) * first + np.sin(share * angle) * last) / np.sin(angle)
    return way.astype(np.float32)


SHEETS = {"samples": samples, "classes": classes, "path": path}
