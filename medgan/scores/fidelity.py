"""How near generated images are to real ones, computed by torch-fidelity on features of the extractor.

FID: Heusel et al. 2017. KID: Bińkowski et al. 2018. Precision and recall: Kynkäänniemi et al. 2019.
"""

from collections.abc import Mapping
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
from medgan.randomness import derive_seed, numpy_generator
from medgan.scores.features import Extractor

_PROTOCOL = ("extractor", "digest", "n", "split")
Quality = Mapping[str, Any]


@dataclass(frozen=True)
class Reference:
    """Real images as one extractor sees them: features (n, D), their mean and covariance, its digest."""

    features: NDArray[np.float32]
    statistics: dict[str, NDArray[np.float64]]
    split: str
    digest: str


@dataclass(frozen=True)
class Fidelity:
    """A score and the protocol that it was taken under.

    fid, from 0 up, and kid, about 0 or more: lower is better. precision (share of generated images that look real) and
    recall (share of real ones that the generator covers), 0 to 1: higher is better.
    fid_low, fid_high: fid -+ 1.96 bootstrap standard deviations over images, not over patients or trainings.
    """

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
    """The real side of a score, made once. images: (n, H, W, C) uint8 of the named split."""
    features = extractor.features(images)
    return Reference(features, _statistics(features), split, extractor.digest)


def score(extractor: Extractor, images: NDArray[np.uint8], real: Reference) -> float:
    """FID alone, of images (n, H, W, C) uint8.

    Raises MedganError for a number of images other than the reference's, because FID depends on it, or for a
    reference made with another extractor.
    """
    _same_protocol(extractor, len(images), real)
    return _fid(_statistics(extractor.features(images)), real.statistics)


def agreement(extractor: Extractor, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Share, 0 to 1, of images (n, H, W, C) uint8 in which the extractor sees the class they were drawn as."""
    return float((extractor.classify(images) == labels).mean())


def measure(extractor: Extractor, images: NDArray[np.uint8], real: Reference, *, bootstrap: int, seed: int) -> Fidelity:
    """Every figure at once. images: (n, H, W, C) uint8, generated; or real training images, which gives the floor.

    bootstrap: resamples behind the interval, at least 2. Raises MedganError as `score` does.
    """
    n = len(images)
    _same_protocol(extractor, n, real)
    features = extractor.features(images)
    fid = _fid(_statistics(features), real.statistics)
    deviation = _bootstrap_deviation(features, real.features, bootstrap, seed)
    prc = prc_features_to_metric(torch.from_numpy(features), torch.from_numpy(real.features), verbose=False)
    return Fidelity(
        fid=fid,
        fid_low=fid - 1.96 * deviation,
        fid_high=fid + 1.96 * deviation,
        kid=_kid(features, real, seed),
        precision=float(prc["precision"]),
        recall=float(prc["recall"]),
        extractor=extractor.name,
        digest=extractor.digest,
        n=n,
        split=real.split,
    )


def kid(extractor: Extractor, images: NDArray[np.uint8], real: Reference, *, seed: int) -> float:
    """KID alone, which unlike FID has no bias on few images (n, H, W, C) uint8. Raises MedganError as `score` does."""
    _same_protocol(extractor, len(images), real)
    return _kid(extractor.features(images), real, seed)


def check_comparable(a: Quality, b: Quality) -> None:
    """Raise MedganError where two scores, as mappings, were not taken under one protocol."""
    differing = [f"{key} ({a[key]}, {b[key]})" for key in _PROTOCOL if a[key] != b[key]]
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
        return (self._extractor.pooled(channels),)


register_feature_extractor(Extractor.name, DomainFeatures)


def _statistics(features: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    statistics: dict[str, NDArray[np.float64]] = fid_features_to_statistics(torch.from_numpy(features).double())
    return statistics


def _fid(a: dict[str, NDArray[np.float64]], b: dict[str, NDArray[np.float64]]) -> float:
    return float(fid_statistics_to_metric(a, b, verbose=False)["frechet_inception_distance"])


def _kid(features: NDArray[np.float32], real: Reference, seed: int) -> float:
    found = kid_features_to_metric(
        torch.from_numpy(features),
        torch.from_numpy(real.features),
        kid_subsets=50,
        kid_subset_size=min(1000, len(features) // 2),
        rng_seed=derive_seed(seed, "kid") % 2**32,
        verbose=False,
    )
    return float(found["kernel_inception_distance_mean"])


def _same_protocol(extractor: Extractor, n: int, real: Reference) -> None:
    if n != len(real.features):
        raise MedganError(f"{n} images against {len(real.features)}: FID depends on n, so both sides need as many")
    if extractor.digest != real.digest:
        raise MedganError(f"the reference was made with extractor {real.digest}, not {extractor.digest}; make it again")


def _bootstrap_deviation(a: NDArray[np.float32], b: NDArray[np.float32], resamples: int, seed: int) -> float:
    """Standard deviation of the FID when both sides are resampled with replacement.

    Not percentiles: a resample holds each image 0, 1, 2 or more times, which raises every resampled FID, so that the
    measured one would often lie below its own interval.
    """
    rng = numpy_generator(seed, "bootstrap")
    values = [
        _fid(*(_statistics(side[rng.integers(len(side), size=len(side))]) for side in (a, b))) for _ in range(resamples)
    ]
    return float(np.std(values, ddof=1))
