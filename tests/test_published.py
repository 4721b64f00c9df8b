"""Recipes that bear the name of a published configuration: its layers, parameters and optimisers, to the letter."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from medgan.config import Config, parse_config
from medgan.data.spec import ImageSpec
from medgan.recipes import read_recipe
from medgan.training.state import State

ROOT = Path(__file__).parents[1]
CLASSES = 10


def recipe(name: str) -> Config:
    return parse_config(read_recipe(ROOT, name)[0])


def state(name: str) -> State:
    config = recipe(name)
    # A source is of the kind of its image; what draws from noise looks at none.
    spec = ImageSpec(config.data.size, config.data.channels, classes=CLASSES, source_channels=config.data.channels)
    return State(config.gan, config.train, spec, seed=0)


def layers(network: nn.Module) -> list[tuple[Any, ...]]:
    """Convolutions and linear layers as (kind, in, out, kernel, stride), batch norms and activations by name."""
    found: list[tuple[Any, ...]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            kind = "up" if isinstance(module, nn.ConvTranspose2d) else "down"
            assert module.bias is None or module.bias.numel() == module.out_channels
            found.append((kind, module.in_channels, module.out_channels, module.kernel_size[0], module.stride[0]))
        elif isinstance(module, nn.Linear):
            found.append(("linear", module.in_features, module.out_features))
        elif isinstance(module, nn.BatchNorm2d):
            found.append(("norm", module.num_features))
        elif isinstance(module, nn.ReLU):
            found.append(("relu",))
        elif isinstance(module, nn.LeakyReLU):
            found.append(("leaky", module.negative_slope))
    return found


def parameters(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


GENERATOR_64 = [
    ("up", 100, 512, 4, 1), ("norm", 512), ("relu",),
    ("up", 512, 256, 4, 2), ("norm", 256), ("relu",),
    ("up", 256, 128, 4, 2), ("norm", 128), ("relu",),
    ("up", 128, 64, 4, 2), ("norm", 64), ("relu",),
    ("up", 64, 1, 4, 2),
]  # fmt: skip
DISCRIMINATOR_64 = [
    ("down", 1, 64, 4, 2), ("norm", 64), ("leaky", 0.2),
    ("down", 64, 128, 4, 2), ("norm", 128), ("leaky", 0.2),
    ("down", 128, 256, 4, 2), ("norm", 256), ("leaky", 0.2),
    ("down", 256, 512, 4, 2), ("norm", 512), ("leaky", 0.2),
    ("down", 512, 1, 4, 1),
]  # fmt: skip
GENERATOR_32 = [
    ("linear", 100, 4096),
    ("norm", 256), ("relu",),
    ("up", 256, 128, 4, 2), ("norm", 128), ("relu",),
    ("up", 128, 64, 4, 2), ("norm", 64), ("relu",),
    ("up", 64, 3, 4, 2),
]  # fmt: skip
DISCRIMINATOR_32 = [
    ("down", 3, 64, 4, 2), ("leaky", 0.2),
    ("down", 64, 128, 4, 2), ("norm", 128), ("leaky", 0.2),
    ("down", 128, 256, 4, 2), ("norm", 256), ("leaky", 0.2),
    ("down", 256, 1, 4, 1),
]  # fmt: skip


def test_dcgan_has_the_published_layers() -> None:
    gan = state("dcgan-published").gan
    assert layers(gan.generators) == GENERATOR_64 and layers(gan.discriminators) == DISCRIMINATOR_64
    assert parameters(gan.generators) == 3_574_656 and parameters(gan.discriminators) == 2_763_648


def test_sngan_has_the_layers_of_dcgan_and_spectral_norm_in_the_discriminator() -> None:
    gan = state("sngan-published").gan
    assert layers(gan.generators) == [("up", 128, 512, 4, 1), *GENERATOR_64[1:]]
    assert layers(gan.discriminators) == [layer for layer in DISCRIMINATOR_64 if layer[0] != "norm"]
    assert parameters(gan.generators) == 3_804_032
    # Without norm there is a bias a layer, and none of the scales and shifts.
    assert parameters(gan.discriminators) == 2_763_648 - 2 * (64 + 128 + 256 + 512) + (64 + 128 + 256 + 512 + 1)
    convolutions = [module for module in gan.discriminators.modules() if isinstance(module, nn.Conv2d)]
    gan.train()
    for _ in range(30):
        gan.discriminators["discriminator"](torch.zeros(1, 1, 64, 64))
    gan.eval()
    for module in convolutions:
        assert float(torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2)) == pytest.approx(1, abs=0.05)
    assert not any("parametrizations" in name for name in gan.generators.state_dict())


def test_gan_and_cgan_at_32_pixels_have_a_linear_stem_and_three_transposed_convolutions() -> None:
    plain, conditional = state("gan-published").gan, state("cgan-published").gan
    assert layers(plain.generators) == GENERATOR_32 and layers(plain.discriminators) == DISCRIMINATOR_32
    # The label's embedding of 50 is joined to z; a linear layer makes it a plane that is joined to the image.
    assert layers(conditional.generators) == [("linear", 150, 4096), *GENERATOR_32[1:]]
    plane, first = ("linear", 50, 32 * 32), ("down", 4, 64, 4, 2)
    assert sorted(map(str, layers(conditional.discriminators))) == sorted(
        map(str, [plane, first, *DISCRIMINATOR_32[1:]])
    )
    added = CLASSES * 50 + 50 * 4096
    assert parameters(conditional.generators) == parameters(plain.generators) + added == 1_073_024 + added
    added = CLASSES * 50 + 50 * 1024 + 1024 + 64 * 16
    assert parameters(conditional.discriminators) == parameters(plain.discriminators) + added == 663_360 + added


@pytest.mark.parametrize(
    ("name", "batch", "smoothing"),
    [
        ("dcgan-published", 128, 1.0),
        ("sngan-published", 64, 0.9),
        ("gan-published", 128, 1.0),
        ("cgan-published", 128, 1.0),
        ("unet-published", 40, 1.0),
        ("pix2pix-published", 40, 1.0),
        ("cyclegan-published", 40, 1.0),
    ],
)
def test_the_published_training(name: str, batch: int, smoothing: float) -> None:
    trained, gan = state(name), recipe(name).gan
    for optimizer in trained.optimizers.values():
        (group,) = optimizer.param_groups
        assert isinstance(optimizer, torch.optim.Adam)
        assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (2e-4, (0.5, 0.999), 1e-8, 0)
    for step in (0, recipe(name).train.steps - 1):
        trained.step = step
        trained.set_learning_rates()
        assert all(optimizer.param_groups[0]["lr"] == 2e-4 for optimizer in trained.optimizers.values())
    assert (gan.batch, gan.loss, gan.label_smoothing, gan.discriminator_steps) == (batch, "bce", smoothing, 1)
    assert (gan.r1, gan.r2, gan.instance_noise, gan.augment, gan.ema) == (0, 0, 0, (), 0)
    assert recipe(name).search.trials == 0


UNET = 13_611_073


@pytest.mark.parametrize(
    ("name", "weights", "generators", "discriminators"),
    [
        ("unet-published", {"adversarial": 0, "pixel": 1}, [UNET], []),
        # Its discriminator sees pairs and ends in 1x1; those of cyclegan see images and end in 4x4.
        ("pix2pix-published", {"adversarial": 1, "pixel": 1}, [UNET], [1_550_913]),
        ("cyclegan-published", {"adversarial": 1, "cycle": 1, "identity": 0}, [UNET] * 2, [1_558_017] * 2),
    ],
)
def test_the_published_translators(
    name: str, weights: dict[str, float], generators: list[int], discriminators: list[int]
) -> None:
    config, gan = recipe(name), state(name).gan
    assert [parameters(network) for network in gan.generators.values()] == generators
    assert [parameters(network) for network in gan.discriminators.values()] == discriminators
    assert weights.items() <= config.gan.weights.model_dump().items() and config.gan.buffer == 0
    # 20 epochs of 12 batches.
    assert (config.train.steps, config.train.evaluations, config.train.precision) == (240, 1, "fp32")
