"""Scores and copying: what they mean, and which of them may be compared."""

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pixels import seen
from prdc import compute_prdc
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from torch import Tensor
from torch_fidelity import calculate_metrics, register_feature_extractor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.scores.extractor import Extractor, Observation
from medgan.scores.fidelity import agreement, inception_score, kid, margin_between, measure
from medgan.scores.figures import Fidelity, check_comparable
from medgan.scores.frechet import distance, statistics
from medgan.scores.images import ImageSet
from medgan.scores.learning import train_extractor

Images = NDArray[np.uint8]
N = 120


@pytest.fixture(scope="module")
def extractor(prepared: Prepared) -> Extractor:
    train = prepared.indices("train")
    assert prepared.labels is not None
    images = seen(prepared.images[train])
    return train_extractor(images, prepared.labels[train], classes=3, steps=30, batch=32, seed=0)


def measured(extractor: Extractor, images: Images, real: Images, *, resamples: int, seed: int) -> Fidelity:
    generated, truth = ImageSet(seen(images)), ImageSet(seen(real))
    return measure(extractor, generated, truth, alike=truth, split="test", resamples=resamples, seed=seed)


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
        kid_kernel="rbf",
        kid_kernel_rbf_sigma=extractor.kernel_width,
        kid_subset_size=N,
        kid_subsets=1,
        feature_extractor="fid_domain",
        feature_extractor_weights_path=str(tmp_path / "extractor.safetensors"),
        cuda=False,
        save_cpu_ram=True,
        cache=False,
        verbose=False,
    )
    ours = measured(extractor, train[:N], test, resamples=2, seed=0)
    assert ours.fid == pytest.approx(whole["frechet_inception_distance"], rel=1e-3)
    assert ours.precision == pytest.approx(whole["precision"], abs=0.01)
    assert ours.recall == pytest.approx(whole["recall"], abs=0.01)
    assert ours.kid == pytest.approx(whole["kernel_inception_distance_mean"], rel=1e-3)


def test_independent_computations_give_the_same_numbers(extractor: Extractor, train: Images, test: Images) -> None:
    """FID by the matrix root of its definition, KID by its sums, the others by the authors' package."""
    ours = measured(extractor, train[:N], test, resamples=2, seed=0)
    a, b = (extractor.observe(seen(pixels)).features.astype(np.float64) for pixels in (train[:N], test))
    one, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    half = sqrtm(one)
    root = sqrtm(half @ other @ half).real
    fid = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + np.trace(one + other - 2 * root)
    kernels = [
        np.exp(-cdist(x, y, "sqeuclidean") / (2 * extractor.kernel_width**2)) for x, y in ((a, a), (b, b), (a, b))
    ]
    within = [(kernel.sum() - N) / (N * (N - 1)) for kernel in kernels[:2]]
    assert ours.fid == pytest.approx(fid, rel=1e-3)
    assert ours.kid == pytest.approx(sum(within) - 2 * kernels[2].mean(), rel=1e-3)
    three, five = (compute_prdc(real_features=b, fake_features=a, nearest_k=k) for k in (3, 5))
    assert {"precision": ours.precision, "recall": ours.recall} == pytest.approx(
        {key: three[key] for key in ("precision", "recall")}, rel=1e-3
    )
    assert {"density": ours.density, "coverage": ours.coverage} == pytest.approx(
        {key: five[key] for key in ("density", "coverage")}, rel=1e-3
    )


@pytest.mark.parametrize(("n", "expected"), [(120, (120, 1)), (1000, (1000, 1)), (2400, (1000, 10))])
def test_kid_is_of_all_images_or_of_subsets_of_a_thousand(
    extractor: Extractor, test: Images, monkeypatch: pytest.MonkeyPatch, n: int, expected: tuple[int, int]
) -> None:
    asked: list[tuple[int, int]] = []

    def taken(*_: torch.Tensor, kid_subset_size: int, kid_subsets: int, **__: object) -> dict[str, float]:
        asked.append((kid_subset_size, kid_subsets))
        return {"kernel_inception_distance_mean": 0.5}

    monkeypatch.setattr("torch_fidelity.metric_kid.kid_features_to_metric", taken)
    images = ImageSet(seen(np.resize(test, (n, *test.shape[1:]))))
    assert kid(extractor, images, images, seed=0) == 0.5
    assert asked == [expected]


class Plain:
    """An embedder of images (1, 2, 2) whose features are their pixels."""

    name, digest, kernel_width = "plain", "p", 1.0

    def observe(self, images: NDArray[np.float32], /) -> Observation:
        return Observation(images.reshape(len(images), -1), None)


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_intervals_of_the_other_figures_hold_the_mean_of_fresh_draws(shift: float) -> None:
    """As far as 30 draws say: not too narrow, and less than twice as wide as they should be."""
    values: dict[str, list[tuple[float, float]]] = {}
    for number in range(30):
        rng = np.random.default_rng(number)
        images, real, alike = (
            ImageSet(rng.normal(by, 1, (100, 1, 2, 2)).astype(np.float32)) for by in (shift, 0.0, 0.0)
        )
        found = measure(Plain(), images, real, alike=alike, split="test", resamples=10, seed=0)
        for name, margin in found.margins.items():
            values.setdefault(name, []).append((getattr(found, name), margin))
    assert list(values) == ["kid", "precision", "recall", "density", "coverage"]
    for name, pairs in values.items():
        figures, margins = np.array(pairs).T
        assert np.mean(np.abs(figures - figures.mean()) <= margins) >= 0.85, name
        assert margins.mean() < 2 * 1.96 * figures.std(ddof=1), name


def test_a_class_too_small_for_a_distance_is_looked_at_by_itself(extractor: Extractor, prepared: Prepared) -> None:
    """A generator that never draws the rare class is not hidden by what it is judged together with."""
    assert prepared.labels is not None
    common, rare = (np.flatnonzero(prepared.labels == code)[:count] for code, count in ((0, 140), (1, 40)))
    labels = np.repeat([0, 1], (140, 40))
    real = ImageSet(seen(np.asarray(prepared.images[np.concatenate([common, rare])])), labels=labels)
    drawn = ImageSet(seen(np.asarray(prepared.images[np.concatenate([common, common[:40]])])), labels=labels)
    names = ("common", "rare", "none")
    judged = measure(extractor, drawn, real, alike=real, names=names, split="test", resamples=2, seed=0)
    assert judged.counts == {"all images": 180} and judged.groups["all images"].recall > 0.7
    assert [part.n for part in judged.classes.values()] == [140, 40, 0]
    of_rare, of_common = judged.classes["rare"], judged.classes["common"]
    assert of_common.recall == of_common.coverage == 1
    assert of_rare.recall is not None and of_rare.coverage is not None and of_rare.recall + of_rare.coverage < 0.9
    assert judged.classes["none"].recall is None
    assert Fidelity.of_tree(asdict(judged)) == judged


def test_each_class_is_compared_with_its_like(extractor: Extractor, prepared: Prepared) -> None:
    """Images of the wrong class are as good as any where all are judged together."""
    assert prepared.labels is not None
    rows = np.concatenate([np.flatnonzero(prepared.labels == code)[:140] for code in (0, 1)])
    images, labels = np.asarray(prepared.images[rows]), np.repeat([0, 1], 140)
    real = ImageSet(seen(images), labels=labels)
    swapped = ImageSet(seen(images[::-1]), labels=labels)
    judged = measure(extractor, swapped, real, alike=real, names=("a", "b"), split="test", resamples=2, seed=0)
    together = measure(extractor, swapped, real, alike=real, split="test", resamples=2, seed=0)
    assert together.fid == pytest.approx(0, abs=1e-3) and together.counts == {"all images": 280}
    assert judged.fid > 1 and judged.counts == {"a": 140, "b": 140} and judged.classes.keys() == {"a", "b"}
    assert judged.fid == pytest.approx(np.mean([group.fid for group in judged.groups.values()]))
    assert judged.groups[judged.worst].fid == max(group.fid for group in judged.groups.values())
    with pytest.raises(MedganError, match="140 images of a against 141 real ones"):
        uneven = ImageSet(seen(images), labels=np.repeat([0, 1], (141, 139)))
        measure(extractor, swapped, uneven, alike=real, names=("a", "b"), split="test", resamples=2, seed=0)


def test_the_interval_is_over_patients(extractor: Extractor, train: Images, test: Images) -> None:
    """Four images each of a quarter of the patients say less than as many images of one each."""
    few = np.repeat([f"p{i}" for i in range(N // 4)], 4)
    margins = []
    for patients in (None, few):
        images = np.repeat(train[: N // 4], 4, axis=0)
        found = measure(
            extractor,
            ImageSet(seen(images), patients=patients),
            ImageSet(seen(test)),
            alike=ImageSet(seen(test)),
            split="test",
            resamples=40,
            seed=0,
        )
        margins.append(found.fid_high - found.fid)
    assert margins[1] > 1.2 * margins[0]


def test_an_interval_of_too_few_patients_is_as_wide_as_the_distance(
    extractor: Extractor, train: Images, test: Images
) -> None:
    """It must be a number, since JSON has no infinity, and nobody may be crowned by it."""
    few = ImageSet(seen(test), patients=np.repeat(["a", "b"], len(test) // 2))
    drawn = [ImageSet(seen(images)) for images in (train[: len(test)], test)]
    found = measure(extractor, drawn[0], few, alike=drawn[1], split="test", resamples=5, seed=0)
    assert found.fid > 0 and (found.fid_low, found.fid_high) == (0, 2 * found.fid)
    assert margin_between(extractor, *drawn, few, resamples=5, seed=0) == math.inf


def test_the_floor_is_far_below_the_score_of_bad_images(extractor: Extractor, train: Images, test: Images) -> None:
    floor = measured(extractor, train[:N], test, resamples=10, seed=0)
    noise = np.random.default_rng(0).integers(0, 256, size=test.shape, dtype=np.uint8)
    bad = measured(extractor, noise, test, resamples=10, seed=0)
    assert floor.fid_low < floor.fid < floor.fid_high < bad.fid_low
    assert floor.kid < bad.kid
    assert floor.precision > 0.5 > bad.precision
    assert floor.recall > 0.5 > bad.recall
    assert fid(extractor, train[:N], test) == floor.fid


def test_the_same_seed_gives_the_same_interval(extractor: Extractor, train: Images, test: Images) -> None:
    # A seed of any length: torch-fidelity's own must fit 32 bits.
    once, again, other = (measured(extractor, train[:N], test, resamples=5, seed=s) for s in (2**40, 2**40, 1))
    assert once == again
    assert once.fid == other.fid
    assert once.fid_low != other.fid_low


def test_the_same_images_have_distance_zero(extractor: Extractor, test: Images) -> None:
    assert fid(extractor, test, test) == pytest.approx(0, abs=1e-3)


def test_a_score_refuses_another_number_of_images(extractor: Extractor, train: Images, test: Images) -> None:
    with pytest.raises(MedganError, match=f"50 images against {N}"):
        measured(extractor, train[:50], test, resamples=2, seed=0)


def test_scores_of_other_protocols_are_never_compared(extractor: Extractor, train: Images, test: Images) -> None:
    fidelity = measured(extractor, train[:N], test, resamples=2, seed=0)
    check_comparable(fidelity, replace(fidelity, fid=1.0))
    for change in ({"extractor": "fid_inception"}, {"digest": "0"}, {"n": 7}, {"split": "validation"}, {"groups": {}}):
        with pytest.raises(MedganError, match=f"differ in {next(iter(change)).replace('groups', 'counts')} "):
            check_comparable(fidelity, replace(fidelity, **change))


def test_agreement_is_the_share_of_right_classes(extractor: Extractor, test: Images) -> None:
    images = seen(test)
    classes = extractor.observe(images).classes
    wrong = np.where(np.arange(N) < N // 4, (classes + 1) % 3, classes)
    assert agreement(extractor, ImageSet(images, labels=classes)) == 1
    assert agreement(extractor, ImageSet(images, labels=wrong)) == 0.75


def test_the_inception_score_is_that_of_its_definition(extractor: Extractor, test: Images) -> None:
    """Of ten parts of the images in a random order: exp of the mean divergence from the mean answer."""
    images = ImageSet(seen(test))
    once, again = (inception_score(extractor, images, seed=seed) for seed in (0, 0))
    logits = images.logits(extractor).astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    whole = np.exp((shares * (np.log(shares) - np.log(shares.mean(axis=0)))).sum(axis=1).mean())
    assert once == again and 1 < once <= 3
    assert once == pytest.approx(whole, rel=0.1)
    same = ImageSet(seen(np.repeat(test[:1], N, axis=0)))
    assert inception_score(extractor, same, seed=0) == pytest.approx(1)
