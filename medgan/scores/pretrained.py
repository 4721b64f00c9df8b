"""Published extractors beside fid_domain: InceptionV3 as FID is usually taken with, and DINOv2."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medgan.device import resolve_device
from medgan.errors import MedganError
from medgan.imaging.arrays import Images, to_uint8
from medgan.scores.extractor import Observation
from medgan.scores.weights import WEIGHTS, known

# Part of each digest: a change of how images are given to the networks renames it.
_RECIPE = "v1"
_BATCH = 32


class Pretrained:
    """A published network as a judge of grey or RGB images of any size, at 8 bits, as it was trained on.

    Its features know photographs; two generators of one medical kind may differ in what it does not see. KID has
    torch-fidelity's usual cubic kernel.
    """

    kernel_width = None

    def __init__(self, name: str, weights: Path) -> None:
        """name: in WEIGHTS, of a file that was checked."""
        self.name, self.digest = WEIGHTS[name].extractor, f"{WEIGHTS[name].sha256[:12]}-{_RECIPE}"
        self._network = _NETWORKS[name](weights).to(resolve_device())

    @torch.no_grad()
    def observe(self, images: Images) -> Observation:
        """(N, C, H, W) in [-1, 1] -> features (N, D). Raises MedganError for other than one or three channels."""
        if images.shape[1] not in (1, 3):
            raise MedganError(
                f"{self.name} knows grey and RGB images, not {images.shape[1]} channels; leave features.weights empty"
            )
        pixels = torch.from_numpy(to_uint8(images)).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
        batches = (pixels[i : i + _BATCH].to(resolve_device()) for i in range(0, len(pixels), _BATCH))
        parts = [self._network(batch)[0].cpu().numpy() for batch in batches]
        return Observation(np.concatenate(parts), None)


def open_pretrained(path: Path) -> Pretrained:
    """Make the judge of a file of WEIGHTS. Raises MedganError where it is missing or another one."""
    return Pretrained(known(path), path)


def _inception(weights: Path) -> Any:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # noqa: PLC0415 (seconds)

    return FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights))


def _dinov2(model: str, weights: Path) -> Any:
    logging.getLogger("timm").setLevel(logging.WARNING)
    from medgan.scores.dinov2 import Dinov2  # noqa: PLC0415 (as above)

    return Dinov2(model, weights)


_NETWORKS: Mapping[str, Callable[[Path], Any]] = {
    "inception": _inception,
    "dinov2-small": partial(_dinov2, "vit_small_patch14_dinov2.lvd142m"),
    "dinov2-base": partial(_dinov2, "vit_base_patch14_dinov2.lvd142m"),
}
