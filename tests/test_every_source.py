"""What must hold of every source, from raw files to prepared images: near-copies are planted in its own format.

tests/test_split_properties.py asks the same of the splits alone, of many more data sets.
"""

import hashlib
import pickle
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from dicoms import dataset, save
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from test_near_copies import smooth
from test_split_properties import Row, grouped
from torchvision.datasets import CIFAR10
from volumes import nifti

from medgan.config.schema import Config
from medgan.data.spec import SPLITS, ImageSpec, Sample
from medgan.data.store import Prepared
from medgan.sources import SOURCES
from medgan.sources.phantom.source import Phantom
from medgan.sources.prepare import prepare


@dataclass(frozen=True)
class Scan:
    """An image of a raw data set. picture: the number of what it shows, which it shares with its near-copies.

    again: saved anew, darker by two grey levels, in another form of the format where there is one.
    """

    picture: int
    patient: str
    label: str
    again: bool = False

    def pixels(self, side: int) -> NDArray[np.uint8]:
        return smooth(self.picture, side) - np.uint8(2 * self.again)


Write = Callable[[Path, Sequence[Scan], pytest.MonkeyPatch], dict[str, object]]


def write_folder(raw: Path, scans: Sequence[Scan], _: pytest.MonkeyPatch) -> dict[str, object]:
    for index, scan in enumerate(scans):
        picture(raw / scan.label / f"{scan.patient}_{index}{'.tif' if scan.again else '.png'}", scan.pixels(32))
    return {"patient": "^(p\\d+)_"}


def write_pairs(raw: Path, scans: Sequence[Scan], _: pytest.MonkeyPatch) -> dict[str, object]:
    for index, scan in enumerate(scans):
        name = f"{scan.patient}_{index}{'.tif' if scan.again else '.png'}"
        picture(raw / "T2" / name, scan.pixels(32))
        picture(raw / "T1" / name, 255 - scan.pixels(32))
    return {"source": "T1", "image": "T2", "patient": "^(p\\d+)_"}


def picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_dicom(raw: Path, scans: Sequence[Scan], _: pytest.MonkeyPatch) -> dict[str, object]:
    for index, scan in enumerate(scans):
        made = dataset(scan.pixels(32), PatientID=scan.patient, Modality="MR", RescaleSlope=None, RescaleIntercept=None)
        save(raw / scan.label / f"{index}.dcm", made, RLELossless if scan.again else ExplicitVRLittleEndian)
    return {}


def write_nifti(raw: Path, scans: Sequence[Scan], _: pytest.MonkeyPatch) -> dict[str, object]:
    for index, scan in enumerate(scans):
        name = f"{scan.patient}_{index}{'.nii.gz' if scan.again else '.nii'}"
        nifti(raw / scan.label / name, scan.pixels(32)[::-1, ::-1].T[..., None])
    return {"patient": "/(p\\d+)_", "label": "^(\\w+)/", "window": [0, 255]}


def write_ixi(raw: Path, scans: Sequence[Scan], _: pytest.MonkeyPatch) -> dict[str, object]:
    raw.mkdir(parents=True)
    for scan in scans:
        values = torch.from_numpy(scan.pixels(64) / 127.5 - 1)
        torch.save(values, raw / f"{scan.patient} - T2.pt")
        torch.save(-values, raw / f"{scan.patient} - T1.pt")
    return {}


def write_medmnist(raw: Path, scans: Sequence[Scan], _: pytest.MonkeyPatch) -> dict[str, object]:
    raw.mkdir(parents=True)
    held, codes = {}, {"malignant": 0, "normal, benign": 1}
    for part, chosen in (("train", scans[:20]), ("val", scans[20:25]), ("test", scans[25:])):
        held[f"{part}_images"] = np.stack([scan.pixels(64) for scan in chosen])
        held[f"{part}_labels"] = np.array([[codes[scan.label]] for scan in chosen], np.uint8)
    np.savez(raw / "breastmnist_64.npz", **held)
    return {"flag": "breastmnist"}


def write_cifar10(raw: Path, scans: Sequence[Scan], patch: pytest.MonkeyPatch) -> dict[str, object]:
    """torchvision reads what has the checksums that it knows."""
    folder, names = raw / CIFAR10.base_folder, sorted({scan.label for scan in scans})
    folder.mkdir(parents=True)
    sums = []
    for number in range(6):
        chosen = scans[4 * number : 4 * number + 4] if number < 5 else scans[20:]
        rows = np.stack([np.tile(scan.pixels(32).reshape(-1), 3) for scan in chosen])
        content = pickle.dumps({"data": rows, "labels": [names.index(scan.label) for scan in chosen]}, protocol=2)
        (folder / f"{number}").write_bytes(content)
        sums.append([f"{number}", hashlib.md5(content, usedforsecurity=False).hexdigest()])
    content = pickle.dumps({"label_names": names}, protocol=2)
    (folder / "batches.meta").write_bytes(content)
    patch.setattr(CIFAR10, "train_list", sums[:-1])
    patch.setattr(CIFAR10, "test_list", sums[-1:])
    patch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": hashlib.md5(content, usedforsecurity=False).hexdigest()})
    return {}


def write_phantom(_raw: Path, scans: Sequence[Scan], _: pytest.MonkeyPatch) -> dict[str, object]:
    return {"count": len(scans)}


@dataclass(frozen=True)
class Kind:
    """How a source's raw files are made. several: whether files say who the patient is, who may have several images."""

    write: Write
    labels: tuple[str, ...] = ("common", "rare", "seldom")
    several: bool = True
    size: int = 32


# A new source is one entry here: the tests below ask for it.
KINDS = {
    "cifar10": Kind(write_cifar10, tuple("abcdefghij"), several=False),
    "dicom": Kind(write_dicom),
    "folder": Kind(write_folder),
    "ixi": Kind(write_ixi, ("",), several=False, size=64),
    "medmnist": Kind(write_medmnist, ("malignant", "normal, benign"), several=False, size=64),
    "nifti": Kind(write_nifti),
    "pairs": Kind(write_pairs, ("",)),
    "phantom": Kind(write_phantom),
}


def population(name: str, seed: int) -> list[Scan]:
    """Patients of one class each, many of the first and four of the last; of every third image a near-copy.

    A near-copy is another patient's, of the same class. Phantoms have no such copies: their patients are as they come.
    """
    if name == "phantom":
        return [Scan(index, sample.patient, sample.label or "") for index, sample in enumerate(phantoms(80))]
    kind, rng = KINDS[name], np.random.default_rng(seed)
    scans: list[Scan] = []
    for rank, label in enumerate(kind.labels):
        first, patients = len(scans), 4 if rank else 24
        for patient in range(patients):
            for _ in range(int(rng.integers(1, 4)) if kind.several else 1):
                scans.append(Scan(100 * seed + len(scans), f"p{10 * rank}{patient:03}", label))
        if not rank:
            for like in scans[first::3]:
                scans.append(Scan(like.picture, stranger(scans, like, len(scans), kind), label, again=True))
    return scans


def stranger(scans: Sequence[Scan], like: Scan, number: int, kind: Kind) -> str:
    """The next patient of the class; a new one where files do not say who that is, or say it once."""
    others = sorted({scan.patient for scan in scans if scan.label == like.label})
    return others[(others.index(like.patient) + 1) % 12] if kind.several else f"q{number:03}"


def phantoms(count: int) -> list[Sample]:
    samples = Phantom(count=count).samples(ROOT / "data" / "phantom.yaml", ImageSpec(32, 1))
    return [sample for sample in samples if isinstance(sample, Sample)]


def newcomers(name: str, scans: Sequence[Scan]) -> dict[str, Scan]:
    """One image more: alone, as a copy, of a patient who is there, or both of the last two, which makes one of two."""
    if name == "phantom":
        sample = phantoms(len(scans) + 1)[-1]
        return {"alone": Scan(len(scans), sample.patient, sample.label or "")}
    like, other = scans[1], scans[12]
    assert like.label == other.label and like.patient != other.patient
    made = {
        "alone": Scan(9999, "p99999", like.label),
        "copy": Scan(like.picture, "p99999", like.label, again=True),
    }
    if KINDS[name].several:
        made["patient"] = Scan(9999, like.patient, like.label)
        made["bridge"] = Scan(like.picture, other.patient, like.label, again=True)
    return made


def rows_of(scans: Sequence[Scan], name: str) -> list[Row]:
    """As tests/test_split_properties.py has them. Where files name no patient, each image is one."""
    several = KINDS[name].several
    return [
        Row(scan.patient if several else f"{index}", scan.label, f"{index}", f"{scan.picture}")
        for index, scan in enumerate(scans)
    ]


def prepared_of(
    name: str, scans: Sequence[Scan], config: Config, folder: Path, *, seed: int, patch: pytest.MonkeyPatch
) -> Prepared:
    kind, raw = KINDS[name], folder / "raw"
    options = kind.write(raw, scans, patch)
    values: dict[str, Any] = {
        "name": "made",
        "source": name,
        "raw": str(ROOT / "data" / "phantom.yaml" if name == "phantom" else raw),
        "size": kind.size,
        "channels": 1,
        "labels": len(kind.labels) > 1,
        "options": options,
    }
    changes = {f"data.{key}": value for key, value in values.items()}
    return prepare(config.override(changes).data, folder / "prepared", seed=seed)


def splits_of(scans: Sequence[Scan], prepared: Prepared, name: str) -> list[str]:
    """The split of each scan, which is known by its pixels and its darkness: names may stay out of prepared data."""
    side = KINDS[name].size
    if name == "phantom":
        originals = [sample.image[..., 0] for sample in phantoms(len(scans))]
    else:
        originals = [scan.pixels(side) for scan in scans]
    images = prepared.pictures(range(len(prepared.images)))[..., 0].astype(int)
    found = [int(np.abs(np.stack(originals).astype(int) - image).mean((1, 2)).argmin()) for image in images]
    assert sorted(found) == list(range(len(scans)))  # each once
    order = np.argsort(found)
    return [str(split) for split in prepared.splits[order]]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", SOURCES)
def test_no_patient_and_no_near_copies_are_in_two_splits_and_every_class_is_in_each(
    name: str, seed: int, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = population(name, seed)
    splits = splits_of(scans, prepared_of(name, scans, config, tmp_path, seed=seed, patch=monkeypatch), name)
    by_group: dict[int, set[str]] = defaultdict(set)
    for group, split in zip(grouped(rows_of(scans, name)), splits, strict=True):
        by_group[group].add(split)
    assert {len(found) for found in by_group.values()} == {1}
    seen = {(scan.label, split) for scan, split in zip(scans, splits, strict=True)}
    assert seen == {(scan.label, split) for scan in scans for split in SPLITS}


@pytest.mark.parametrize("name", SOURCES)
def test_one_image_more_moves_what_it_joins_and_at_most_one_group_a_boundary_and_class(
    name: str, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = population(name, 3)
    before = splits_of(scans, prepared_of(name, scans, config, tmp_path / "before", seed=3, patch=monkeypatch), name)
    old = grouped(rows_of(scans, name))
    for case, newcomer in newcomers(name, scans).items():
        more = [*scans, newcomer]
        after = splits_of(more, prepared_of(name, more, config, tmp_path / case, seed=3, patch=monkeypatch), name)
        new = grouped(rows_of(more, name))
        joined = {group for group, now in zip(old, new, strict=False) if now == new[-1]}
        assert len(joined) == {"alone": 0, "copy": 1, "patient": 1, "bridge": 2}[case]
        moved = {
            group: (scan.label, frozenset({then, now}))
            for scan, group, then, now in zip(scans, old, before, after, strict=False)
            if then != now and group not in joined
        }
        assert max(Counter(moved.values()).values(), default=0) <= max(1, len(joined)), case
