"""Every network of MODELS at every shape that data can dictate; every option of every model."""

import math
from dataclasses import fields
from itertools import product
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from medgan.config.checking import STRICT, build
from medgan.data.spec import ImageSpec
from medgan.errors import MedganError
from medgan.gans.losses import gradient_penalty
from medgan.levels import Level
from medgan.models import MODELS, MULTISCALE_MODELS, TRANSLATION_MODELS
from medgan.models.residual import Residual
from medgan.models.transformer import Transformer

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
LARGEST = {"transformer": 128}  # of what goes backward here within a second
CASES = [
    pytest.param(name, options, ImageSpec(size, channels, classes), id="-".join(map(str, case)))
    for name in MODELS
    for options in OPTIONS.get(name, [{}])
    for size, channels, classes in (*product((16, 32, 64), (1, 3), (0, 4)), (128, 1, 4), (256, 1, 4))
    if size <= LARGEST.get(name, 256)
    for case in [(name, *(v for v in options.values() if isinstance(v, str)), size, channels, classes)]
]
LABELLED = [case for case in CASES if not str(case.id).endswith("-0")]


def networks(name: str, options: dict[str, Any], spec: ImageSpec) -> tuple[nn.Module, nn.Module, int]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build(MODELS, name, options, "gan.model")
        return model.generator(spec), model.discriminator(spec), model.latent_dim


def settled(generator: nn.Module, latent_dim: int) -> nn.Module:
    """As after a training: batch norm has seen images, without which they fade with each layer."""
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        generator(torch.randn(8, latent_dim, generator=torch.Generator().manual_seed(2)), torch.arange(8) % 4)
    return generator.eval()


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


@pytest.mark.parametrize(("name", "options", "spec"), LABELLED)
def test_the_label_changes_image_and_logit(name: str, options: dict[str, Any], spec: ImageSpec) -> None:
    generator, discriminator, latent_dim = networks(name, options, spec)
    settled(generator, latent_dim)
    discriminator.eval()
    z = torch.randn(1, latent_dim, generator=torch.Generator().manual_seed(1)).repeat(4, 1)
    images = generator(z, torch.arange(4))
    assert len({image.detach().numpy().tobytes() for image in images}) == 4
    assert len(set(discriminator(images[:1].repeat(4, 1, 1, 1), torch.arange(4)).tolist())) == 4


@pytest.mark.parametrize(("name", "options", "spec"), CASES)
def test_one_image_does_not_depend_on_the_others(name: str, options: dict[str, Any], spec: ImageSpec) -> None:
    generator, _, latent_dim = networks(name, options, spec)
    settled(generator, latent_dim)
    z = torch.randn(3, latent_dim, generator=torch.Generator().manual_seed(1))
    label = torch.tensor([0, 1, 2]) if spec.classes else None
    together = generator(z, label)
    alone = generator(z[1:2], None if label is None else label[1:2])
    assert together.std() > 0.003
    assert torch.allclose(together[1:2], alone, atol=1e-5)


def test_without_batch_norm_an_image_has_its_own_gradient() -> None:
    _, discriminator, _ = networks("dcgan", OPTIONS["dcgan"][1], ImageSpec(16, 1))
    images = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(images)[0], images)
    assert gradient[0].abs().max() > 0 and gradient[1:].abs().max() == 0


EVERY_MODEL: dict[str, Any] = {**MODELS, **MULTISCALE_MODELS, **TRANSLATION_MODELS}
SMALL: dict[str, dict[str, Any]] = {
    "dcgan": {"latent_dim": 6, "width": 4, "max_width": 8, "embedding_dim": 3},
    "residual": {"latent_dim": 6, "width": 4, "max_width": 8, "embedding_dim": 3},
    "transformer": {"latent_dim": 6, "width": 64, "blocks": 1, "embedding_dim": 3},
    "mscgan": {"latent_dim": 6, "width": 4, "max_width": 8, "smallest": 16, "region_width": 4, "embedding_dim": 3},
    "published-unet": {"ending": "4x4"},
    "unet": {"width": 4, "max_width": 8, "levels": 2, "discriminator_width": 4},
}
LABELLED_SPEC = ImageSpec(32, 1, classes=3, mask_channels=1)


def uniform(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def fresh(make: Any, *given: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(*given)


def drawing(name: str, options: dict[str, Any]) -> tuple[nn.Module, tuple[Any, ...]]:
    """A fresh generator, and what it draws two images from."""
    model: Any = build(EVERY_MODEL, name, {**SMALL[name], **options}, "gan.model")
    if name in TRANSLATION_MODELS:
        return fresh(model.generator, 1, 1), (uniform(2, 1, 64, 64),)
    generator, z, label = fresh(model.generator, LABELLED_SPEC), uniform(2, model.latent_dim), torch.tensor([0, 1])
    if name not in MULTISCALE_MODELS:
        return generator, (z, label)
    return generator, (z, (uniform(2, 1, 32, 32) > 0).float(), label, [Level(1.0)] * len(model.scales(LABELLED_SPEC)))


def drawn(name: str, options: dict[str, Any]) -> list[Tensor]:
    generator, given = drawing(name, options)
    images = generator(*given)
    return images if isinstance(images, list) else [images]


def judged(name: str, options: dict[str, Any]) -> list[Tensor]:
    """Logits of a fresh discriminator, or of that of each scale."""
    model: Any = build(EVERY_MODEL, name, {**SMALL[name], **options}, "gan.model")
    if name in TRANSLATION_MODELS:
        return [fresh(model.discriminator, 1, 64)(uniform(2, 1, 64, 64))]
    image, label = uniform(2, 1, 32, 32), torch.tensor([0, 1])
    if name not in MULTISCALE_MODELS:
        return [fresh(model.discriminator, LABELLED_SPEC)(image, label)]
    return [
        fresh(model.discriminator, LABELLED_SPEC, side)(uniform(2, 1, side, side), uniform(2, 1, side, side), label)
        for side in model.scales(LABELLED_SPEC)
    ]


def same(some: list[Tensor], others: list[Tensor]) -> bool:
    return len(some) == len(others) and all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


EMBEDDED = {"conditioning": "embedding"}
# Of each option: a value other than that of SMALL or the default, and the networks that it is for.
EFFECTS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("dcgan", {}, {"latent_dim": 7}, "generator"),
    ("dcgan", {}, {"width": 6}, "both"),
    ("dcgan", {}, {"max_width": 16}, "both"),
    ("dcgan", {}, {"depth": 1}, "both"),
    ("dcgan", {"depth": 1}, {"depth": 2}, "both"),
    ("dcgan", {}, {"conditioning": "onehot"}, "both"),
    ("dcgan", {}, EMBEDDED, "discriminator"),
    ("dcgan", {}, {"embedding_dim": 4}, "generator"),
    ("dcgan", EMBEDDED, {"embedding_dim": 4}, "both"),
    ("dcgan", {}, {"stem": "linear"}, "generator"),
    ("dcgan", {}, {"upsample": "nearest"}, "generator"),
    ("dcgan", {}, {"activation": "leaky_relu"}, "generator"),
    ("dcgan", {}, {"output": "sigmoid"}, "generator"),
    ("dcgan", {}, {"discriminator_norm": "spectral"}, "discriminator"),
    ("dcgan", {}, {"discriminator_norm": "none"}, "discriminator"),
    ("dcgan", {"discriminator_norm": "none"}, {"discriminator_norm": "spectral"}, "discriminator"),
    ("dcgan", {}, {"first_norm": False}, "discriminator"),
    ("residual", {}, {"latent_dim": 7}, "generator"),
    ("residual", {}, {"width": 6}, "both"),
    ("residual", {}, {"max_width": 16}, "both"),
    ("residual", {}, {"embedding_dim": 4}, "generator"),
    ("residual", {}, {"full_size": "smooth"}, "generator"),
    ("residual", {"full_size": "smooth"}, {"grain": True}, "generator"),
    ("transformer", {}, {"latent_dim": 7}, "generator"),
    ("transformer", {}, {"width": 96}, "both"),
    ("transformer", {}, {"blocks": 2}, "both"),
    ("transformer", {}, {"embedding_dim": 4}, "generator"),
    ("mscgan", {}, {"latent_dim": 7}, "generator"),
    ("mscgan", {}, {"width": 6}, "both"),
    ("mscgan", {}, {"max_width": 16}, "both"),
    ("mscgan", {}, {"smallest": 8}, "both"),
    ("mscgan", {}, {"region_width": 6}, "generator"),
    ("mscgan", {}, {"embedding_dim": 4}, "generator"),
    ("published-unet", {}, {"ending": "1x1"}, "discriminator"),
    ("unet", {}, {"width": 6}, "generator"),
    ("unet", {}, {"max_width": 16}, "generator"),
    ("unet", {}, {"levels": 1}, "generator"),
    ("unet", {}, {"discriminator_width": 6}, "discriminator"),
]


@pytest.mark.parametrize(
    ("name", "options", "change", "networks"),
    EFFECTS,
    ids=lambda given: " ".join(f"{key}={value}" for key, value in given.items()) if isinstance(given, dict) else None,
)
def test_every_option_changes_the_networks_that_it_is_for_and_no_other(
    name: str, options: dict[str, Any], change: dict[str, Any], networks: str
) -> None:
    changed = {**options, **change}
    assert same(drawn(name, options), drawn(name, changed)) == (networks == "discriminator")
    assert same(judged(name, options), judged(name, changed)) == (networks == "generator")


def test_no_option_of_any_model_is_left_out_above() -> None:
    told = {(name, option) for name, _, change, _ in EFFECTS for option in change}
    assert told == {(name, field.name) for name, model in EVERY_MODEL.items() for field in fields(model)}


@pytest.mark.parametrize(
    ("activation", "kind"),
    [("relu", nn.ReLU), ("leaky_relu", nn.LeakyReLU), ("elu", nn.ELU), ("gelu", nn.GELU), ("silu", nn.SiLU)],
)
def test_dcgan_has_the_activation_that_it_is_told_after_every_norm_of_the_generator(
    activation: str, kind: type[nn.Module]
) -> None:
    options = {**SMALL["dcgan"], "activation": activation, "depth": 1}
    generator, discriminator, _ = networks("dcgan", options, ImageSpec(32, 1))
    for network, expected in (
        (generator, [nn.BatchNorm2d, kind] * 5),
        (discriminator, [nn.BatchNorm2d, nn.LeakyReLU] * 6),
    ):
        leaves = [type(module) for module in network.modules() if not list(module.children())]
        shaping = (nn.Conv2d, nn.ConvTranspose2d, nn.Unflatten)
        assert [leaf for leaf in leaves if leaf not in shaping] == expected
    assert all(module.negative_slope == 0.2 for module in generator.modules() if isinstance(module, nn.LeakyReLU))


@pytest.mark.parametrize(
    ("conditioning", "joined", "planes"), [("onehot", 3, 3), ("embedding", 5, 1), ("projection", 5, 0)]
)
def test_dcgan_joins_the_label_to_noise_and_image_as_its_conditioning_says(
    conditioning: str, joined: int, planes: int
) -> None:
    options = {**SMALL["dcgan"], "conditioning": conditioning, "embedding_dim": 5, "stem": "linear"}
    generator, discriminator, latent_dim = networks("dcgan", options, ImageSpec(32, 1, classes=3))
    stem = next(module for module in generator.modules() if isinstance(module, nn.Linear))
    first = next(module for module in discriminator.modules() if isinstance(module, nn.Conv2d))
    assert (stem.in_features, first.in_channels) == (latent_dim + joined, 1 + planes)


@pytest.mark.parametrize(
    ("upsample", "layer", "enlarged"),
    [("transposed", (nn.ConvTranspose2d, 4, 2, False), 0), ("nearest", (nn.Conv2d, 3, 1, True), 3)],
)
def test_dcgan_enlarges_everywhere_as_it_is_told(upsample: str, layer: tuple[Any, ...], enlarged: int) -> None:
    generator, _, _ = networks("dcgan", {**SMALL["dcgan"], "upsample": upsample, "stem": "linear"}, ImageSpec(32, 1))
    kind, kernel, stride, last_has_bias = layer
    convolutions = [m for m in generator.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert [type(m) for m in convolutions] == [kind] * 3
    assert {(m.kernel_size, m.stride, m.padding) for m in convolutions} == {((kernel,) * 2, (stride,) * 2, (1, 1))}
    assert [m.bias is not None for m in convolutions] == [False, False, last_has_bias]
    assert sum(isinstance(m, nn.Upsample) for m in generator.modules()) == enlarged


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_dcgan_has_as_many_further_convolutions_a_level_as_its_depth(depth: int) -> None:
    generator, discriminator, _ = networks("dcgan", {**SMALL["dcgan"], "depth": depth}, ImageSpec(32, 1))

    def kernels(network: nn.Module) -> list[int]:
        return [m.kernel_size[0] for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]

    further = [3] * depth
    assert kernels(generator) == [4, 4, *further, 4, *further, 4]
    assert kernels(discriminator) == [4, *further, 4, *further, 4, *further, 4]


@pytest.mark.parametrize(
    ("name", "options", "steepness"),
    [
        ("dcgan", {"output": "tanh"}, 2),
        ("dcgan", {"output": "sigmoid"}, 1),
        ("residual", {}, 2),
        ("transformer", {}, 2),
        ("mscgan", {"smallest": 32}, 2),
        ("published-unet", {}, 2),
        ("unet", {}, 2),
    ],
)
def test_what_the_last_layer_says_becomes_an_image_by_tanh_or_a_stretched_sigmoid(
    name: str, options: dict[str, Any], steepness: float
) -> None:
    generator, given = drawing(name, options)
    *_, last = (module for module in generator.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d))
    said = torch.linspace(-4, 4, 2 * (64 if name in TRANSLATION_MODELS else 32) ** 2)
    last.register_forward_hook(lambda module, values, output: said.view_as(output))
    images = generator(*given)
    values = (images[-1] if isinstance(images, list) else images).flatten().sort().values
    assert torch.allclose(values, 2 / (1 + (-steepness * said).exp()) - 1, atol=1e-6)


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


@pytest.mark.parametrize(
    ("largest", "levels"),
    [
        (8, [(8, 192)]),
        (16, [(8, 192), (16, 96)]),
        (32, [(8, 192), (16, 96), (32, 32)]),
        (64, [(8, 192), (16, 96), (32, 32), (64, 32)]),
        (128, [(8, 192), (16, 96), (32, 32), (64, 32), (128, 32)]),
    ],
)
def test_transformer_widths_halve_at_each_doubling_down_to_one_head(
    largest: int, levels: list[tuple[int, int]]
) -> None:
    assert Transformer(width=192).levels(largest) == levels
    assert all(width % 32 == 0 for width in (64, 96, 160, 256) for _, width in Transformer(width=width).levels(largest))


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_a_transformer_has_the_levels_of_its_size(size: int) -> None:
    """The generator's last map has half the side of the image, the discriminator's first one a quarter of it."""
    generator, discriminator, _ = networks("transformer", OPTIONS["transformer"][0], ImageSpec(size, 1))
    count = int(math.log2(size // 8))
    assert len(generator.levels) == count  # type: ignore[arg-type]
    assert len(discriminator.levels) == max(1, count - 1)  # type: ignore[arg-type]


def test_transformers_draw_and_judge_256_pixels() -> None:
    generator, discriminator, latent_dim = networks("transformer", OPTIONS["transformer"][0], ImageSpec(256, 1, 4))
    with torch.no_grad():
        images = generator(torch.randn(2, latent_dim, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1]))
        logits = discriminator(images, torch.tensor([0, 1]))
    assert images.shape == (2, 1, 256, 256) and images.abs().max() <= 1 and images.std() > 0.003
    assert logits.shape == (2,) and logits.isfinite().all()


def first_level(blocks: int) -> nn.Module:
    """Blocks of 32x32 tokens of 32 values, which is what a discriminator of 128x128 images begins with."""
    _, discriminator, _ = networks("transformer", {"width": 32, "blocks": blocks}, ImageSpec(128, 1))
    level: nn.Module = discriminator.levels[0]  # type: ignore[index, assignment]
    return level


def seen(output: Tensor, tokens: Tensor, row: int, column: int) -> Tensor:
    """(32, 32) of whether this token depends on each of the others."""
    (gradient,) = torch.autograd.grad(output[0, :, row, column].square().sum(), tokens)
    return gradient[0].abs().sum(dim=0) > 0


@pytest.mark.parametrize(("row", "column"), [(0, 0), (12, 21), (31, 16)])
def test_windows_and_grids_in_turn_reach_every_token(row: int, column: int) -> None:
    def reached(network: Any) -> Tensor:
        tokens = torch.randn(1, 32, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
        return seen(network(tokens, None), tokens, row, column)

    def to_float32(chosen: Tensor) -> Tensor:
        """By the pixel around them that the convolution sees."""
        return nn.functional.max_pool2d(chosen.float()[None], 3, stride=1, padding=1)[0] > 0

    index: Tensor = torch.arange(32)
    level: Any = first_level(2)
    window = (index // 8 == row // 8)[:, None] & (index // 8 == column // 8)
    spread = (index % 4 == row % 4)[:, None] & (index % 4 == column % 4)
    assert torch.equal(reached(level.blocks[0]), to_float32(window))
    assert torch.equal(reached(level.blocks[1]), to_float32(spread))
    assert reached(level).all()
    assert torch.equal(reached(first_level(1)), to_float32(window))


def test_a_transformers_logit_depends_on_every_patch() -> None:
    _, discriminator, _ = networks("transformer", OPTIONS["transformer"][0], ImageSpec(64, 1))
    image = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(image).sum(), image)
    assert (nn.functional.max_pool2d(gradient.abs(), 4) > 0).all()


@pytest.mark.parametrize("size", [16, 64])
def test_a_transformers_gradient_can_be_penalised(size: int) -> None:
    """Fused attention has no second derivative."""
    _, discriminator, _ = networks("transformer", OPTIONS["transformer"][0], ImageSpec(size, 1, classes=4))
    images = torch.randn(3, 1, size, size, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):
        penalty = gradient_penalty(discriminator(images, torch.tensor([0, 1, 2])), images)
        penalty.backward()  # type: ignore[no-untyped-call]
    assert penalty > 0
    taught = {name for name, p in discriminator.named_parameters() if p.grad is not None and p.grad.any()}
    assert all(p.grad is None or p.grad.isfinite().all() for p in discriminator.parameters())
    assert {name for name, _ in discriminator.named_parameters() if "to_qkv.weight" in name} <= taught
    assert {"stem.weight", "to_logit.weight", "embedding.weight"} <= taught


def test_grain_is_white_and_follows_from_z() -> None:
    """Neither neighbours nor two images have anything in common, and the same z has the same grain in any batch."""
    model = Residual(width=4, max_width=8, full_size="smooth", grain=True)
    smooth, z = (
        model.generator(ImageSpec(32, 1)).enlarge,
        torch.randn(200, 128, generator=torch.Generator().manual_seed(1)),
    )
    grain = smooth._grain(z, 32)
    assert grain.shape == (200, 1, 32, 32) and abs(float(grain.mean())) < 0.01
    assert float(grain.var()) == pytest.approx(0.5, abs=0.01)
    for other in (grain.roll(1, 3), grain.roll(1, 2), grain.roll(16, 3), grain.roll(1, 0)):
        assert abs(float((grain * other).mean())) < 0.01
    assert torch.allclose(smooth._grain(z[7:8], 32), grain[7:8], atol=1e-5)
    with pytest.raises(ValidationError, match="grain needs full_size: smooth"):
        Residual(grain=True)
