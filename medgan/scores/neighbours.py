"""What neighbours in features say of two sets of images.

Precision and recall: Kynkäänniemi et al. 2019, by torch-fidelity's own function. Density and coverage: Naeem et al.
2020.
"""

import numpy as np
import torch
from numpy.typing import NDArray

Features = NDArray[np.float32]
# Of those that make the ball about an image, by the papers; of precision and recall, and of density and coverage.
_NEIGHBOURS, NEIGHBOURS = 3, 5
_CHUNK = 1024


def precision_and_recall(generated: Features, truth: Features) -> tuple[float, float]:
    """Shares of either side in the balls of the other. Both (N, D)."""
    from torch_fidelity.metric_prc import prc_features_to_metric  # noqa: PLC0415 (brings torchvision, in seconds)

    figures = prc_features_to_metric(
        torch.from_numpy(generated), torch.from_numpy(truth), prc_neighborhood=_NEIGHBOURS, verbose=False
    )
    return float(figures["precision"]), float(figures["recall"])


def density_and_coverage(generated: Features, truth: Features) -> tuple[float, float]:
    """Of features (n, D) and (m, D), m at least 6 (Naeem et al. 2020, k = 5).

    density: how many balls about real images a generated one lies in, by what real ones would; 1 for real ones.
    coverage: share of real images, 0 to 1, whose ball holds a generated one.
    """
    ours, theirs = torch.from_numpy(generated), torch.from_numpy(truth)
    inside = covered = 0
    for start in range(0, len(theirs), _CHUNK):
        chunk = theirs[start : start + _CHUNK]
        radius = torch.cdist(chunk, theirs).kthvalue(NEIGHBOURS + 1, dim=1).values
        within = torch.cdist(chunk, ours) < radius[:, None]
        inside += int(within.sum())
        covered += int(within.any(dim=1).sum())
    return inside / (NEIGHBOURS * len(ours)), covered / len(theirs)
