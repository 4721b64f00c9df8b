"""Networks of translation: the published ones to the letter, ours at every shape."""

from typing import Any

import pytest
import torch
from torch import nn

from medgan.models.unet import PublishedUNet, UNet


def parameters(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def layers(network: nn.Module) -> list[tuple[Any, ...]]:
    """Convolutions as (kind, in, out, kernel, stride), everything else by name."""
    found: list[tuple[Any, ...]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            kind = "up" if isinstance(module, nn.ConvTranspose2d) else "down"
            found.append((kind, module.in_channels, module.out_channels, module.kernel_size[0], module.stride[0]))
        elif not list(module.children()) and not isinstance(module, nn.ModuleList):
            found.append((type(module).__name__, *([module.affine] if isinstance(module, nn.InstanceNorm2d) else [])))
    return found


def test_the_published_generator_has_the_published_layers() -> None:
    generator = PublishedUNet().generator(1, 1)
    assert parameters(generator) == 13_611_073
    down = [(1, 64), (64, 128), (128, 256), (256, 512), (512, 512)]
    up = [(512, 512), (1024, 256), (512, 128), (256, 64)]
    expected: list[tuple[Any, ...]] = []
    for a, b in down:
        expected += [("down", a, b, 3, 2), ("InstanceNorm2d", False), ("LeakyReLU",)]
    for a, b in up:
        expected += [("up", a, b, 4, 2), ("InstanceNorm2d", False), ("ReLU",)]
    assert layers(generator) == [*expected, ("down", 128, 1, 3, 1)]


@pytest.mark.parametrize(
    ("ending", "channels", "count", "last"),
    [("1x1", 2, 1_550_913, ("down", 512, 1, 1, 4)), ("4x4", 1, 1_558_017, ("down", 512, 1, 4, 1))],
)
def test_the_published_discriminators(ending: Any, channels: int, count: int, last: tuple[Any, ...]) -> None:
    discriminator = PublishedUNet(ending=ending).discriminator(channels)
    assert parameters(discriminator) == count
    expected: list[tuple[Any, ...]] = []
    for a, b in [(channels, 64), (64, 128), (128, 256), (256, 512)]:
        expected += [("down", a, b, 3, 2), ("LeakyReLU",)]
    assert layers(discriminator) == [*expected, last]
    assert discriminator(torch.zeros(3, channels, 64, 64)).shape == (3, 1, 1, 1)


@pytest.mark.parametrize("model", [PublishedUNet(), UNet(width=8, max_width=16)], ids=["published", "ours"])
@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 1), (1, 3)])
def test_shapes_ranges_and_gradients(model: Any, size: int, inputs: int, outputs: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator, discriminator = model.generator(inputs, outputs), model.discriminator(outputs)
        source = torch.rand(2, inputs, size, size) * 2 - 1
    image = generator(source)
    assert image.shape == (2, outputs, size, size)
    assert float(image.detach().abs().max()) <= 1
    logits = discriminator(image)
    assert logits.shape[:2] == (2, 1)
    (logits.mean(dim=(1, 2, 3)) * torch.tensor([1.0, 2.0])).sum().backward()
    for network in (generator, discriminator):
        for name, tensor in network.named_parameters():
            assert tensor.grad is not None and tensor.grad.isfinite().all(), name
            # Instance norm takes away the bias of the convolution before it.
            if not (network is generator and isinstance(model, PublishedUNet) and name.endswith("bias")):
                assert tensor.grad.abs().max() > 0, name
