"""The game of one discriminator against a generator: losses, penalties, and what the discriminator sees of an image."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from medgan.config.gan import GanConfig
from medgan.gans import losses
from medgan.gans.augment import augmented
from medgan.levels import Level
from medgan.randomness import Normal, StepRandomness

Discriminate = Callable[[Tensor], Tensor]  # images (B, C, H, W) to logits (B, ...), one or a map of them an image

_GENERATOR_LOSSES = {
    "bce": losses.bce_generator,
    "saturating": losses.saturating_generator,
    "hinge": losses.hinge_generator,
}


@dataclass
class Game:
    """Losses as published, or the relativistic one with R1 + R2 penalties (Huang 2024, "The GAN is dead").

    noise: standard deviation of the instance noise at this step; r1, r2: weights of the penalties where they are due.
    """

    config: GanConfig
    noise: Level = field(default_factory=lambda: Level(0.0))
    r1: Level = field(default_factory=lambda: Level(0.0))
    r2: Level = field(default_factory=lambda: Level(0.0))

    def __post_init__(self) -> None:
        self.set_progress(0.0)

    def set_progress(self, fraction: float) -> None:
        config = self.config
        # Taken every k-th step at k times the strength: the same pull for less work (Karras 2020).
        weight = config.penalty_every * config.penalty_end**fraction
        self.r1.now, self.r2.now = weight * config.r1, weight * config.r2
        self.noise.now = config.instance_noise * max(0.0, 1 - fraction / config.instance_noise_until)

    @property
    def levels(self) -> list[Level]:
        return [self.noise, self.r1, self.r2]

    def penalised(self, step: int) -> bool:
        """Say whether penalties are due at this step."""
        return step % self.config.penalty_every == 0 and (self.config.r1 > 0 or self.config.r2 > 0)

    def discriminator_terms(
        self, discriminate: Discriminate, real: Tensor, fake: Tensor, randomness: StepRandomness
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Losses of the discriminator, and its mean logits, for real and generated images of one batch."""
        config = self.config
        penalised = self.penalised(randomness.step)
        real, fake = (image.detach().requires_grad_(penalised) for image in (real, fake))
        # Fused attention has no second derivative, which penalties need.
        with sdpa_kernel(SDPBackend.MATH) if penalised else nullcontext():
            real_logits = discriminate(self._seen(real, randomness, "real"))
            fake_logits = discriminate(self._seen(fake, randomness, "fake"))
        if config.loss == "relativistic":
            terms = {"discriminator": losses.relativistic_discriminator(real_logits, fake_logits)}
        elif config.loss == "hinge":
            terms = {"discriminator": losses.hinge_discriminator(real_logits, fake_logits)}
        else:
            smoothing = config.label_smoothing
            terms = {"discriminator": losses.bce_discriminator(real_logits, fake_logits, smoothing=smoothing)}
        if penalised and config.r1 > 0:
            terms["r1"] = self.r1.value * losses.gradient_penalty(real_logits, real)
        if penalised and config.r2 > 0:
            terms["r2"] = self.r2.value * losses.gradient_penalty(fake_logits, fake)
        return terms, {"logits_real": real_logits.detach().mean(), "logits_fake": fake_logits.detach().mean()}

    def generator_loss(
        self, discriminate: Discriminate, real: Tensor, fake: Tensor, randomness: StepRandomness
    ) -> Tensor:
        logits = discriminate(self._seen(fake, randomness, "fake"))
        if self.config.loss == "relativistic":
            with torch.no_grad():
                real_logits = discriminate(self._seen(real, randomness, "real"))
            return losses.relativistic_generator(real_logits, logits)
        return _GENERATOR_LOSSES[self.config.loss](logits)

    @torch.no_grad()
    def held_out_figures(self, discriminate: Discriminate, real: Tensor, drawn: Tensor) -> dict[str, float]:
        """Mean logits, and the share of held-out real images that the discriminator takes for real.

        The relativistic loss fixes no zero: an image counts as real there if it beats the mean generated one.
        """
        real_logits, drawn_logits = discriminate(real), discriminate(drawn)
        threshold = drawn_logits.mean() if self.config.loss == "relativistic" else torch.zeros(())
        return {
            "held_out/logits_real": float(real_logits.mean()),
            "held_out/logits_fake": float(drawn_logits.mean()),
            "held_out/accuracy": float((real_logits > threshold).float().mean()),
        }

    def _seen(self, image: Tensor, randomness: StepRandomness, stream: str) -> Tensor:
        """An image augmented, then noisy. Both phases of a step see the same."""
        image = augmented(image, self.config.augment, randomness, f"augment/{stream}")
        if self.noise.now > 0:
            noise = randomness.draw(f"noise/{stream}", Normal(image.shape[1:]), len(image))
            image = image + self.noise.value * noise.to(image, non_blocking=True)
        return image
