"""Sizes and multiply-adds against numbers worked out by hand."""

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.workspace.costs import costs

# Kernels of 4x4: from z to 4x4, to 8x8, to 16x16.
DRAW = 16 * (8 * 8 + 16 * 8 * 4 + 64 * 4 * 1)
DISCRIMINATE = 16 * (64 * 1 * 4 + 16 * 4 * 8 + 8)


def test_a_small_network_costs_what_its_layers_cost(config: Config) -> None:
    model = {"name": "dcgan", "latent_dim": 8, "width": 4, "max_width": 8, "upsample": "transposed"}
    gan = config.override({"gan.model": model, "gan.conditional": False, "gan.loss": "bce"}).gan
    found = costs(gan, ImageSpec(16, 1))
    assert found.generator == 16 * (8 * 8 + 8 * 4 + 4 * 1) + 2 * (8 + 4)
    assert found.discriminator == 16 * (1 * 4 + 4 * 8 + 8) + 2 * (4 + 8)
    assert found.draw == DRAW
    # Forward and twice as much backward, but for z, which needs no gradient; the discriminator thrice.
    generator, discriminator = 3 * DRAW, 3 * 3 * DISCRIMINATE
    assert 0.75 * (generator + discriminator) < found.step <= generator + discriminator
