"""IXI: pairs of one subject, 16 bits kept, the published shares of subjects; on stand-ins and on the real files."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from medgan.config.data import DataConfig
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.errors import MedganError
from medgan.sources.ixi import Ixi
from medgan.sources.prepare import prepare

SPEC = ImageSpec(64, 1)
ROOT = Path(__file__).parents[1]


def tensor(seed: int) -> torch.Tensor:
    return torch.rand(64, 64, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Ten subjects, T1 of subject k from seed 2k, T2 from seed 2k + 1."""
    folder = tmp_path / "ixi"
    folder.mkdir()
    for subject in range(10):
        for offset, name in enumerate(("T1", "T2")):
            torch.save(tensor(2 * subject + offset), folder / f"sub-IXI{subject:03} - {name}.pt")
    return folder


def config(raw: Path, **changed: object) -> DataConfig:
    values = {
        "name": "ixi", "source": "ixi", "raw": raw, "size": 64, "channels": 1, "labels": False, "validation": 0.1,
        "test": 0.2, "train_per_class": None, "modality": "MR", "licence": "CC BY-SA 3.0", "options": {},
    }  # fmt: skip
    return DataConfig.model_validate({**values, **changed})


@pytest.mark.parametrize("target", ["T1", "T2"])
def test_image_and_source_are_of_one_subject_and_keep_sixteen_bits(raw: Path, target: str) -> None:
    samples = [item for item in Ixi(image=target).samples(raw, SPEC) if isinstance(item, Sample)]  # type: ignore[arg-type]
    assert [sample.patient for sample in samples] == [f"sub-IXI{k:03}" for k in range(10)]
    for number, sample in enumerate(samples):
        assert sample.source is not None
        t1, t2 = (sample.source, sample.image) if target == "T2" else (sample.image, sample.source)
        for stored, seed in ((t1, 2 * number), (t2, 2 * number + 1)):
            assert stored.shape == (64, 64, 1) and stored.dtype == np.uint16
            assert np.abs(stored[..., 0] / 65535 * 2 - 1 - tensor(seed).numpy()).max() <= 1 / 65535


def test_only_subjects_with_both_images_alike_are_duplicates(raw: Path) -> None:
    for name, subjects in {"T1": (1, 3), "T2": (2, 3)}.items():
        for subject in subjects:
            shutil.copy(raw / f"sub-IXI000 - {name}.pt", raw / f"sub-IXI{subject:03} - {name}.pt")
    first, *others = (item.digest for item in Ixi().samples(raw, SPEC) if isinstance(item, Sample))
    assert [number for number, digest in enumerate(others, 1) if digest == first] == [3]
    assert len(set(others)) == 9


def test_the_last_fifth_of_the_sorted_subjects_is_the_test(raw: Path, tmp_path: Path) -> None:
    prepared = prepare(config(raw), tmp_path / "prepared", seed=0)
    assert prepared.patients[prepared.indices("test")].tolist() == [8, 9]
    assert len(prepared.indices("validation")) == 1 and len(prepared.indices("train")) == 7
    # The shares in params.yaml cannot move it.
    other = prepare(config(raw, test=0.4, validation=0.3), tmp_path / "other", seed=5)
    assert other.patients[other.indices("test")].tolist() == [8, 9]


def test_what_cannot_be_used_is_rejected_with_a_reason(raw: Path) -> None:
    (raw / "sub-IXI001 - T1.pt").unlink()
    torch.save(tensor(1)[:32], raw / "sub-IXI002 - T2.pt")
    torch.save(tensor(1) * 3, raw / "sub-IXI003 - T1.pt")
    (raw / "sub-IXI004 - T1.pt").write_bytes(b"no tensor")
    torch.save({"a": 1}, raw / "sub-IXI005 - T1.pt")
    rejected = {item.origin: item.reason for item in Ixi().samples(raw, SPEC) if isinstance(item, Rejected)}
    assert rejected.keys() == {f"sub-IXI00{k}" for k in range(1, 6)}
    assert "No such file" in rejected["sub-IXI001"]
    assert "is not a tensor of 64x64" in rejected["sub-IXI002"]
    assert "outside [-1, 1]" in rejected["sub-IXI003"]


@pytest.mark.parametrize("spec", [ImageSpec(32, 1), ImageSpec(64, 3)])
def test_another_shape_is_refused(raw: Path, spec: ImageSpec) -> None:
    with pytest.raises(MedganError, match="IXI has 64 and 1"):
        next(iter(Ixi().samples(raw, spec)))


def test_an_empty_folder_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(MedganError, match="medgan data fetch ixi"):
        next(iter(Ixi().samples(tmp_path, SPEC)))


@pytest.mark.slow
@pytest.mark.real
def test_the_real_files(tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(Path(os.environ["MEDGAN_REAL_DATA"]) / "ixi.tar.xz") as archive:
        for member in archive:  # plain files only, and by their last name only
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                (tmp_path / Path(member.name).name).write_bytes(file.read())
    samples = list(Ixi().samples(tmp_path, SPEC))
    assert len(samples) == 577 and all(isinstance(item, Sample) for item in samples)
    assert sum(item.test is True for item in samples if isinstance(item, Sample)) == 116
