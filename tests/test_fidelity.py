"""Scores and copying: what they mean, and which of them may be compared."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch_fidelity import calculate_metrics

from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.evaluation.copying import copied_share
from medgan.randomness import derive_seed
from medgan.scores import fidelity
from medgan.scores.features import Extractor, train_extractor
from medgan.scores.fidelity import agreement, check_comparable, measure, reference, score

Images = NDArray[np.uint8]
N = 120


@pytest.fixture(scope="module")
def extractor(prepared: Prepared) -> Extractor:
    train = prepared.indices("train")
    assert prepared.labels is not None
    return train_extractor(prepared.images[train], prepared.labels[train], classes=3, steps=30, batch=32, seed=0)


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
    ours = measure(extractor, train[:N], reference(extractor, test, split="test"), bootstrap=2, seed=0)
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

    monkeypatch.setattr(fidelity, "kid_features_to_metric", taken)
    images = np.resize(test, (n, *test.shape[1:]))
    assert fidelity.kid(extractor, images, reference(extractor, images, split="test"), seed=0) == 0.5
    assert sizes == [size]


def test_the_floor_is_far_below_the_score_of_bad_images(extractor: Extractor, train: Images, test: Images) -> None:
    real = reference(extractor, test, split="test")
    floor = measure(extractor, train[:N], real, bootstrap=10, seed=0)
    noise = np.random.default_rng(0).integers(0, 256, size=test.shape, dtype=np.uint8)
    bad = measure(extractor, noise, real, bootstrap=10, seed=0)
    assert floor.fid_low < floor.fid < floor.fid_high < bad.fid_low
    assert floor.kid < bad.kid
    assert floor.precision > 0.5 > bad.precision
    assert floor.recall > 0.5 > bad.recall
    assert score(extractor, train[:N], real) == floor.fid


def test_the_same_seed_gives_the_same_interval(extractor: Extractor, train: Images, test: Images) -> None:
    real = reference(extractor, test, split="test")
    # A seed of any length: torch-fidelity's own must fit 32 bits.
    once, again, other = (measure(extractor, train[:N], real, bootstrap=5, seed=s) for s in (2**40, 2**40, 1))
    assert once == again
    assert once.fid == other.fid
    assert once.fid_low != other.fid_low


def test_the_same_images_have_distance_zero(extractor: Extractor, test: Images) -> None:
    assert score(extractor, test, reference(extractor, test, split="test")) == pytest.approx(0, abs=1e-3)


def test_a_score_refuses_another_number_of_images(extractor: Extractor, train: Images, test: Images) -> None:
    real = reference(extractor, test, split="test")
    with pytest.raises(MedganError, match=f"50 images against {N}"):
        score(extractor, train[:50], real)


def test_a_score_refuses_the_reference_of_another_extractor(extractor: Extractor, train: Images, test: Images) -> None:
    other = train_extractor(train, None, classes=0, steps=1, batch=8, seed=1)
    with pytest.raises(MedganError, match="made with extractor"):
        score(other, train[:N], reference(extractor, test, split="test"))


def test_scores_of_other_protocols_are_never_compared(extractor: Extractor, train: Images, test: Images) -> None:
    fidelity = measure(extractor, train[:N], reference(extractor, test, split="test"), bootstrap=2, seed=0)
    check_comparable(asdict(fidelity), asdict(replace(fidelity, fid=1.0)))
    for change in ({"extractor": "fid_inception"}, {"digest": "0"}, {"n": 7}, {"split": "validation"}):
        with pytest.raises(MedganError, match=f"differ in {next(iter(change))} "):
            check_comparable(asdict(fidelity), asdict(fidelity) | change)


def test_agreement_is_the_share_of_right_classes(extractor: Extractor, test: Images) -> None:
    seen = extractor.classify(test)
    wrong = np.where(np.arange(N) < N // 4, (seen + 1) % 3, seen)
    assert agreement(extractor, test, seen) == 1
    assert agreement(extractor, test, wrong) == 0.75


def test_copies_are_found_and_honest_images_are_not(extractor: Extractor, prepared: Prepared, train: Images) -> None:
    features = extractor.features(train)
    held_out = extractor.features(prepared.images[prepared.indices("test")])
    honest = extractor.features(prepared.images[prepared.indices("validation")])
    rng = np.random.default_rng(0)
    faint = (train[:N] + rng.integers(-1, 2, size=train[:N].shape)).clip(0, 255).astype(np.uint8)
    assert copied_share(honest, held_out, features) < 0.06
    assert copied_share(features[:N], held_out, features) == 1
    assert copied_share(extractor.features(faint), held_out, features) > 0.9
    assert copied_share(np.concatenate([honest[:90], features[:30]]), held_out, features) == pytest.approx(
        0.25, abs=0.06
    )
