"""The prepared format: one memory-mapped array, an index table and spec.json; read by all stages after `prepare`."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from medgan.config.checking import nearest
from medgan.data.spec import SPARE, SPLITS, Direction, ImageSpec
from medgan.errors import MedganError
from medgan.imaging.intensity import Intensity
from medgan.seeds import numpy_generator

LEARNABLE = ("train", SPARE)


@dataclass(frozen=True)
class Prepared:
    """A prepared data set, arrays memory-mapped.

    images (N, H, W, C) uint8 or uint16; labels (N,) int64 into `label_names`, or None; splits (N,) of names;
    patients: (N,) numbers in the order in which they appear, so that nothing depends on what they are called;
    intensity: of images and sources; direction: what the sources are translated into, None without sources;
    md5: of every prepared byte, the index, and an intensity that is not the whole range of the pixels' type.
    balance: whether training draws every class equally often, however many images it has (`data.balance`).
    classes: where images and sources are no pairs, the data of which they are two classes (see `towards`); else None.
    """

    spec: ImageSpec
    images: NDArray[Any]
    sources: NDArray[Any] | None
    masks: NDArray[np.uint8] | None
    labels: NDArray[np.int64] | None
    label_names: tuple[str, ...]
    patients: NDArray[np.int64]
    splits: NDArray[np.str_]
    intensity: Intensity
    direction: Direction | None
    md5: str
    balance: bool = False
    classes: "Prepared | None" = None

    @property
    def paired(self) -> bool:
        """False where an image's source is another patient's."""
        return self.classes is None

    @property
    def levels(self) -> int:
        """How many intensities stored values can have: 256 of 8 bits, 65,536 of 16."""
        return self.intensity.levels

    def opposite(self) -> "Prepared":
        """Images as sources and sources as images. Raises MedganError where there are none."""
        if self.sources is None:
            raise MedganError("these data have no source images: there is nothing to translate back from")
        if self.classes is not None and self.direction is not None:
            return self.classes.towards(self.direction.opposite.names)
        spec = replace(self.spec, channels=self.spec.source_channels, source_channels=self.spec.channels)
        direction = self.direction and self.direction.opposite
        return replace(self, spec=spec, images=self.sources, sources=self.images, direction=direction)

    def towards(self, names: tuple[str, str] | None) -> "Prepared":
        """Images of the second of two classes, to be drawn from those of the first; the same where there are sources.

        There are no pairs: each image has the source of somebody of its split, dealt in turn. Images of other classes
        are in no split. Raises MedganError for a class that there is not.
        """
        if names is None or self.sources is not None:
            return self
        if unknown := [name for name in names if name not in self.label_names]:
            raise MedganError(
                f"data.direction: no class is called '{unknown[0]}'{nearest(unknown[0], [*self.label_names])}"
            )
        wanted, given = (self.labels == self.label_names.index(name) for name in reversed(names))
        dealt = np.zeros(len(self.images), np.int64)
        for of_split in (np.isin(self.splits, LEARNABLE), *(self.splits == split for split in SPLITS)):
            rows, sources = np.flatnonzero(of_split & wanted), np.flatnonzero(of_split & given)
            dealt[rows] = np.resize(numpy_generator(0, "dealt", len(rows)).permutation(sources), len(rows))
        return replace(
            self,
            spec=replace(self.spec, classes=0, source_channels=self.spec.channels),
            sources=cast(NDArray[Any], _Dealt(self.images, dealt)),
            labels=None,
            label_names=(),
            splits=np.where(wanted, self.splits, ""),
            direction=Direction(*names),
            classes=self,
        )

    def givers(self, split: str) -> tuple[NDArray[Any] | None, NDArray[np.int64]]:
        """An array, and its rows that are sources of the split; None where there are no sources."""
        if self.classes is None or self.direction is None:
            return self.sources, self.indices(split)
        of_class = self.classes.labels == self.classes.label_names.index(self.direction.source)
        return self.classes.images, np.flatnonzero(of_class & (self.classes.splits == split))

    def balanced(self, wanted: bool) -> "Prepared":
        """The same images, of which training draws every class equally often if wanted.

        Raises MedganError where there are no classes.
        """
        if wanted and self.labels is None:
            raise MedganError("data.balance is true and these images have no classes; set data.balance: false")
        return replace(self, balance=wanted)

    def only(self, spec: ImageSpec) -> "Prepared":
        """Leave out the labels, masks and sources at which networks of this spec do not look."""
        return replace(
            self,
            labels=self.labels if spec.classes else None,
            masks=self.masks if spec.mask_channels else None,
            sources=self.sources if spec.source_channels else None,
        )

    def indices(self, split: str) -> NDArray[np.int64]:
        return np.flatnonzero(self.splits == split)

    def pictures(self, indices: NDArray[np.int64] | Sequence[int]) -> NDArray[np.uint8]:
        """Images (n, H, W, C) in 8 bits, 0 at the lowest intensity and 255 at the highest: for judges and people."""
        return self.intensity.picture(np.asarray(self.images[indices]))

    def mean(self) -> NDArray[np.float32]:
        """The mean of `learnable` images, (C, H, W) in [-1, 1]."""
        total = np.zeros(self.images.shape[1:], np.float64)
        for index in self.learnable():
            total += self.images[index]
        share = self.intensity.share(total / len(self.learnable()))
        return (2 * share - 1).astype(np.float32).transpose(2, 0, 1)

    def learnable(self) -> NDArray[np.int64]:
        """Training images and spare ones: what the judges of a generator may learn from."""
        return np.flatnonzero(np.isin(self.splits, LEARNABLE))

    def take(self, split: str, n: int, seed: int, *, like: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """n random indices of a split, without repetition; of training images, spare ones too.

        like: n indices; where there are classes, of each as many are taken as these have.
        Raises MedganError where the split is smaller, or has too few of a class.
        """
        chosen = self.learnable() if split == "train" else self.indices(split)
        if len(chosen) < n:
            more = "add images" if split == "train" else f"raise data.{split} (a published split stays as it is)"
            where = "search.n and train.n" if split == "validation" else "evaluate.n"
            raise MedganError(f"{split} has {len(chosen)} images and {n} are asked for; lower {where}, or {more}")
        shuffled = np.random.default_rng(seed).permutation(chosen)
        if like is None or self.labels is None:
            return np.sort(shuffled[:n])
        taken = []
        for code, wanted in enumerate(np.bincount(self.labels[like], minlength=len(self.label_names))):
            of_class = shuffled[self.labels[shuffled] == code]
            if len(of_class) < wanted:
                raise MedganError(
                    f"{split} has {len(of_class)} images of {self.label_names[code]} and the images to judge on "
                    f"{wanted}; lower evaluate.n"
                )
            taken.append(of_class[:wanted])
        return np.sort(np.concatenate(taken))


class _Dealt:
    """Rows of other images as sources, read when they are asked for."""

    def __init__(self, images: NDArray[Any], dealt: NDArray[np.int64]) -> None:
        self._images, self._dealt, self.shape, self.dtype = images, dealt, images.shape, images.dtype

    def __len__(self) -> int:
        return len(self._dealt)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        sources: NDArray[Any] = self._images[self._dealt[rows]]
        return sources


def open_prepared(directory: Path) -> Prepared:
    """Open what `prepare` wrote. Raises MedganError where it has not run, or where its files are of several runs."""
    path = directory / "spec.json"
    if not path.exists():
        raise MedganError(f"{path} does not exist; run `make repro`, or `dvc repro prepare`")
    description = json.loads(path.read_text())
    with (directory / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names: tuple[str, ...] = tuple(description["labels"])
    codes = {name: code for code, name in enumerate(names)}
    # Other files may lie there, left by a source that gave more than this one.
    arrays = {name: _open_array(directory, name, dtype, len(rows)) for name, dtype in description["arrays"].items()}
    return Prepared(
        spec=ImageSpec(**description["spec"]),
        images=arrays["images"],
        sources=arrays.get("sources"),
        masks=arrays.get("masks"),
        labels=np.array([codes[row["label"]] for row in rows], dtype=np.int64) if names else None,
        label_names=names,
        patients=in_order_of_appearance([row["patient"] for row in rows]),
        splits=np.array([row["split"] for row in rows]),
        intensity=Intensity(**description["intensity"]),
        direction=Direction(**direction) if (direction := description["direction"]) else None,
        md5=description["md5"],
    )


def in_order_of_appearance(names: Sequence[str]) -> NDArray[np.int64]:
    """Number names: the first one 0, the next other one 1, and so on."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)


def _open_array(directory: Path, name: str, dtype: str, rows: int) -> NDArray[Any]:
    """Mapped, not read. Raises MedganError for a file that is not the one that `prepare` wrote with this index."""
    path = directory / f"{name}.npy"
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise MedganError(f"{path} cannot be read ({error}); remove {directory} and run `make repro`") from None
    if len(array) != rows or array.dtype != dtype:
        raise MedganError(
            f"{path} holds {len(array)} {array.dtype} images, and index.csv and spec.json name {rows} of {dtype}; "
            f"remove {directory} and run `make repro`"
        )
    return array
