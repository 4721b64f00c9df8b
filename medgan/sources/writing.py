"""Samples of a source, written as prepared data (see data/store.py) while they come."""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgan.data.spec import Direction, ImageSpec, Rejected, Sample
from medgan.data.store import Prepared, in_order_of_appearance, open_prepared
from medgan.errors import MedganError
from medgan.imaging.intensity import Intensity
from medgan.sources.growing import GrowingArray, blocks
from medgan.sources.names import Naming, pseudonym, write_names
from medgan.sources.near_copies import near_copies, thumbnails
from medgan.sources.parallel import Fitted
from medgan.sources.rejections import check_rejected, nothing_usable, write_csv, write_rejected
from medgan.sources.split import limit_training, split_by_patient

INDEX_COLUMNS = ("patient", "label", "split", "digest", "near_copy_of")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Described:
    """What is kept of a sample in memory: all but its pixels. label: None where the data have none.

    hashes: perceptual ones, of each plane of `thumbnails`.
    """

    patient: str
    label: str | None
    origin: str
    digest: str
    test: bool | None
    colour: bool
    hashes: tuple[bytes, ...]


class _Arrays:
    """images.npy and, where the samples have them, sources.npy and masks.npy in `directory`, by their names.

    The first sample says which there are, and makes the directory.
    """

    def __init__(self, directory: Path, size: int, channels: int) -> None:
        self.files: dict[str, GrowingArray] = {}
        self._directory, self._shape = directory, (size, size, channels)
        self._first: tuple[str, dict[str, str]] | None = None
        self._open = ExitStack()

    def append(self, sample: Sample) -> None:
        """Write one. Raises MedganError for another shape, dtype or choice of arrays than that of the first sample."""
        if sample.image.shape != self._shape:
            raise MedganError(f"{sample.origin}: shape {sample.image.shape}, expected {self._shape}")
        arrays = {"image": sample.image, "source": sample.source, "mask": sample.mask}
        forms = {name: _form(array) for name, array in arrays.items()}
        if self._first is None:
            self._first = sample.origin, forms
        origin, expected = self._first
        for name, form in forms.items():
            if form != expected[name]:
                raise MedganError(f"{sample.origin}: its {name} is {form}, while that of {origin} is {expected[name]}")
        for name, array in arrays.items():
            if array is not None:
                self._file(f"{name}s", array).append(array)

    def _file(self, name: str, first: NDArray[Any]) -> GrowingArray:
        if name not in self.files:
            self._directory.mkdir(parents=True, exist_ok=True)
            file = GrowingArray(self._directory / f"{name}.npy", shape=first.shape, dtype=first.dtype)
            self.files[name] = self._open.enter_context(closing(file))
        return self.files[name]

    def channels(self, name: str) -> int:
        return self.files[name].shape[-1] if name in self.files else 0

    def close(self) -> None:
        self._open.close()


def write_prepared(
    directory: Path,
    items: Iterable[Fitted | Rejected],
    *,
    intensity: Intensity,
    size: int,
    channels: int,
    labelled: bool,
    validation: float,
    test: float,
    seed: int,
    max_rejected: float,
    train_per_class: int | None = None,
    direction: Direction | None = None,
    naming: Naming | None = None,
) -> Prepared:
    """Drain a source into `directory` (created, which must not hold older files), and open the result.

    naming: how patients are called and where files are listed; None where nobody is named.
    No more than one sample is held at a time. Raises RejectedError for an empty source, for more than the share
    `max_rejected` that cannot be used, and for a class of which nothing can; MedganError for samples of another shape,
    or splits that cannot be filled. What is in the directory then cannot be opened.
    """
    with closing(_Arrays(directory, size, channels)) as arrays:
        samples, rejected = _drain(items, arrays, labelled=labelled)
    check_rejected(rejected, len(samples), {s.label for s in samples if s.label}, most=max_rejected)
    copies = _near_copies(directory, samples, arrays, intensity)
    splits = _splits(samples, copies, validation=validation, test=test, seed=seed, train_per_class=train_per_class)
    key = naming.key() if naming else None
    called = [s.patient if key is None else pseudonym(s.patient, key) for s in samples]
    rows = [(s.label or "", split, s.digest) for s, split in zip(samples, splits, strict=True)]
    names = sorted({s.label for s in samples if s.label})
    if len(names) == 1:
        _LOG.warning("one class, %s, is nothing to tell apart: judges treat these images as unlabelled", names[0])
    spec = ImageSpec(
        size=size,
        channels=channels,
        classes=len(names),
        source_channels=arrays.channels("sources"),
        mask_channels=arrays.channels("masks"),
    )
    noted = [(who, *row, original or "") for who, row, original in zip(called, rows, copies, strict=True)]
    write_csv(directory / "index.csv", INDEX_COLUMNS, noted)
    write_rejected(directory / "rejected.csv", rejected)
    if naming and naming.listing:
        write_names(naming.listing, [(s.origin, s.patient) for s in samples], rejected, pseudonyms=called)
    description = {
        "spec": asdict(spec),
        "arrays": {name: file.dtype.name for name, file in arrays.files.items()},
        "labels": names,
        "intensity": asdict(intensity),
        "direction": asdict(direction) if direction else None,
        "md5": _md5(directory, arrays, [s.patient for s in samples], rows, intensity),
    }
    # Last: a directory without it has not been prepared.
    (directory / "spec.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return open_prepared(directory)


def _drain(
    items: Iterable[Fitted | Rejected], arrays: _Arrays, *, labelled: bool
) -> tuple[list[_Described], list[Rejected]]:
    samples: list[_Described] = []
    rejected: list[Rejected] = []
    for item in items:
        if isinstance(item, Rejected):
            rejected.append(item)
            continue
        sample = item.sample
        if labelled and sample.label is None:
            reason = "nothing says its class (no folder, no data.options.label, no table), and data.labels is true"
            rejected.append(Rejected(sample.origin, reason))
        else:
            arrays.append(sample)
            label = sample.label if labelled else None
            samples.append(
                _Described(sample.patient, label, sample.origin, sample.digest, sample.test, sample.colour, item.hashes)
            )
    if not samples:
        raise nothing_usable(rejected)
    return samples, rejected


def _splits(
    samples: Sequence[_Described],
    copies: Sequence[str | None],
    *,
    validation: float,
    test: float,
    seed: int,
    train_per_class: int | None,
) -> list[str]:
    labels, patients = [s.label for s in samples], [s.patient for s in samples]
    splits = split_by_patient(
        patients,
        labels,
        {"image": [s.digest for s in samples], "near-copy": copies},
        validation=validation,
        test=test,
        seed=seed,
        published=[s.test for s in samples],
    )
    if train_per_class is None:
        return splits
    return limit_training(splits, labels, patients, per_class=train_per_class, seed=seed)


def _near_copies(
    directory: Path, samples: Sequence[_Described], arrays: _Arrays, intensity: Intensity
) -> list[str | None]:
    """For each sample the number of the first of its near-copies and itself; None where it has none."""
    maps = {name: np.load(directory / f"{name}.npy", mmap_mode="r") for name in arrays.files}

    def of_sample(index: int) -> NDArray[np.uint8]:
        source = maps["sources"][index] if "sources" in maps else None
        return thumbnails(maps["images"][index], source, intensity, colour=samples[index].colour)

    groups = near_copies([sample.hashes for sample in samples], of_sample)
    copies: list[str | None] = [None] * len(samples)
    for group in groups:
        for index in group:
            copies[index] = str(group[0])
    return copies


def _md5(
    directory: Path, arrays: _Arrays, patients: Sequence[str], rows: Sequence[Sequence[str]], intensity: Intensity
) -> str:
    """Digest arrays, one after the other, then the index: which images share a patient, and not who it is.

    `near_copy_of` follows from the arrays.
    """
    digest = hashlib.md5(usedforsecurity=False)
    for name in arrays.files:
        for block in blocks(directory / f"{name}.npy"):
            digest.update(block)
    numbers = in_order_of_appearance(patients).tolist()
    digest.update(json.dumps([(number, *row) for number, row in zip(numbers, rows, strict=True)]).encode())
    if intensity.bounds != (0, np.iinfo(arrays.files["images"].dtype).max):
        # Equal pixels that mean other intensities train another generator.
        digest.update(json.dumps(intensity.bounds).encode())
    return digest.hexdigest()


def _form(array: NDArray[Any] | None) -> str:
    return "missing" if array is None else f"{array.dtype} {array.shape}"
