"""Samples of a source, written as prepared data (see data/store.py)."""

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medgan.data.spec import Direction, ImageSpec, Rejected, Sample
from medgan.data.store import Prepared, open_prepared
from medgan.errors import MedganError
from medgan.sources.split import limit_training, split_by_patient

INDEX_COLUMNS = ("patient", "label", "split", "origin", "digest")


def write_prepared(
    directory: Path,
    items: Iterable[Sample | Rejected],
    *,
    size: int,
    channels: int,
    labelled: bool,
    validation: float,
    test: float,
    seed: int,
    train_per_class: int | None = None,
    direction: Direction | None = None,
) -> Prepared:
    """Drain a source into `directory` (created, which must not hold older files), and open the result.

    Raises MedganError for an empty source, samples of another shape, or splits that cannot be filled.
    """
    samples: list[Sample] = []
    rejected: list[Rejected] = []
    for item in items:
        if isinstance(item, Rejected):
            rejected.append(item)
        elif labelled and item.label is None:
            rejected.append(Rejected(item.origin, "not in a class folder, and data.labels is true"))
        else:
            _check(item, size, channels, samples[0] if samples else item)
            samples.append(item)
    if not samples:
        reasons = f"; first reason: {rejected[0].origin}: {rejected[0].reason}" if rejected else ""
        raise MedganError(f"the source gave no usable image ({len(rejected)} rejected{reasons})")
    labels = [sample.label if labelled else None for sample in samples]
    splits = split_by_patient(
        [s.patient for s in samples],
        labels,
        [s.digest for s in samples],
        validation=validation,
        test=test,
        seed=seed,
        published=[s.test for s in samples],
    )
    if train_per_class is not None:
        patients = [s.patient for s in samples]
        splits = limit_training(splits, labels, patients, per_class=train_per_class, seed=seed)
    directory.mkdir(parents=True, exist_ok=True)
    digest = hashlib.md5(usedforsecurity=False)
    for name in ("image", "source", "mask"):
        if getattr(samples[0], name) is not None:
            array = np.stack([getattr(sample, name) for sample in samples])
            np.save(directory / f"{name}s.npy", array)
            digest.update(np.ascontiguousarray(array).data)
    rows = [
        (s.patient, label or "", split, s.origin, s.digest)
        for s, label, split in zip(samples, labels, splits, strict=True)
    ]
    digest.update(json.dumps(rows).encode())
    _write_csv(directory / "index.csv", INDEX_COLUMNS, rows)
    _write_csv(directory / "rejected.csv", ("file", "reason"), [(r.origin, r.reason) for r in rejected])
    first = samples[0]
    names = sorted({label for label in labels if label})
    spec = ImageSpec(
        size=size,
        channels=channels,
        classes=len(names),
        source_channels=first.source.shape[-1] if first.source is not None else 0,
        mask_channels=first.mask.shape[-1] if first.mask is not None else 0,
    )
    description = {
        "spec": asdict(spec),
        "labels": names,
        "value_range": [0, int(np.iinfo(first.image.dtype).max)],
        "direction": asdict(direction) if direction else None,
        "md5": digest.hexdigest(),
    }
    (directory / "spec.json").write_text(json.dumps(description, indent=2) + "\n")
    return open_prepared(directory)


def _check(sample: Sample, size: int, channels: int, first: Sample) -> None:
    if sample.image.shape != (size, size, channels):
        raise MedganError(f"{sample.origin}: shape {sample.image.shape}, expected {(size, size, channels)}")
    for name in ("image", "source", "mask"):
        own, expected = (_form(getattr(of, name)) for of in (sample, first))
        if own != expected:
            raise MedganError(f"{sample.origin}: its {name} is {own}, while that of {first.origin} is {expected}")


def _form(array: NDArray[Any] | None) -> str:
    return "missing" if array is None else f"{array.dtype} {array.shape}"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
