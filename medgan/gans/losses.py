"""Adversarial losses and gradient penalties: plain functions of logits (B, ...) or images."""

import torch
from torch import Tensor
from torch.nn import functional as F


def bce_discriminator(real: Tensor, fake: Tensor, *, smoothing: float = 1.0) -> Tensor:
    """Binary cross-entropy with the real target lowered to `smoothing` (Goodfellow 2014; Salimans 2016)."""
    real_loss = F.binary_cross_entropy_with_logits(real, torch.full_like(real, smoothing))
    return real_loss + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def bce_generator(fake: Tensor) -> Tensor:
    """Non-saturating: the generator maximises log D(fake) (Goodfellow 2014)."""
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def saturating_generator(fake: Tensor) -> Tensor:
    """The generator minimises log(1 - D(fake)), whose gradient fades where D is sure (Goodfellow 2014)."""
    return -F.softplus(fake).mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge: there is nothing to gain beyond a margin of one (Lim 2017; Miyato 2018)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    return -fake.mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(fake - real), each real image against one fake (RpGAN: Jolicoeur-Martineau 2018; Huang 2024)."""
    return F.softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(real - fake).mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Zero-centred penalty, half the mean squared gradient norm: R1 on real, R2 on fake images (Mescheder 2018).

    logits (B, ...) computed from images (B, C, H, W), which must require a gradient. A map of logits an image counts as
    their mean, as it does in the losses: the gradient of a sum would grow with the number of patches.
    """
    (gradient,) = torch.autograd.grad(logits.reshape(len(logits), -1).mean(dim=1).sum(), images, create_graph=True)
    wide = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
    return 0.5 * wide.square().sum(dim=(1, 2, 3)).mean()
