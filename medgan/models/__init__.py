"""Networks only. A new model is one file and one line in the table of the GAN that it is for."""

from typing import Protocol

from torch import nn

from medgan.data.spec import ImageSpec
from medgan.models.dcgan import DCGAN
from medgan.models.mscgan import MSCGAN
from medgan.models.residual import Residual
from medgan.models.transformer import Transformer
from medgan.models.unet import PublishedUNet, UNet


class Model(Protocol):
    """A frozen dataclass of hyperparameters that builds networks for any ImageSpec.

    A generator maps (z (B, latent_dim) float32, label (B,) int64 or None) to images (B, C, H, W) in [-1, 1];
    a discriminator maps (image, label) to logits (B,). spec.classes = 0 builds unconditional networks.
    """

    @property
    def latent_dim(self) -> int: ...

    def generator(self, spec: ImageSpec) -> nn.Module: ...

    def discriminator(self, spec: ImageSpec) -> nn.Module: ...


class TranslationModel(Protocol):
    """A frozen dataclass of hyperparameters that builds networks for images of a power of two a side.

    A generator maps images (B, inputs, H, W) to (B, outputs, H, W), both in [-1, 1]; a discriminator maps images
    (B, channels, size, size) to a map of logits (B, 1, h, w).
    """

    def generator(self, inputs: int, outputs: int) -> nn.Module: ...

    def discriminator(self, channels: int, size: int) -> nn.Module: ...


MODELS: dict[str, type[Model]] = {"dcgan": DCGAN, "residual": Residual, "transformer": Transformer}
MULTISCALE_MODELS: dict[str, type[MSCGAN]] = {"mscgan": MSCGAN}
TRANSLATION_MODELS: dict[str, type[TranslationModel]] = {"published-unet": PublishedUNet, "unet": UNet}
