"""Paired translation: L1 regression (U-Net), and with a discriminator of pairs the conditional GAN of Isola 2017."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.config.checking import build
from medgan.config.gan import CycleGanConfig, TranslationConfig
from medgan.data.batch import Batch
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans.adversarial import Discriminate, Game
from medgan.gans.base import Gan
from medgan.models import TRANSLATION_MODELS, TranslationModel
from medgan.models.layers import to_float32
from medgan.randomness import StepRandomness


class Translation(Gan):
    """Weights of the terms: `gan.weights`; with adversarial: 0 there is no discriminator."""

    inputs, latent_dim = ("source",), 0

    def __init__(self, config: TranslationConfig, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        model, self.spec = translating(config, spec)
        if config.weights.adversarial == config.weights.pixel == 0:
            raise MedganError("gan.weights: adversarial and pixel are both 0: nothing would be learnt; raise one")
        if "saturation" in config.augment and config.weights.adversarial > 0:
            raise MedganError(
                "gan.augment: saturation would mix an image with its source, which the discriminator sees as channels "
                "of one; leave it out"
            )
        self.game, self._weights = Game(config), config.weights
        self.generators = nn.ModuleDict({"generator": model.generator(spec.source_channels, spec.channels)})
        self.discriminators = nn.ModuleDict()
        if config.weights.adversarial > 0:
            channels = spec.source_channels + spec.channels
            self.discriminators["discriminator"] = model.discriminator(channels, spec.size)

    def fakes(self, batch: Batch, randomness: StepRandomness) -> dict[str, Tensor]:
        return {"image": self.draw(self.generators, batch.conditions())}

    def discriminator_losses(
        self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        if not self.discriminators:
            return {}, {}
        real, fake = _pairs(batch.image, batch), _pairs(fakes["image"], batch)
        return self.game.discriminator_terms(self._logits, real, fake, randomness)

    def generator_losses(self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness) -> dict[str, Tensor]:
        losses = {"pixel": self._weights.pixel * F.l1_loss(fakes["image"], batch.image)}
        if self.discriminators:
            real, fake = _pairs(batch.image, batch), _pairs(fakes["image"], batch)
            loss = self.game.generator_loss(self._logits, real, fake, randomness)
            losses["adversarial"] = self._weights.adversarial * loss
        return losses

    def held_out(self, batch: Batch, drawn: Tensor) -> tuple[Discriminate, Tensor, Tensor]:
        return self._logits, _pairs(batch.image, batch), _pairs(drawn, batch)

    def draw(self, generators: nn.ModuleDict, inputs: Mapping[str, Tensor]) -> Tensor:
        return to_float32(generators["generator"](inputs["source"]))

    def _logits(self, pair: Tensor) -> Tensor:
        return to_float32(self.discriminators["discriminator"](pair))


def _pairs(image: Tensor, batch: Batch) -> Tensor:
    """Image and source as channels of one: what augments or disturbs the one does so to the other."""
    assert batch.source is not None
    return torch.cat([image, batch.source], dim=1)


def translating(config: TranslationConfig | CycleGanConfig, spec: ImageSpec) -> tuple[TranslationModel, ImageSpec]:
    """The model, and what its networks take of the data. Raises MedganError where they do not fit each other."""
    options = dict(config.model)
    model = build(TRANSLATION_MODELS, options.pop("name", "(none)"), options, "gan.model")
    if not spec.source_channels:
        raise MedganError(
            "gan.name: translation and cyclegan need source images and the data has none; see data.source"
        )
    try:
        with torch.device("meta"):  # costs no memory
            source = torch.empty(2, spec.source_channels, spec.size, spec.size)
            model.discriminator(spec.channels, spec.size)(model.generator(spec.source_channels, spec.channels)(source))
    except (RuntimeError, ValueError):
        raise MedganError(
            f"gan.model: {config.model['name']} halves images of {spec.size}x{spec.size} more often than they can be; "
            "raise data.size, or set fewer levels or another gan.model.name"
        ) from None
    return model, ImageSpec(spec.size, spec.channels, source_channels=spec.source_channels)
