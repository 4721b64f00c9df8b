"""Noise (and a class) to image: one generator against one discriminator."""

from contextlib import nullcontext
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from medgan import losses
from medgan.augment import augmented
from medgan.checking import build
from medgan.config import GanConfig
from medgan.data.spec import Batch, ImageSpec
from medgan.errors import MedganError
from medgan.gans.base import Gan
from medgan.models import MODELS
from medgan.randomness import StepRandomness

_GENERATOR_LOSSES = {
    "bce": losses.bce_generator,
    "saturating": losses.saturating_generator,
    "hinge": losses.hinge_generator,
}


class Synthesis(Gan):
    """Losses as published, or the relativistic one with R1 + R2 penalties (Huang 2024, "The GAN is dead")."""

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
        self._noise = config.instance_noise

    @property
    def latent_dim(self) -> int:
        return self._latent_dim

    def fakes(self, batch: Batch, randomness: StepRandomness) -> dict[str, Tensor]:
        z = torch.randn(len(batch.image), self.latent_dim, generator=randomness.generator("z"))
        return {"image": self.draw(self.generators, z.to(batch.image.device), batch.label)}

    def set_progress(self, fraction: float) -> None:
        config = self.config
        self._noise = config.instance_noise * max(0.0, 1 - fraction / config.instance_noise_until)

    def discriminator_losses(
        self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        config = self.config
        penalised = randomness.step % config.penalty_every == 0 and (config.r1 > 0 or config.r2 > 0)
        real_image = batch.image.detach().requires_grad_(penalised)
        fake_image = fakes["image"].detach().requires_grad_(penalised)
        # Fused attention has no second derivative, which penalties need.
        with sdpa_kernel(SDPBackend.MATH) if penalised else nullcontext():
            real = self._logits(self._seen(real_image, randomness, "real"), batch.label)
            fake = self._logits(self._seen(fake_image, randomness, "fake"), batch.label)
        if config.loss == "relativistic":
            terms = {"discriminator": losses.relativistic_discriminator(real, fake)}
        elif config.loss == "hinge":
            terms = {"discriminator": losses.hinge_discriminator(real, fake)}
        else:
            terms = {"discriminator": losses.bce_discriminator(real, fake, smoothing=config.label_smoothing)}
        if penalised:
            # Taken every k-th step at k times the strength: the same pull for less work (Karras 2020).
            if config.r1 > 0:
                terms["r1"] = config.penalty_every * config.r1 * losses.gradient_penalty(real, real_image)
            if config.r2 > 0:
                terms["r2"] = config.penalty_every * config.r2 * losses.gradient_penalty(fake, fake_image)
        return terms, {"logits_real": real.detach().mean(), "logits_fake": fake.detach().mean()}

    def generator_losses(self, batch: Batch, fakes: dict[str, Tensor], randomness: StepRandomness) -> dict[str, Tensor]:
        fake = self._logits(self._seen(fakes["image"], randomness, "fake"), batch.label)
        if self.config.loss == "relativistic":
            with torch.no_grad():
                real = self._logits(self._seen(batch.image, randomness, "real"), batch.label)
            return {"generator": losses.relativistic_generator(real, fake)}
        return {"generator": _GENERATOR_LOSSES[self.config.loss](fake)}

    @torch.no_grad()
    def held_out_figures(self, held_out: Batch, drawn: Tensor) -> dict[str, float]:
        """Mean logits, and the share of held-out real images that the discriminator takes for real.

        The relativistic loss fixes no zero: an image counts as real there if it beats the mean generated one.
        """
        self.discriminators.eval()
        real, fake = self._logits(held_out.image, held_out.label), self._logits(drawn, held_out.label)
        self.discriminators.train()
        threshold = fake.mean() if self.config.loss == "relativistic" else torch.zeros(())
        return {
            "held_out/logits_real": float(real.mean()),
            "held_out/logits_fake": float(fake.mean()),
            "held_out/accuracy": float((real > threshold).float().mean()),
        }

    def draw(self, generators: nn.ModuleDict, z: Tensor, label: Tensor | None) -> Tensor:
        # float: under autocast the last layer would hand on bf16 images, coarser than 8 bits.
        return cast(Tensor, generators["generator"](z, self._condition(label))).float()

    def _seen(self, image: Tensor, randomness: StepRandomness, stream: str) -> Tensor:
        """What the discriminator sees of an image: augmented, then noisy. Both phases of a step see the same."""
        image = augmented(image, self.config.augment, randomness.generator(f"augment/{stream}"))
        if self._noise > 0:
            noise = torch.randn(image.shape, generator=randomness.generator(f"noise/{stream}"))
            image = image + self._noise * noise.to(image)
        return image

    def _logits(self, image: Tensor, label: Tensor | None) -> Tensor:
        return cast(Tensor, self.discriminators["discriminator"](image, self._condition(label))).float()

    def _condition(self, label: Tensor | None) -> Tensor | None:
        return label if self.spec.classes else None
