"""The Fréchet distance of two sets of features, as if both were Gaussian (Heusel et al. 2017, "FID").

By torch-fidelity's own functions.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from medgan.scores.groups import Rows

Statistics = Mapping[str, NDArray[np.float64]]


def statistics(features: NDArray[np.float32]) -> Statistics:
    """Mean (D,) and covariance (D, D) of features (n, D)."""
    from torch_fidelity.metric_fid import fid_features_to_statistics  # noqa: PLC0415 (brings torchvision, in seconds)

    moments: Statistics = fid_features_to_statistics(torch.from_numpy(features).double())
    return moments


def distance(a: Statistics, b: Statistics) -> float:
    """Measure the Fréchet distance of two sets of features, from 0 up; lower is nearer."""
    from torch_fidelity.metric_fid import fid_statistics_to_metric  # noqa: PLC0415 (as above)

    return float(fid_statistics_to_metric(a, b, verbose=False)["frechet_inception_distance"])


def group_statistics(features: NDArray[np.float32], groups: Iterable[Rows]) -> list[Statistics]:
    """Statistics of each group of rows."""
    return [statistics(features[rows]) for rows in groups]


def mean_distance(a: Iterable[Statistics], b: Iterable[Statistics]) -> float:
    """Measure the mean over groups of the distance of one to its like."""
    return float(np.mean([distance(one, other) for one, other in zip(a, b, strict=True)]))


def distance_of_groups(a: Iterable[NDArray[np.float32]], b: Iterable[NDArray[np.float32]]) -> float:
    """The same of the features (n, D) of each group."""
    return mean_distance(map(statistics, a), map(statistics, b))
