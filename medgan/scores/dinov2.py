"""DINOv2 (Oquab et al. 2023) as an extractor of torch-fidelity, whose own one fetches code; by timm, from a file."""

from pathlib import Path

import timm
import torch
from torch import Tensor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torchvision.transforms.functional import normalize

FEATURE = "dinov2"
_SIZE = 224
# Of ImageNet, on 0..255.
_MEAN, _STD = [255 * value for value in (0.485, 0.456, 0.406)], [255 * value for value in (0.229, 0.224, 0.225)]


class Dinov2(FeatureExtractorBase):  # type: ignore[misc]
    """(B, 3, H, W) uint8 -> a tuple of the class token's features (B, D), after the last norm.

    Images are scaled to 224x224 as torch-fidelity scales them.
    """

    def __init__(self, model: str, weights: Path) -> None:
        """model: timm's name. weights: the file as DINOv2's authors publish it."""
        super().__init__(FEATURE, [FEATURE])
        overlay = {"file": str(weights)}
        self.model = timm.create_model(model, pretrained=True, pretrained_cfg_overlay=overlay, img_size=_SIZE)
        self.requires_grad_(False).eval()

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return (FEATURE,)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        scaled = interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=(_SIZE, _SIZE), align_corners=False)
        features: Tensor = self.model(normalize(scaled, _MEAN, _STD))
        return (features.to(torch.float32),)
