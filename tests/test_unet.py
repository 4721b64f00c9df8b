"""Networks of translation: the published ones to the letter, ours at every shape."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.models.unet import PublishedUNet, UNet

TOLD = ("negative_slope", "affine", "track_running_stats")


def parameters(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def layers(network: nn.Module) -> list[tuple[Any, ...]]:
    """Convolutions as (kind, in, out, kernel, stride), everything else by name and what it was told."""
    found: list[tuple[Any, ...]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            kind = "up" if isinstance(module, nn.ConvTranspose2d) else "down"
            found.append((kind, module.in_channels, module.out_channels, module.kernel_size[0], module.stride[0]))
        elif not list(module.children()) and not isinstance(module, nn.ModuleList):
            told = [getattr(module, name) for name in TOLD if hasattr(module, name)]
            found.append((type(module).__name__, *told))
    return found


def test_the_published_generator_has_the_published_layers() -> None:
    generator = PublishedUNet().generator(1, 1)
    assert parameters(generator) == 13_611_073
    down = [(1, 64), (64, 128), (128, 256), (256, 512), (512, 512)]
    up = [(512, 512), (1024, 256), (512, 128), (256, 64)]
    expected: list[tuple[Any, ...]] = []
    for a, b in down:
        expected += [("down", a, b, 3, 2), ("InstanceNorm2d", False, False), ("LeakyReLU", 0.2)]
    for a, b in up:
        expected += [("up", a, b, 4, 2), ("InstanceNorm2d", False, False), ("ReLU",)]
    assert layers(generator) == [*expected, ("down", 128, 1, 3, 1)]


def by_hand(tensors: dict[str, Tensor], source: Tensor) -> Tensor:
    """The published generator in torch's functions."""

    def given(layer: str) -> tuple[Tensor, Tensor]:
        return tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]

    halved = [source]
    for level in range(5):
        features = F.conv2d(halved[-1], *given(f"down.{level}.0"), stride=2, padding=1)
        halved.append(F.leaky_relu(F.instance_norm(features), 0.2))
    features = halved[5]
    for level in range(4):
        features = F.conv_transpose2d(features, *given(f"up.{level}.0"), stride=2, padding=1)
        # What was enlarged comes before what was kept.
        features = torch.cat([F.relu(F.instance_norm(features)), halved[4 - level]], dim=1)
    doubled = features.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    return torch.tanh(F.conv2d(doubled, *given("to_image"), padding=1))


@torch.no_grad()
def test_the_published_generator_joins_its_layers_as_published() -> None:
    generator: Any
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator, source = PublishedUNet().generator(1, 1), torch.rand(2, 1, 64, 64) * 2 - 1
    generator.to_image.weight.mul_(5)  # images span more than what tanh leaves as it is
    expected = by_hand(generator.state_dict(), source)
    assert expected.abs().max() > 0.9
    # Images are drawn as they were in training: no statistics are remembered.
    assert torch.allclose(generator(source), expected, atol=1e-5)
    assert torch.allclose(generator.eval()(source), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("ending", "channels", "count", "last"),
    [("1x1", 2, 1_550_913, ("down", 512, 1, 1, 4)), ("4x4", 1, 1_558_017, ("down", 512, 1, 4, 1))],
)
def test_the_published_discriminators(ending: Any, channels: int, count: int, last: tuple[Any, ...]) -> None:
    discriminator = PublishedUNet(ending=ending).discriminator(channels, 64)
    assert parameters(discriminator) == count
    expected: list[tuple[Any, ...]] = []
    for a, b in [(channels, 64), (64, 128), (128, 256), (256, 512)]:
        expected += [("down", a, b, 3, 2), ("LeakyReLU", 0.2)]
    assert layers(discriminator) == [*expected, last]
    assert discriminator(torch.zeros(3, channels, 64, 64)).shape == (3, 1, 1, 1)


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_our_discriminator_is_the_published_one_at_any_size_and_width(size: int) -> None:
    assert layers(UNet(discriminator_width=64).discriminator(2, 64)) == layers(PublishedUNet().discriminator(2, 64))
    logits = UNet(discriminator_width=4).discriminator(2, size)(torch.zeros(3, 2, size, size))
    assert logits.shape == (3, 1, 1, 1)


@pytest.mark.parametrize("model", [PublishedUNet(), UNet(width=8, max_width=16)], ids=["published", "ours"])
@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 1), (1, 3)])
def test_shapes_ranges_and_gradients(model: Any, size: int, inputs: int, outputs: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator, discriminator = model.generator(inputs, outputs), model.discriminator(outputs, size)
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
