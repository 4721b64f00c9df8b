"""Does the generator copy? Nearest training images of generated ones against those of held-out real ones."""

import numpy as np
import torch
from numpy.typing import NDArray

_CHUNK = 512
_PERCENTILE = 1.0


def copied_share(generated: NDArray[np.float32], held_out: NDArray[np.float32], train: NDArray[np.float32]) -> float:
    """Share, 0 to 1, of generated images nearer to a training image than all but 1 % of held-out real images are.

    All arguments are features (n, D) of one extractor; the distance is Euclidean over dimensions that are standardised
    on the training images. An honest generator of real-looking images scores about 0.01, one that repeats its training
    images 1; blurry or wrong images score 0, so this is read beside the FID, never alone.
    Held-out images set the threshold as in the data-copying test of Meehan et al. 2020.
    """
    spread = train.std(axis=0) + 1e-6
    scaled = torch.from_numpy(train / spread)
    threshold = np.percentile(_nearest(torch.from_numpy(held_out / spread), scaled), _PERCENTILE)
    return float((_nearest(torch.from_numpy(generated / spread), scaled) < threshold).mean())


def _nearest(queries: torch.Tensor, train: torch.Tensor) -> NDArray[np.float32]:
    """Distance of each query to its nearest training image: (n,)."""
    nearest = [torch.cdist(queries[i : i + _CHUNK], train).amin(dim=1) for i in range(0, len(queries), _CHUNK)]
    return torch.cat(nearest).numpy()
