"""CIFAR-10's files, written here in their real format and small, with torchvision's checksums set to theirs."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from test_folder import fitted
from torchvision.datasets import CIFAR10

from medgan.data.spec import ImageSpec, Sample
from medgan.errors import MedganError
from medgan.sources.cifar10 import Cifar10

ROOT = Path(__file__).parents[1]
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
COLOUR = ImageSpec(32, 3)
FILES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def pixels(number: int) -> Any:
    """Two pictures a file, rows of 3,072 bytes: the red plane, then green, then blue."""
    return np.repeat(np.array([[10 * number, 100, 200], [10 * number + 1, 50, 0]], np.uint8), 1024, axis=1)


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root as torchvision wants it: twelve pictures."""
    root = tmp_path / "original"
    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)
    for number, name in enumerate(FILES):
        (folder / name).write_bytes(pickle.dumps({"data": pixels(number), "labels": [number, 9]}, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CLASSES}, protocol=2))
    sums = [[name, md5(folder / name)] for name in FILES]
    monkeypatch.setattr(CIFAR10, "train_list", sums[:-1])
    monkeypatch.setattr(CIFAR10, "test_list", sums[-1:])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5(folder / "batches.meta")})
    return root


def read(raw: Path, spec: ImageSpec = COLOUR) -> list[Sample]:
    samples, rejected = fitted(Cifar10(), raw, spec)
    assert not rejected
    return samples


def test_both_parts_are_samples_with_the_names_of_their_classes(original: Path) -> None:
    samples = read(original)
    origins = [*(f"train/{index:05d}" for index in range(10)), "test/00000", "test/00001"]
    assert [sample.origin for sample in samples] == [sample.patient for sample in samples] == origins
    assert [sample.label for sample in samples[:4]] == ["airplane", "truck", "automobile", "truck"]
    assert samples[10].label == "dog"
    assert samples[2].image.shape == (32, 32, 3)
    assert (samples[2].image == [10, 100, 200]).all()
    assert samples[2].digest == hashlib.sha256(samples[2].image.tobytes()).hexdigest()


@pytest.mark.parametrize("spec", [ImageSpec(16, 3), ImageSpec(64, 1)])
def test_size_and_colours_are_those_asked_for(original: Path, spec: ImageSpec) -> None:
    assert {sample.image.shape for sample in read(original, spec)} == {(spec.size, spec.size, spec.channels)}


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_missing_files_say_what_to_run(tmp_path: Path, kind: str) -> None:
    raw = tmp_path / "raw"
    if kind == "empty":
        raw.mkdir()
    with pytest.raises(MedganError, match=rf"{raw}/cifar-10-batches-py is not there; run `medgan data fetch cifar10`"):
        read(raw)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
@pytest.mark.parametrize("kind", ["gone", "changed"])
def test_a_damaged_file_is_a_sentence_with_a_remedy(original: Path, name: str, kind: str) -> None:
    path = original / CIFAR10.base_folder / name
    if kind == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MedganError, match=rf"{path.parent} is damaged .*remove it and run `medgan data fetch cifar10`"):
        read(original)


def test_the_recipe_plays_the_game_of_cgan_published() -> None:
    ours, published = (
        yaml.safe_load((ROOT / "recipes" / f"{name}.yaml").read_text()) for name in ("cifar10", "cgan-published")
    )
    assert ours["gan"] == published["gan"]
