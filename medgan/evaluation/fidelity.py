"""FID (Heusel 2017), KID (Binkowski 2018), precision and recall (Kynkaanniemi 2019), computed by torch-fidelity."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_fidelity import register_feature_extractor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from medgan.errors import MedganError
from medgan.evaluation.features import Extractor
from medgan.randomness import numpy_generator

_PROTOCOL = ("extractor", "digest", "n", "split")


@dataclass(frozen=True)
class Reference:
    """Real images as the extractor sees them: features (n, D) and their mean and covariance."""

    features: NDArray[np.float32]
    statistics: dict[str, NDArray[np.float64]]
    split: str


@dataclass(frozen=True)
class Fidelity:
    """fid_low, fid_high: fid -+ 1.96 bootstrap standard deviations. Lower fid and kid, higher precision and recall."""

    fid: float
    fid_low: float
    fid_high: float
    kid: float
    precision: float
    recall: float
    extractor: str
    digest: str
    n: int
    split: str


def reference(extractor: Extractor, images: NDArray[np.uint8], *, split: str) -> Reference:
    """images: (n, H, W, C) uint8 of the named split."""
    features = extractor.features(images)
    return Reference(features, _statistics(features), split)


def score(extractor: Extractor, images: NDArray[np.uint8], real: Reference) -> float:
    """FID alone; refuses a number of images other than the reference's, because FID depends on it."""
    _same_n(len(images), real)
    return _fid(_statistics(extractor.features(images)), real.statistics)


def measure(extractor: Extractor, images: NDArray[np.uint8], real: Reference, *, bootstrap: int, seed: int) -> Fidelity:
    """Everything at once. images: generated ones, or for the floor real training ones, as many as the reference has."""
    n = len(images)
    _same_n(n, real)
    features = extractor.features(images)
    fid = _fid(_statistics(features), real.statistics)
    deviation = _bootstrap_deviation(features, real.features, bootstrap, seed)
    theirs, ours = torch.from_numpy(features), torch.from_numpy(real.features)
    kid = kid_features_to_metric(
        theirs, ours, kid_subsets=50, kid_subset_size=min(1000, n // 2), rng_seed=seed, verbose=False
    )
    prc = prc_features_to_metric(theirs, ours, verbose=False)
    return Fidelity(
        fid=fid,
        fid_low=fid - 1.96 * deviation,
        fid_high=fid + 1.96 * deviation,
        kid=float(kid["kernel_inception_distance_mean"]),
        precision=float(prc["precision"]),
        recall=float(prc["recall"]),
        extractor=extractor.name,
        digest=extractor.digest,
        n=n,
        split=real.split,
    )


def check_comparable(a: Fidelity, b: Fidelity) -> None:
    """Raise MedganError where two scores were not taken under one protocol."""
    differing = [
        f"{key} ({getattr(a, key)}, {getattr(b, key)})" for key in _PROTOCOL if getattr(a, key) != getattr(b, key)
    ]
    if differing:
        raise MedganError(f"these scores cannot be compared, they differ in {', '.join(differing)}; measure both again")


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
        channels = image[:, : self._extractor.channels].float().div(127.5).sub(1)
        return (self._extractor.scaled(channels),)


register_feature_extractor(Extractor.name, DomainFeatures)


def _statistics(features: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    statistics: dict[str, NDArray[np.float64]] = fid_features_to_statistics(torch.from_numpy(features).double())
    return statistics


def _fid(a: dict[str, NDArray[np.float64]], b: dict[str, NDArray[np.float64]]) -> float:
    return float(fid_statistics_to_metric(a, b, verbose=False)["frechet_inception_distance"])


def _same_n(n: int, real: Reference) -> None:
    if n != len(real.features):
        raise MedganError(f"{n} images against {len(real.features)}: FID depends on n, so both sides need as many")


def _bootstrap_deviation(a: NDArray[np.float32], b: NDArray[np.float32], resamples: int, seed: int) -> float:
    """Standard deviation of FID when both sides are resampled. Not percentiles: repeats in a resample raise every FID.

    The trace of the root comes from symmetric eigenproblems, ten times faster than torch-fidelity's general one.
    """
    rng, values = numpy_generator(seed, "bootstrap"), []
    for _ in range(resamples):
        x, y = (side[rng.integers(len(side), size=len(side))].astype(np.float64) for side in (a, b))
        cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
        eigenvalues, vectors = np.linalg.eigh(cov_x)
        root = (vectors * np.sqrt(eigenvalues.clip(0))) @ vectors.T
        trace = np.sqrt(np.linalg.eigvalsh(root @ cov_y @ root).clip(0)).sum()
        mean = x.mean(axis=0) - y.mean(axis=0)
        values.append(mean @ mean + np.trace(cov_x) + np.trace(cov_y) - 2 * trace)
    return float(np.std(values, ddof=1))
