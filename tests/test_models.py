"""Every network of MODELS at every shape that data can dictate."""

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from medgan.checking import STRICT, build
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.models import MODELS

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "dcgan": [
        {"latent_dim": 6, "width": 4, "max_width": 8, "embedding_dim": 3, **options}
        for options in (
            {"upsample": "transposed", "discriminator_norm": "batch", "conditioning": "embedding", "stem": "linear"},
            {"upsample": "nearest", "discriminator_norm": "none", "conditioning": "projection"},
            {"upsample": "nearest", "discriminator_norm": "spectral", "conditioning": "onehot", "output": "sigmoid"},
            {"discriminator_norm": "spectral", "conditioning": "projection", "depth": 1, "activation": "silu"},
        )
    ],
    "transformer": [{"latent_dim": 6, "width": 64, "blocks": 2, "embedding_dim": 3}],
}
CASES = [
    pytest.param(name, options, ImageSpec(size, channels, classes), id="-".join(map(str, case)))
    for name in MODELS
    for options in OPTIONS.get(name, [{}])
    for size, channels, classes in product((16, 32, 64), (1, 3), (0, 4))
    for case in [(name, *(v for v in options.values() if isinstance(v, str)), size, channels, classes)]
]


def networks(name: str, options: dict[str, Any], spec: ImageSpec) -> tuple[nn.Module, nn.Module, int]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build(MODELS, name, options, "gan.model")
        return model.generator(spec), model.discriminator(spec), model.latent_dim


@pytest.mark.parametrize(("name", "options", "spec"), CASES)
def test_shapes_ranges_and_gradients(name: str, options: dict[str, Any], spec: ImageSpec) -> None:
    generator, discriminator, latent_dim = networks(name, options, spec)
    z = torch.randn(5, latent_dim, generator=torch.Generator().manual_seed(1))
    label = torch.tensor([0, 1, 2, 3, 0]) if spec.classes else None
    images = generator(z, label)
    assert images.shape == (5, spec.channels, spec.size, spec.size)
    assert float(images.detach().abs().max()) <= 1
    assert len({image.numpy().tobytes() for image in images.detach()}) == 5  # each z its own image
    logits = discriminator(images, label)
    assert logits.shape == (5,)
    (logits * torch.arange(1, 6)).sum().backward()
    for network in (generator, discriminator):
        for parameter, tensor in network.named_parameters():
            assert tensor.grad is not None and tensor.grad.isfinite().all(), parameter
            assert tensor.grad.abs().max() > 0, parameter


@pytest.mark.parametrize(("name", "options", "spec"), [case for case in CASES if case.values[2].classes])
def test_the_label_changes_image_and_logit(name: str, options: dict[str, Any], spec: ImageSpec) -> None:
    generator, discriminator, latent_dim = networks(name, options, spec)
    generator.eval()
    discriminator.eval()
    z = torch.randn(1, latent_dim, generator=torch.Generator().manual_seed(1)).repeat(4, 1)
    images = generator(z, torch.arange(4))
    assert len({image.detach().numpy().tobytes() for image in images}) == 4
    assert len(set(discriminator(images[:1].repeat(4, 1, 1, 1), torch.arange(4)).tolist())) == 4


@pytest.mark.parametrize(("name", "options", "spec"), CASES)
def test_one_image_does_not_depend_on_the_others(name: str, options: dict[str, Any], spec: ImageSpec) -> None:
    generator, _, latent_dim = networks(name, options, spec)
    generator.eval()
    z = torch.randn(3, latent_dim, generator=torch.Generator().manual_seed(1))
    label = torch.tensor([0, 1, 2]) if spec.classes else None
    together = generator(z, label)
    alone = generator(z[1:2], None if label is None else label[1:2])
    assert torch.allclose(together[1:2], alone, atol=1e-5)


def test_without_batch_norm_an_image_has_its_own_gradient() -> None:
    _, discriminator, _ = networks("dcgan", OPTIONS["dcgan"][1], ImageSpec(16, 1))
    images = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(images)[0], images)
    assert gradient[0].abs().max() > 0 and gradient[1:].abs().max() == 0


def published(channels: int = 1) -> tuple[nn.Module, nn.Module]:
    """The defaults: width 64, latent 100, up to 512 channels, transposed, batch norm."""
    generator, discriminator, latent_dim = networks("dcgan", {}, ImageSpec(64, channels))
    assert latent_dim == 100
    return generator, discriminator


def test_the_published_parameter_counts_at_64_pixels() -> None:
    generator, discriminator = published()
    # 4x4 kernels without bias, then scale and shift of the batch norm; the last layer has neither.
    layers = [
        100 * 512 * 16 + 2 * 512,
        512 * 256 * 16 + 2 * 256,
        256 * 128 * 16 + 2 * 128,
        128 * 64 * 16 + 2 * 64,
        64 * 1 * 16,
    ]
    assert sum(layers) == 3_574_656
    assert sum(tensor.numel() for tensor in generator.parameters()) == 3_574_656
    layers = [
        1 * 64 * 16 + 2 * 64,  # the first layer has batch norm too
        64 * 128 * 16 + 2 * 128,
        128 * 256 * 16 + 2 * 256,
        256 * 512 * 16 + 2 * 512,
        512 * 1 * 16,
    ]
    assert sum(layers) == 2_763_648
    assert sum(tensor.numel() for tensor in discriminator.parameters()) == 2_763_648


def test_the_published_layers() -> None:
    generator, discriminator = published(channels=3)
    ups = [layer for layer in generator.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in ups] == [
        (100, 512), (512, 256), (256, 128), (128, 64), (64, 3)
    ]  # fmt: skip
    assert {layer.kernel_size for layer in ups} == {(4, 4)}
    assert [layer.stride[0] for layer in ups] == [1, 2, 2, 2, 2]
    downs = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in downs] == [
        (3, 64), (64, 128), (128, 256), (256, 512), (512, 1)
    ]  # fmt: skip
    assert {layer.negative_slope for layer in discriminator.modules() if isinstance(layer, nn.LeakyReLU)} == {0.2}


def test_published_weights_start_at_a_deviation_of_0_02() -> None:
    for network in published():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.weight.numel() > 10_000:
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.03)
                assert abs(module.weight.mean().item()) < 0.001
            elif isinstance(module, nn.BatchNorm2d):
                assert module.weight.mean().item() == pytest.approx(1.0, abs=0.02)


def test_without_norm_the_signal_neither_vanishes_nor_explodes() -> None:
    _, discriminator, _ = networks("dcgan", {"discriminator_norm": "none"}, ImageSpec(64, 1))
    noise = torch.randn(16, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert 0.2 < math.sqrt(float(discriminator(noise).square().mean())) < 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widht": 8}, r"unknown parameter 'gan\.model\.widht' \(did you mean 'width'"),
        ({"width": 2}, r"'gan\.model\.width' = 2"),
        ({"upsample": "bilinear"}, "upsample"),
        ({"activation": "swish"}, "activation"),
        ({"conditioning": "label"}, "conditioning"),
        ({"latent_dim": 0}, "latent_dim"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MedganError, match=message):
        build(MODELS, "dcgan", options, "gan.model")


def test_no_model_takes_options_that_it_does_not_know() -> None:
    assert STRICT["extra"] == "forbid"
    for name in MODELS:
        with pytest.raises(MedganError, match="no_such_option"):
            build(MODELS, name, {"no_such_option": 1}, "gan.model")
