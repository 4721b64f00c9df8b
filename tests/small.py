"""Networks that are small enough for tests, and data with all that any of them takes."""

from dataclasses import replace
from typing import Any

import numpy as np

from medgan.data.store import Prepared

DCGAN: dict[str, Any] = {"name": "dcgan", "latent_dim": 8, "width": 4, "max_width": 16, "embedding_dim": 4}
RESIDUAL: dict[str, Any] = {**DCGAN, "name": "residual"}
MSCGAN: dict[str, Any] = {**DCGAN, "name": "mscgan", "region_width": 4, "smallest": 8}
UNET: dict[str, Any] = {"name": "unet", "width": 4, "max_width": 8, "levels": 1, "discriminator_width": 4}


def with_everything(prepared: Prepared) -> Prepared:
    """Grey images with the sources and masks that some systems take too."""
    return replace(
        prepared,
        spec=replace(prepared.spec, mask_channels=1, source_channels=1),
        masks=(prepared.images > 100).astype(np.uint8),
        sources=prepared.images[::-1],
    )
