"""Recipes that bear the name of a published configuration: its layers, parameters and optimisers, to the letter."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from medgan.config.schema import Config, parse_config
from medgan.data.spec import ImageSpec
from medgan.training.state import State
from medgan.workspace.recipes import read_recipe

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
    """Convolutions as (kind, in, out, kernel, stride, padding, bias), norms and activations by name."""
    found: list[tuple[Any, ...]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            kind = "up" if isinstance(module, nn.ConvTranspose2d) else "down"
            assert module.bias is None or module.bias.numel() == module.out_channels
            sides = (module.kernel_size, module.stride, module.padding)
            square = [side for side, other in sides if side == other]
            found.append((kind, module.in_channels, module.out_channels, *square, module.bias is not None))
        elif isinstance(module, nn.Linear):
            found.append(("linear", module.in_features, module.out_features, module.bias is not None))
        elif isinstance(module, nn.BatchNorm2d):
            found.append(("norm", module.num_features))
        elif isinstance(module, nn.InstanceNorm2d):
            found.append(("instance", module.affine, module.track_running_stats))
        elif isinstance(module, nn.ReLU):
            found.append(("relu",))
        elif isinstance(module, nn.LeakyReLU):
            found.append(("leaky", module.negative_slope))
    return found


def parameters(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


GENERATOR_64: list[tuple[Any, ...]] = [
    ("up", 100, 512, 4, 1, 0, False), ("norm", 512), ("relu",),
    ("up", 512, 256, 4, 2, 1, False), ("norm", 256), ("relu",),
    ("up", 256, 128, 4, 2, 1, False), ("norm", 128), ("relu",),
    ("up", 128, 64, 4, 2, 1, False), ("norm", 64), ("relu",),
    ("up", 64, 1, 4, 2, 1, False),
]  # fmt: skip
DISCRIMINATOR_64: list[tuple[Any, ...]] = [
    ("down", 1, 64, 4, 2, 1, False), ("norm", 64), ("leaky", 0.2),
    ("down", 64, 128, 4, 2, 1, False), ("norm", 128), ("leaky", 0.2),
    ("down", 128, 256, 4, 2, 1, False), ("norm", 256), ("leaky", 0.2),
    ("down", 256, 512, 4, 2, 1, False), ("norm", 512), ("leaky", 0.2),
    ("down", 512, 1, 4, 1, 0, False),
]  # fmt: skip
SPECTRAL_64: list[tuple[Any, ...]] = [
    ("down", 1, 64, 4, 2, 1, True), ("leaky", 0.2),
    ("down", 64, 128, 4, 2, 1, True), ("leaky", 0.2),
    ("down", 128, 256, 4, 2, 1, True), ("leaky", 0.2),
    ("down", 256, 512, 4, 2, 1, True), ("leaky", 0.2),
    ("down", 512, 1, 4, 1, 0, True),
]  # fmt: skip
GENERATOR_32: list[tuple[Any, ...]] = [
    ("linear", 100, 4096, True),
    ("norm", 256), ("relu",),
    ("up", 256, 128, 4, 2, 1, False), ("norm", 128), ("relu",),
    ("up", 128, 64, 4, 2, 1, False), ("norm", 64), ("relu",),
    ("up", 64, 3, 4, 2, 1, False),
]  # fmt: skip
DISCRIMINATOR_32: list[tuple[Any, ...]] = [
    ("down", 3, 64, 4, 2, 1, True), ("leaky", 0.2),
    ("down", 64, 128, 4, 2, 1, False), ("norm", 128), ("leaky", 0.2),
    ("down", 128, 256, 4, 2, 1, False), ("norm", 256), ("leaky", 0.2),
    ("down", 256, 1, 4, 1, 0, False),
]  # fmt: skip


def test_dcgan_has_the_published_layers() -> None:
    gan = state("dcgan-published").gan
    assert layers(gan.generators) == GENERATOR_64 and layers(gan.discriminators) == DISCRIMINATOR_64
    assert parameters(gan.generators) == 3_574_656 and parameters(gan.discriminators) == 2_763_648


def test_sngan_has_the_layers_of_dcgan_and_spectral_norm_in_the_discriminator() -> None:
    gan = state("sngan-published").gan
    assert layers(gan.generators) == [("up", 128, 512, 4, 1, 0, False), *GENERATOR_64[1:]]
    assert layers(gan.discriminators) == SPECTRAL_64
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
    assert layers(conditional.generators) == [("linear", 150, 4096, True), *GENERATOR_32[1:]]
    plane, first = ("linear", 50, 32 * 32, True), ("down", 4, 64, 4, 2, 1, True)
    assert sorted(map(str, layers(conditional.discriminators))) == sorted(
        map(str, [plane, first, *DISCRIMINATOR_32[1:]])
    )
    added = CLASSES * 50 + 50 * 4096
    assert parameters(conditional.generators) == parameters(plain.generators) + added == 1_073_024 + added
    added = CLASSES * 50 + 50 * 1024 + 1024 + 64 * 16
    assert parameters(conditional.discriminators) == parameters(plain.discriminators) + added == 663_360 + added


@pytest.mark.parametrize("name", ["dcgan-published", "sngan-published", "gan-published", "cgan-published"])
def test_a_published_image_is_the_tanh_of_the_last_layer(name: str) -> None:
    gan = state(name).gan.cpu()
    *_, last = (module for module in gan.generators.modules() if isinstance(module, nn.ConvTranspose2d))
    said = torch.linspace(-4, 4, 2 * gan.spec.channels * gan.spec.size**2)
    last.register_forward_hook(lambda module, given, output: said.view_as(output))
    images = gan.draw(gan.generators, {"z": torch.zeros(2, gan.latent_dim), "label": torch.tensor([0, 1])})
    assert torch.allclose(images.flatten(), 1 - 2 / (1 + (2 * said).exp()), atol=1e-6)


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
        assert type(optimizer) is torch.optim.Adam
        assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (2e-4, (0.5, 0.999), 1e-8, 0)
    for step in (0, recipe(name).train.steps - 1):
        trained.step = step
        trained.set_levels()
        assert {rate.now for rate in trained.rates.values()} == {2e-4}
    assert (gan.batch, gan.loss, gan.label_smoothing, gan.discriminator_steps) == (batch, "bce", smoothing, 1)
    assert (gan.r1, gan.r2, gan.instance_noise, gan.augment, gan.ema) == (0, 0, 0, (), 0)
    assert recipe(name).search.trials == 0


UNET = 13_611_073
UNET_LAYERS: list[tuple[Any, ...]] = [
    ("down", 1, 64, 3, 2, 1, True), ("instance", False, False), ("leaky", 0.2),
    ("down", 64, 128, 3, 2, 1, True), ("instance", False, False), ("leaky", 0.2),
    ("down", 128, 256, 3, 2, 1, True), ("instance", False, False), ("leaky", 0.2),
    ("down", 256, 512, 3, 2, 1, True), ("instance", False, False), ("leaky", 0.2),
    ("down", 512, 512, 3, 2, 1, True), ("instance", False, False), ("leaky", 0.2),
    ("up", 512, 512, 4, 2, 1, True), ("instance", False, False), ("relu",),
    ("up", 1024, 256, 4, 2, 1, True), ("instance", False, False), ("relu",),
    ("up", 512, 128, 4, 2, 1, True), ("instance", False, False), ("relu",),
    ("up", 256, 64, 4, 2, 1, True), ("instance", False, False), ("relu",),
    ("down", 128, 1, 3, 1, 1, True),
]  # fmt: skip
PATCHES: list[tuple[Any, ...]] = [
    ("leaky", 0.2),
    ("down", 64, 128, 3, 2, 1, True), ("leaky", 0.2),
    ("down", 128, 256, 3, 2, 1, True), ("leaky", 0.2),
    ("down", 256, 512, 3, 2, 1, True), ("leaky", 0.2),
]  # fmt: skip
# That of pix2pix sees pairs and ends in 1x1; those of cyclegan see images and end in 4x4.
OF_PAIRS = [("down", 2, 64, 3, 2, 1, True), *PATCHES, ("down", 512, 1, 1, 4, 0, True)]
OF_IMAGES = [("down", 1, 64, 3, 2, 1, True), *PATCHES, ("down", 512, 1, 4, 1, 0, True)]


@pytest.mark.parametrize(
    ("name", "weights", "generators", "discriminators", "judging"),
    [
        ("unet-published", {"adversarial": 0, "pixel": 1}, [UNET], [], None),
        ("pix2pix-published", {"adversarial": 1, "pixel": 1}, [UNET], [1_550_913], OF_PAIRS),
        ("cyclegan-published", {"adversarial": 1, "cycle": 1, "identity": 0}, [UNET] * 2, [1_558_017] * 2, OF_IMAGES),
    ],
)
def test_the_published_translators(
    name: str,
    weights: dict[str, float],
    generators: list[int],
    discriminators: list[int],
    judging: list[tuple[Any, ...]] | None,
) -> None:
    config, gan = recipe(name), state(name).gan
    assert [parameters(network) for network in gan.generators.values()] == generators
    assert [parameters(network) for network in gan.discriminators.values()] == discriminators
    assert all(layers(network) == UNET_LAYERS for network in gan.generators.values())
    assert all(layers(network) == judging for network in gan.discriminators.values())
    section = config.gan.model_dump()
    assert section["weights"] == weights and section.get("buffer", 0) == 0
    # 20 epochs of 12 batches.
    assert (config.train.steps, config.train.evaluations, config.train.precision) == (240, 1, "fp32")
