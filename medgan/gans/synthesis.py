"""Noise (and a class) to image: one generator against one discriminator."""

from typing import cast

import torch
from torch import Tensor, nn

from medgan import losses
from medgan.checking import build
from medgan.config import GanConfig
from medgan.data.spec import Batch, ImageSpec
from medgan.errors import MedganError
from medgan.gans.base import Gan
from medgan.models import MODELS
from medgan.randomness import StepRandomness


class Synthesis(Gan):
    """BCE as published, or the relativistic loss with R1 + R2 penalties (Huang 2024, "The GAN is dead")."""

    def __init__(self, config: GanConfig, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        options = dict(config.model)
        model = build(MODELS, options.pop("name", "(none)"), options, "gan.model")
        if config.conditional and not spec.classes:
            raise MedganError("gan.conditional is true and the data has no labels; set gan.conditional: false")
        if not config.conditional:
            spec = ImageSpec(spec.size, spec.channels)
        self.config, self.spec, self._latent_dim = config, spec, model.latent_dim
        self.generators = nn.ModuleDict({"generator": model.generator(spec)})
        self.discriminators = nn.ModuleDict({"discriminator": model.discriminator(spec)})

    @property
    def latent_dim(self) -> int:
        return self._latent_dim

    def fakes(self, batch: Batch, randomness: StepRandomness) -> dict[str, Tensor]:
        z = torch.randn(len(batch.image), self.latent_dim, generator=randomness.generator("z"))
        return {"image": self.draw(self.generators, z.to(batch.image.device), batch.label)}

    def discriminator_losses(
        self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        config = self.config
        penalised = randomness.step % config.penalty_every == 0 and (config.r1 > 0 or config.r2 > 0)
        real_image = batch.image.detach().requires_grad_(penalised)
        fake_image = fakes["image"].detach().requires_grad_(penalised)
        real, fake = self._logits(real_image, batch.label), self._logits(fake_image, batch.label)
        if config.loss == "bce":
            terms = {"discriminator": losses.bce_discriminator(real, fake, smoothing=config.label_smoothing)}
        else:
            terms = {"discriminator": losses.relativistic_discriminator(real, fake)}
        if penalised:
            # Taken every k-th step at k times the strength: the same pull for less work (Karras 2020).
            if config.r1 > 0:
                terms["r1"] = config.penalty_every * config.r1 * losses.gradient_penalty(real, real_image)
            if config.r2 > 0:
                terms["r2"] = config.penalty_every * config.r2 * losses.gradient_penalty(fake, fake_image)
        return terms, {"logits_real": real.detach().mean(), "logits_fake": fake.detach().mean()}

    def generator_losses(self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness) -> dict[str, Tensor]:
        fake = self._logits(fakes["image"], batch.label)
        if self.config.loss == "bce":
            return {"generator": losses.bce_generator(fake)}
        with torch.no_grad():
            real = self._logits(batch.image, batch.label)
        return {"generator": losses.relativistic_generator(real, fake)}

    def draw(self, generators: nn.ModuleDict, z: Tensor, label: Tensor | None) -> Tensor:
        # float: under autocast the last layer would hand on bf16 images, coarser than 8 bits.
        return cast(Tensor, generators["generator"](z, self._condition(label))).float()

    def _logits(self, image: Tensor, label: Tensor | None) -> Tensor:
        return cast(Tensor, self.discriminators["discriminator"](image, self._condition(label))).float()

    def _condition(self, label: Tensor | None) -> Tensor | None:
        return label if self.spec.classes else None
