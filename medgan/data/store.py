"""The prepared format: one memory-mapped array, an index table and spec.json; read by all stages after `prepare`."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgan.data.spec import SPARE, SPLITS, Direction, ImageSpec
from medgan.errors import MedganError


@dataclass(frozen=True)
class Prepared:
    """A prepared data set, arrays memory-mapped.

    images (N, H, W, C) uint8 or uint16; labels (N,) int64 into `label_names`, or None; splits (N,) of names;
    value_range: raw values that map to -1 and 1; direction: what the sources are translated into, None without sources;
    md5: of every prepared byte and the index.
    """

    spec: ImageSpec
    images: NDArray[Any]
    sources: NDArray[Any] | None
    masks: NDArray[np.uint8] | None
    labels: NDArray[np.int64] | None
    label_names: tuple[str, ...]
    patients: NDArray[np.str_]
    splits: NDArray[np.str_]
    value_range: tuple[float, float]
    direction: Direction | None
    md5: str

    @property
    def levels(self) -> int:
        """Of intensity that raw values can have: 256 of 8 bits, 65,536 of 16."""
        low, high = self.value_range
        return round(high - low) + 1

    def opposite(self) -> "Prepared":
        """Images as sources and sources as images. Raises MedganError where there are none."""
        if self.sources is None:
            raise MedganError("these data have no source images: there is nothing to translate back from")
        spec = replace(self.spec, channels=self.spec.source_channels, source_channels=self.spec.channels)
        direction = self.direction and self.direction.opposite
        return replace(self, spec=spec, images=self.sources, sources=self.images, direction=direction)

    def only(self, spec: ImageSpec) -> "Prepared":
        """Without the labels, masks and sources at which networks of this spec do not look."""
        return replace(
            self,
            labels=self.labels if spec.classes else None,
            masks=self.masks if spec.mask_channels else None,
            sources=self.sources if spec.source_channels else None,
        )

    def indices(self, split: str) -> NDArray[np.int64]:
        return np.flatnonzero(self.splits == split)

    def pictures(self, indices: NDArray[np.int64] | Sequence[int]) -> NDArray[np.uint8]:
        """Images (n, H, W, C) in 8 bits, whatever they are stored in: for judges and people."""
        images = np.asarray(self.images[indices])
        if images.dtype == np.uint8:
            return images
        low, high = self.value_range
        return np.rint((images - low) / (high - low) * 255).astype(np.uint8)

    def mean(self) -> NDArray[np.float32]:
        """The mean of `learnable` images, (C, H, W) in [-1, 1]."""
        low, high = self.value_range
        total = np.zeros(self.images.shape[1:], np.float64)
        for index in self.learnable():
            total += self.images[index]
        unit = (total / len(self.learnable()) - low) / (high - low)
        return (2 * unit - 1).astype(np.float32).transpose(2, 0, 1)

    def learnable(self) -> NDArray[np.int64]:
        """Training images and spare ones: what the judges of a generator may learn from."""
        return np.flatnonzero((self.splits == "train") | (self.splits == SPARE))

    def take(self, split: str, n: int, seed: int) -> NDArray[np.int64]:
        """n random indices of a split, without repetition; of training images, spare ones too.

        Raises MedganError where the split is smaller.
        """
        chosen = self.learnable() if split == "train" else self.indices(split)
        if len(chosen) < n:
            more = "add images" if split == "train" else f"raise data.{split} (a published split stays as it is)"
            where = "search.n and train.n" if split == "validation" else "evaluate.n"
            raise MedganError(f"{split} has {len(chosen)} images and {n} are asked for; lower {where}, or {more}")
        return np.sort(np.random.default_rng(seed).permutation(chosen)[:n])


def open_prepared(directory: Path) -> Prepared:
    """Raises MedganError where `prepare` has not run."""
    path = directory / "spec.json"
    if not path.exists():
        raise MedganError(f"{path} does not exist; run `make repro`, or `dvc repro prepare`")
    description = json.loads(path.read_text())
    with (directory / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names: tuple[str, ...] = tuple(description["labels"])
    codes = {name: code for code, name in enumerate(names)}
    low, high = description["value_range"]
    return Prepared(
        spec=ImageSpec(**description["spec"]),
        images=np.load(directory / "images.npy", mmap_mode="r"),
        sources=_load_optional(directory / "sources.npy"),
        masks=_load_optional(directory / "masks.npy"),
        labels=np.array([codes[row["label"]] for row in rows], dtype=np.int64) if names else None,
        label_names=names,
        patients=np.array([row["patient"] for row in rows]),
        splits=np.array([row["split"] for row in rows]),
        value_range=(float(low), float(high)),
        direction=Direction(**direction) if (direction := description["direction"]) else None,
        md5=description["md5"],
    )


def counts(prepared: Prepared) -> Iterator[tuple[str, str, int]]:
    """(class, split, images) for people to read."""
    names: Sequence[str] = prepared.label_names or ("(no labels)",)
    for code, name in enumerate(names):
        of_class = prepared.labels == code if prepared.labels is not None else np.ones(len(prepared.splits), bool)
        for split in (*SPLITS, SPARE) if SPARE in prepared.splits else SPLITS:
            yield name, split, int(np.sum(of_class & (prepared.splits == split)))


def _load_optional(path: Path) -> NDArray[Any] | None:
    if not path.exists():
        return None
    array: NDArray[Any] = np.load(path, mmap_mode="r")
    return array
