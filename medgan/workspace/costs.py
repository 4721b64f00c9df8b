"""How large and how costly a configuration's networks are."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from medgan.config.gan import GanConfig
from medgan.data.batch import Batch
from medgan.data.spec import ImageSpec
from medgan.gans import build_gan
from medgan.randomness import StepRandomness


@dataclass(frozen=True)
class Costs:
    """Parameters of all generators and of all discriminators; multiply-adds to draw one image, and of a whole step.

    step: an image's share of one update of either side without penalties, forward and backward.
    """

    generator: int
    discriminator: int
    draw: int
    step: int


def costs(config: GanConfig, spec: ImageSpec) -> Costs:
    """Counted on two blank images; spec: what the data would dictate."""
    with torch.random.fork_rng(devices=[]):
        gan = build_gan(config.model_copy(update={"r1": 0.0, "r2": 0.0}), spec)
    n, label = 2, torch.zeros(2, dtype=torch.int64)
    mask = torch.zeros(n, spec.mask_channels, spec.size, spec.size) if spec.mask_channels else None
    source = torch.zeros(n, spec.source_channels, spec.size, spec.size) if spec.source_channels else None
    image = torch.zeros(n, spec.channels, spec.size, spec.size)
    batch = Batch(image, label if spec.classes else None, source=source, mask=mask)
    randomness = StepRandomness(0, 0)
    with FlopCounterMode(display=False) as drawing, torch.no_grad():
        gan.draw(gan.generators, {"z": torch.zeros(n, gan.latent_dim), **batch.conditions()})
    with FlopCounterMode(display=False) as stepping:
        fakes = gan.fakes(batch, randomness)
        terms, _ = gan.discriminator_losses(batch, fakes, randomness)
        if terms:
            torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        gan.discriminators.requires_grad_(False)
        terms = gan.generator_losses(batch, fakes, randomness)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    return Costs(
        sum(tensor.numel() for tensor in gan.generators.parameters()),
        sum(tensor.numel() for tensor in gan.discriminators.parameters()),
        drawing.get_total_flops() // (2 * n),
        stepping.get_total_flops() // (2 * n),
    )
