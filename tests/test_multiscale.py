"""A generator of growing scales against a discriminator a scale: who plays when, and what label and mask do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from test_loop import judge, resumes_bit_identically, train
from torch import Tensor
from torch.nn import functional as F

from medgan.config.schema import Config
from medgan.data.batch import Batch
from medgan.data.loader import conditions
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.gans import build_gan, check_gan
from medgan.gans.base import Gan
from medgan.gans.drawing import GRID_COLUMNS, generate, sample_grid
from medgan.imaging.arrays import to_uint8
from medgan.imaging.grids import grid
from medgan.randomness import StepRandomness
from medgan.training.loop import Listener, fit

MODEL = {"name": "mscgan", "latent_dim": 8, "width": 4, "max_width": 16, "region_width": 4, "embedding_dim": 4}
SPEC = ImageSpec(64, 1, classes=3, mask_channels=1)
# Of 16x16 images, which have two scales.
TINY: dict[str, Any] = {"gan__name": "multiscale", "gan__model": {**MODEL, "smallest": 8}}
RANDOMNESS = StepRandomness(0, 0)


def changed(config: Config, *, smallest: int = 16, **values: Any) -> Config:
    """`values`: gan.* alone."""
    given = {"name": "multiscale", "model": {**MODEL, "smallest": smallest}, "r1": 0, "r2": 0, **values}
    return config.override({f"gan.{key}": value for key, value in given.items()})


def made(config: Config, spec: ImageSpec = SPEC, *, done: float | None = None, **values: Any) -> Gan:
    """done: the share of the budget that the networks are told."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        gan = build_gan(changed(config, **values).gan, spec)
    if done is not None:
        gan.set_progress(done)
    return gan


def batch_of(spec: ImageSpec, n: int = 8) -> Batch:
    """Noise, the classes in turn, a lesion in the middle of all but every fourth image."""
    image = torch.rand((n, spec.channels, spec.size, spec.size), generator=torch.Generator().manual_seed(3)) * 2 - 1
    mask = torch.zeros(n, spec.mask_channels, spec.size, spec.size)
    quarter = spec.size // 4
    mask[torch.arange(n) % 4 < 3, :, quarter : 2 * quarter, quarter : 3 * quarter] = 1
    return Batch(image, label=torch.arange(n) % spec.classes if spec.classes else None, mask=mask)


def enlarged(image: Tensor) -> Tensor:
    return F.interpolate(image, scale_factor=2.0)


def phases(gan: Gan, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Losses and figures of the discriminators, losses of the generator."""
    fakes = gan.fakes(batch, RANDOMNESS)
    terms, figures = gan.discriminator_losses(batch, fakes, RANDOMNESS)
    return terms, figures, gan.generator_losses(batch, fakes, RANDOMNESS)


@pytest.mark.parametrize("classes", [0, 4])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [32, 64])
def test_every_scale_plays_and_every_parameter_learns(config: Config, size: int, channels: int, classes: int) -> None:
    spec = ImageSpec(size, channels, classes, mask_channels=1)
    gan = made(config, spec, done=1.0, conditional=classes > 0, loss="bce", r1=1.0, r2=1.0)
    batch = batch_of(spec)
    fakes = gan.fakes(batch, RANDOMNESS)
    assert {name: image.shape for name, image in fakes.items()} == {
        str(side): (8, channels, side, side) for side in (16, 32, 64) if side <= size
    }
    assert all(image.detach().abs().max() <= 1 for image in fakes.values())
    assert all(len({one.numpy().tobytes() for one in image.detach()}) == 8 for image in fakes.values())

    terms, figures = gan.discriminator_losses(batch, fakes, RANDOMNESS)
    assert set(terms) == {f"{name}-{side}" for name in ("discriminator", "r1", "r2") for side in fakes}
    assert set(figures) == {f"{name}-{side}" for name in ("logits_real", "logits_fake") for side in fakes}
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in gan.generators.parameters())
    gan.discriminators.requires_grad_(False)  # as the loop does
    torch.stack(list(gan.generator_losses(batch, fakes, RANDOMNESS).values())).sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in gan.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        # A constant before batch norm cancels.
        assert parameter.grad.abs().max() > 0 or name.endswith("first.bias"), name


def shares(gan: Gan, batch: Batch, done: float) -> dict[str, float]:
    """How much of each image that plays is its own scale's, the rest being the enlarged image of the scale before."""
    gan.set_progress(1.0)
    full = gan.fakes(batch, RANDOMNESS)
    gan.set_progress(done)
    found, before = {}, None
    for side, image in gan.fakes(batch, RANDOMNESS).items():
        old = enlarged(before) if before is not None else torch.zeros_like(image)
        own = full[side] - old
        found[side] = ((own * (image - old)).sum() / own.square().sum()).item()
        assert torch.allclose(image, old + found[side] * own, atol=1e-5)
        before = image
    return found


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (0.0, {"16": 1}),
        (0.1, {"16": 1, "32": 0.25}),
        (0.2, {"16": 1, "32": 0.5}),
        (0.4, {"16": 1, "32": 1}),
        (0.5, {"16": 1, "32": 1, "64": 0.25}),
        (0.7, {"16": 1, "32": 1, "64": 0.75}),
        (0.8, {"16": 1, "32": 1, "64": 1}),
        (1.0, {"16": 1, "32": 1, "64": 1}),
    ],
)
def test_scales_fade_in_linearly_one_after_another(config: Config, done: float, expected: dict[str, float]) -> None:
    gan = made(config, grow_until=0.8)
    assert shares(gan, batch_of(SPEC), done) == pytest.approx(expected, abs=1e-4)
    assert gan.complete == (done >= 0.8)
    terms, _, losses = phases(gan, batch_of(SPEC))
    assert set(terms) == {f"discriminator-{side}" for side in expected}
    assert set(losses) == {f"generator-{side}" for side in expected}


def test_growing_until_nothing_is_all_scales_from_the_start(config: Config) -> None:
    gan = made(config, grow_until=0)
    assert shares(gan, batch_of(SPEC), 0.0) == pytest.approx({"16": 1, "32": 1, "64": 1}) and gan.complete


def test_one_scale_has_nothing_to_grow(config: Config) -> None:
    gan = made(config, ImageSpec(16, 1, classes=3, mask_channels=1), done=0.0)
    assert gan.complete and list(gan.discriminators) == ["16"]


def test_a_scale_begins_as_the_enlarged_image_of_the_one_before(config: Config) -> None:
    gan = made(config, grow_until=0.8, done=1e-4)
    fakes = gan.fakes(batch_of(SPEC), RANDOMNESS)
    assert list(fakes) == ["16", "32"]
    assert 0 < (fakes["32"] - enlarged(fakes["16"])).abs().max() < 1e-3


@pytest.mark.parametrize(("done", "alpha"), [(0.05, 0.125), (0.3, 0.75)])
def test_real_images_fade_like_generated_ones(config: Config, done: float, alpha: float) -> None:
    batch = batch_of(SPEC)
    at_32 = F.avg_pool2d(batch.image, 2)
    blended = alpha * at_32 + (1 - alpha) * enlarged(F.avg_pool2d(at_32, 2))
    _, faded, _ = phases(made(config, grow_until=0.8, done=done), batch)
    _, sharp, _ = phases(made(config, done=1.0), batch)
    _, by_hand, _ = phases(made(config, done=1.0), Batch(enlarged(blended), label=batch.label, mask=batch.mask))
    assert torch.allclose(faded["logits_real-32"], by_hand["logits_real-32"], atol=1e-5)
    assert not torch.allclose(faded["logits_real-32"], sharp["logits_real-32"], atol=1e-4)
    assert torch.equal(faded["logits_real-16"], sharp["logits_real-16"])


def test_held_out_images_fade_like_those_of_training(config: Config) -> None:
    gan, batch = made(config, grow_until=0.8, done=0.05), batch_of(SPEC)
    _, figures, _ = phases(gan, batch)
    held_out = gan.held_out_figures(batch, batch.image)
    assert held_out["held_out/logits_real"] == pytest.approx(float(figures["logits_real-32"]), abs=1e-5)


def test_held_out_figures_are_those_of_the_largest_scale_and_leave_the_networks_alone(config: Config) -> None:
    gan, batch = made(config, done=1.0), batch_of(SPEC)
    _, figures, _ = phases(gan, batch)
    before = {name: tensor.clone() for name, tensor in gan.state_dict().items()}
    held_out = gan.held_out_figures(batch, gan.fakes(batch, RANDOMNESS)["64"].detach())
    assert held_out["held_out/logits_real"] == pytest.approx(float(figures["logits_real-64"]), abs=1e-5)
    assert held_out["held_out/logits_fake"] == pytest.approx(float(figures["logits_fake-64"]), abs=1e-5)
    assert all(module.training for module in gan.modules())
    weights = dict(gan.discriminators.state_dict(prefix="discriminators."))
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights.items())


def test_a_scale_counts_as_much_as_it_has_grown(config: Config) -> None:
    for done, alpha in ((0.05, 0.125), (0.3, 0.75)):
        terms, figures, losses = phases(made(config, grow_until=0.8, done=done, loss="hinge"), batch_of(SPEC))
        for side, weight in (("16", 1.0), ("32", alpha)):
            assert torch.allclose(losses[f"generator-{side}"], -weight * figures[f"logits_fake-{side}"], atol=1e-6)
        terms, figures, losses = phases(made(config, grow_until=0.8, done=done, loss="relativistic"), batch_of(SPEC))
        for side, weight in (("16", 1.0), ("32", alpha)):  # softplus(x) - softplus(-x) = x
            gap = figures[f"logits_fake-{side}"] - figures[f"logits_real-{side}"]
            assert torch.allclose(terms[f"discriminator-{side}"] - losses[f"generator-{side}"], weight * gap, atol=1e-5)


def given(gan: Gan, n: int) -> dict[str, Tensor]:
    """One z n times, the first class, and no lesion."""
    z = torch.randn(1, gan.latent_dim, generator=torch.Generator().manual_seed(1)).repeat(n, 1)
    size = gan.spec.size
    return {"z": z, "label": torch.zeros(n, dtype=torch.int64), "mask": torch.zeros(n, 1, size, size)}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("done", [None, 0.0, 0.1, 0.4, 0.5, 1.0])
def test_drawing_gives_the_full_size_at_any_time(config: Config, done: float | None, channels: int) -> None:
    gan = made(config, ImageSpec(64, channels, classes=3, mask_channels=1), grow_until=0.8, done=done).eval()
    inputs = given(gan, 2)
    image = gan.draw(gan.generators, inputs)
    assert image.shape == (2, channels, 64, 64) and image.detach().abs().max() <= 1
    if done == 0:
        assert torch.equal(image, F.interpolate(image[:, :, ::4, ::4], scale_factor=4.0))
    with torch.autocast("cpu", torch.bfloat16):
        assert gan.draw(gan.generators, inputs).dtype == torch.float32


def test_drawing_uses_the_weights_that_it_is_given(config: Config) -> None:
    gan, other = made(config).eval(), made(config).eval()
    with torch.no_grad():
        for parameter in other.generators.parameters():
            parameter.add_(0.1)
    inputs = given(gan, 2)
    assert torch.equal(gan.draw(other.generators, inputs), other.draw(other.generators, inputs))
    assert not torch.equal(gan.draw(gan.generators, inputs), gan.draw(other.generators, inputs))


def test_label_and_mask_change_the_image(config: Config) -> None:
    gan = made(config).eval()
    inputs = given(gan, 4)
    inputs["label"] = torch.tensor([0, 1, 0, 1])
    inputs["mask"][2:, :, 16:32, 16:48] = 1
    images = gan.draw(gan.generators, inputs).detach()
    assert images.isfinite().all()
    assert len({image.numpy().tobytes() for image in images}) == 4
    gan.set_progress(0.0)  # the smallest scale alone
    assert len({image.numpy().tobytes() for image in gan.draw(gan.generators, inputs).detach()}) == 4


def test_a_lesion_changes_nothing_far_away_from_it(config: Config) -> None:
    gan = made(config).eval()
    inputs = given(gan, 2)
    inputs["mask"][1, :, :8, :8] = 1
    changed_pixels = (gan.draw(gan.generators, inputs).detach().diff(dim=0)[0, 0] != 0).numpy()
    assert changed_pixels[:8, :8].mean() > 0.9 and not changed_pixels[-8:, -8:].any()


def test_each_discriminator_looks_at_label_and_mask(config: Config) -> None:
    gan, batch = made(config), batch_of(SPEC)
    assert batch.mask is not None
    for side, network in gan.discriminators.items():
        image, mask = (F.avg_pool2d(tensor[:1], 64 // int(side)) for tensor in (batch.image, batch.mask))
        planes = torch.cat([mask, 0 * mask]).repeat_interleave(3, dim=0)
        logits = network(image.expand(6, -1, -1, -1), planes, torch.arange(6) % 3)
        assert logits.shape == (6,) and len(set(logits.tolist())) == 6


def test_images_without_any_lesion_can_be_learned_from(config: Config) -> None:
    batch = batch_of(SPEC)
    assert batch.mask is not None
    terms, _, losses = phases(made(config, done=1.0), Batch(batch.image, label=batch.label, mask=0 * batch.mask))
    assert all(value.isfinite() for value in (*terms.values(), *losses.values()))


def test_unconditional_networks_do_not_look_at_labels(config: Config) -> None:
    batch = batch_of(SPEC)
    gan = made(config, conditional=False, done=1.0)
    assert gan.inputs == ("z", "mask") and gan.spec == ImageSpec(64, 1, mask_channels=1)
    labelled, bare = phases(gan, batch), phases(gan, Batch(batch.image, mask=batch.mask))
    assert labelled == bare
    assert made(config).inputs == ("z", "label", "mask")


@pytest.mark.parametrize(
    ("spec", "values", "message"),
    [
        (ImageSpec(32, 1, classes=3), {}, "multiscale needs lesion masks and the data has none"),
        (ImageSpec(32, 1, mask_channels=1), {}, r"the data has no labels; set gan\.conditional: false"),
        (ImageSpec(32, 1, 2, mask_channels=1), {"augment": ["contrast", "cutout"]}, r"cutout would move an image away"),
        (SPEC, {"model": {"name": "dcgan"}}, r"gan\.model: unknown name 'dcgan'"),
        (SPEC, {"model": {**MODEL, "regoin_width": 4}}, r"'gan\.model\.regoin_width' \(did you mean 'region_width'"),
        (SPEC, {"model": {**MODEL, "smallest": 4}}, r"'gan\.model\.smallest' = 4"),
        (SPEC, {"model": {**MODEL, "smallest": 24}}, "smallest"),
    ],
)
def test_what_cannot_be_built_is_a_sentence(
    config: Config, spec: ImageSpec, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(MedganError, match=message):
        check_gan(changed(config, **values).gan, spec)


def test_checking_costs_no_memory(config: Config) -> None:
    giant = {"name": "mscgan", "width": 16384, "max_width": 262144}
    check_gan(changed(config, model=giant).gan, ImageSpec(256, 3, classes=4, mask_channels=1))


@pytest.mark.parametrize("stopped", [3, 4, 5, 6, 7])
def test_resumed_after_any_checkpoint_is_bit_identical(
    config: Config, prepared: Prepared, tmp_path: Path, stopped: int
) -> None:
    resumes_bit_identically(config, prepared, tmp_path, stopped, **TINY)


def test_weights_are_not_the_best_before_all_scales_are_full(
    config: Config, prepared: Prepared, tmp_path: Path
) -> None:
    """Of the evaluations at steps 2, 4, 6 and 8 of 8 the third is the first after the growth."""
    scores = [1.0, 1.0, 1.0, 1.0, 5.0, 4.0, 6.0, 7.0]
    told: list[tuple[int, float]] = []
    values = {key.replace("__", "."): value for key, value in TINY.items()}
    growing = config.override({**values, "gan.grow_until": 0.6, "train.steps": 8, "train.evaluations": 4})
    trained = fit(
        growing.gan,
        growing.train,
        prepared,
        seed=1,
        judge=judge(prepared, lambda images: scores.pop(0)),
        directory=tmp_path,
        listener=Listener(on_evaluation=lambda *heard: told.append(heard)),
    )
    assert (trained.best.score, trained.best.step, trained.best.weights) == (4.0, 6, "ema")
    assert [row["step"] for row in trained.rows if "validation/raw" in row] == [2, 4, 6, 8]
    assert {row["step"]: row["validation/best"] for row in trained.rows if "validation/best" in row} == {6: 4, 8: 4}
    assert told == [(6, 4.0), (8, 4.0)]
    assert [row["step"] for row in trained.rows if "loss/generator-8" in row] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [row["step"] for row in trained.rows if "loss/generator-16" in row] == [2, 3, 4, 5, 6, 7, 8]


def test_a_training_that_is_shorter_than_its_growth_gives_a_generator(
    config: Config, prepared: Prepared, tmp_path: Path
) -> None:
    trained = train(config, prepared, tmp_path, gan__grow_until=0.9, **TINY)
    assert trained.best.step == 6


def test_bf16_trains_and_draws_float32(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    trained = train(config, prepared, tmp_path, train__precision="bf16", **TINY)
    assert {p.dtype for p in trained.generators.parameters()} == {torch.float32}


def test_each_row_of_samples_stands_below_the_row_of_its_masks(
    config: Config, prepared: Prepared, tmp_path: Path
) -> None:
    trained = train(config, prepared, tmp_path, **TINY)
    shown = conditions(prepared, np.arange(2 * GRID_COLUMNS))
    assert shown["mask"].any()
    masks = (255 * shown["mask"].numpy()).astype(np.uint8).transpose(0, 2, 3, 1)
    images = to_uint8(generate(trained.gan, trained.generators, 2 * GRID_COLUMNS, shown, seed=0))
    rows = np.concatenate([masks[:GRID_COLUMNS], images[:GRID_COLUMNS], masks[GRID_COLUMNS:], images[GRID_COLUMNS:]])
    picture = sample_grid(trained.gan, trained.generators, shown)
    assert (picture == grid(rows, columns=GRID_COLUMNS)).all()
    # Each of the two rows of images, and the margins between them, once more.
    factor, side, gap = 4, 16, 2
    assert len(picture) == factor * (4 * (side + gap) + gap)
    for step in (0, 3, 6):
        with Image.open(tmp_path / "samples" / f"step-{step:06d}.png") as saved:
            assert (saved.height, saved.width) == picture.shape[:2]


def test_images_of_three_channels_show_their_masks_too(config: Config) -> None:
    gan = made(config, ImageSpec(16, 3, classes=3, mask_channels=1), smallest=8)
    inputs = given(gan, GRID_COLUMNS)
    inputs["mask"][:, :, 4:8] = 1
    picture = sample_grid(gan, gan.generators, {name: inputs[name] for name in ("label", "mask")})
    assert picture.shape[2] == 3
    first = picture[8 : 8 + 64 : 4, 8 : 8 + 64 : 4]  # enlarged four times, after a margin of two pixels
    assert (first[4:8] == 255).all() and (first[:4] == 0).all() and (first[8:] == 0).all()
