"""Scores and copying: what they mean, and which of them may be compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pixels import seen
from torch import Tensor
from torch_fidelity import calculate_metrics, register_feature_extractor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.scores.extractor import Extractor
from medgan.scores.fidelity import agreement, kid, measure
from medgan.scores.figures import Fidelity, check_comparable
from medgan.scores.frechet import distance, statistics
from medgan.scores.images import ImageSet
from medgan.scores.learning import train_extractor
from medgan.seeds import derive_seed

Images = NDArray[np.uint8]
N = 120


@pytest.fixture(scope="module")
def extractor(prepared: Prepared) -> Extractor:
    train = prepared.indices("train")
    assert prepared.labels is not None
    images = seen(prepared.images[train])
    return train_extractor(images, prepared.labels[train], classes=3, steps=30, batch=32, seed=0)


def measured(extractor: Extractor, images: Images, real: Images, *, bootstrap: int, seed: int) -> Fidelity:
    generated, truth = ImageSet(seen(images)), ImageSet(seen(real))
    return measure(extractor, generated, truth, split="test", bootstrap=bootstrap, seed=seed)


def fid(extractor: Extractor, images: Images, real: Images) -> float:
    return distance(*(statistics(extractor.observe(seen(pixels)).features) for pixels in (images, real)))


@pytest.fixture(scope="module")
def train(prepared: Prepared) -> Images:
    return np.asarray(prepared.images[prepared.indices("train")])


@pytest.fixture(scope="module")
def test(prepared: Prepared) -> Images:
    return np.asarray(prepared.images[prepared.indices("test")])[:N]


class Bare(torch.utils.data.Dataset[torch.Tensor]):
    """As torch-fidelity wants images: bare uint8 (3, H, W) tensors."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.images[index]).permute(2, 0, 1).expand(3, -1, -1).contiguous()


class DomainFeatures(FeatureExtractorBase):  # type: ignore[misc]
    """The extractor under torch-fidelity's own interface: uint8 (B, 3, H, W) in, one layer "pooled" out."""

    def __init__(self, name: str, features_list: list[str], feature_extractor_weights_path: str, **_: Any) -> None:
        super().__init__(name, features_list)
        self._extractor = Extractor.load(Path(feature_extractor_weights_path))

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("pooled",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "pooled"

    @staticmethod
    def can_be_compiled() -> bool:
        return False

    @staticmethod
    def get_dummy_input_for_compile() -> Tensor:
        return torch.zeros(1, 3, 32, 32, dtype=torch.uint8)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        pixels = image[:, : self._extractor.channels].permute(0, 2, 3, 1).numpy()
        return (torch.from_numpy(self._extractor.observe(seen(pixels)).features),)


register_feature_extractor(Extractor.name, DomainFeatures)


def test_torch_fidelity_gives_the_same_numbers(
    extractor: Extractor, train: Images, test: Images, tmp_path: Path
) -> None:
    extractor.save(tmp_path / "extractor.safetensors")
    whole = calculate_metrics(
        input1=Bare(train[:N]),
        input2=Bare(test),
        fid=True,
        kid=True,
        prc=True,
        # At most half of the images, so that the subsets differ; these are ours.
        kid_subset_size=N // 2,
        kid_subsets=50,
        rng_seed=derive_seed(0, "kid") % 2**32,
        feature_extractor="fid_domain",
        feature_extractor_weights_path=str(tmp_path / "extractor.safetensors"),
        cuda=False,
        save_cpu_ram=True,
        cache=False,
        verbose=False,
    )
    ours = measured(extractor, train[:N], test, bootstrap=2, seed=0)
    assert ours.fid == pytest.approx(whole["frechet_inception_distance"], rel=1e-3)
    assert ours.precision == pytest.approx(whole["precision"], abs=0.01)
    assert ours.recall == pytest.approx(whole["recall"], abs=0.01)
    assert ours.kid == pytest.approx(whole["kernel_inception_distance_mean"], rel=1e-3)


@pytest.mark.parametrize(("n", "size"), [(120, 60), (2400, 1000)])
def test_kid_is_of_subsets_of_half_the_images_and_at_most_a_thousand(
    extractor: Extractor, test: Images, monkeypatch: pytest.MonkeyPatch, n: int, size: int
) -> None:
    """Of all images each subset would be the same one."""
    sizes: list[int] = []

    def taken(*_: torch.Tensor, kid_subset_size: int, **__: object) -> dict[str, float]:
        sizes.append(kid_subset_size)
        return {"kernel_inception_distance_mean": 0.5}

    monkeypatch.setattr("torch_fidelity.metric_kid.kid_features_to_metric", taken)
    images = ImageSet(seen(np.resize(test, (n, *test.shape[1:]))))
    assert kid(extractor, images, images, seed=0) == 0.5
    assert sizes == [size]


def test_the_floor_is_far_below_the_score_of_bad_images(extractor: Extractor, train: Images, test: Images) -> None:
    floor = measured(extractor, train[:N], test, bootstrap=10, seed=0)
    noise = np.random.default_rng(0).integers(0, 256, size=test.shape, dtype=np.uint8)
    bad = measured(extractor, noise, test, bootstrap=10, seed=0)
    assert floor.fid_low < floor.fid < floor.fid_high < bad.fid_low
    assert floor.kid < bad.kid
    assert floor.precision > 0.5 > bad.precision
    assert floor.recall > 0.5 > bad.recall
    assert fid(extractor, train[:N], test) == floor.fid


def test_the_same_seed_gives_the_same_interval(extractor: Extractor, train: Images, test: Images) -> None:
    # A seed of any length: torch-fidelity's own must fit 32 bits.
    once, again, other = (measured(extractor, train[:N], test, bootstrap=5, seed=s) for s in (2**40, 2**40, 1))
    assert once == again
    assert once.fid == other.fid
    assert once.fid_low != other.fid_low


def test_the_same_images_have_distance_zero(extractor: Extractor, test: Images) -> None:
    assert fid(extractor, test, test) == pytest.approx(0, abs=1e-3)


def test_a_score_refuses_another_number_of_images(extractor: Extractor, train: Images, test: Images) -> None:
    with pytest.raises(MedganError, match=f"50 images against {N}"):
        measured(extractor, train[:50], test, bootstrap=2, seed=0)


def test_scores_of_other_protocols_are_never_compared(extractor: Extractor, train: Images, test: Images) -> None:
    fidelity = measured(extractor, train[:N], test, bootstrap=2, seed=0)
    check_comparable(fidelity, replace(fidelity, fid=1.0))
    for change in ({"extractor": "fid_inception"}, {"digest": "0"}, {"n": 7}, {"split": "validation"}):
        with pytest.raises(MedganError, match=f"differ in {next(iter(change))} "):
            check_comparable(fidelity, replace(fidelity, **change))


def test_agreement_is_the_share_of_right_classes(extractor: Extractor, test: Images) -> None:
    images = seen(test)
    classes = extractor.observe(images).classes
    wrong = np.where(np.arange(N) < N // 4, (classes + 1) % 3, classes)
    assert agreement(extractor, ImageSet(images, labels=classes)) == 1
    assert agreement(extractor, ImageSet(images, labels=wrong)) == 0.75
