"""Translation, paired and unpaired: who learns from what, what the discriminators see and remember, what resumes."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_loop import judge, resumes_bit_identically, stepped, timeless, train, weights
from torch import Tensor, nn
from torch.nn import functional as F

from medgan.config.schema import Config
from medgan.data.batch import Batch
from medgan.data.loader import gather
from medgan.data.spec import Direction, ImageSpec
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.gans import build_gan, check_gan
from medgan.gans.base import Gan
from medgan.gans.cyclegan import DOMAINS, CycleGan
from medgan.gans.drawing import generate
from medgan.gans.translation import Translation
from medgan.models import TRANSLATION_MODELS
from medgan.randomness import StepRandomness
from medgan.scores import validation as scoring
from medgan.scores.extractor import Extractor
from medgan.scores.validation_images import examples
from medgan.sources.prepare import prepare
from medgan.training.checkpoint import load_checkpoint
from medgan.training.loop import fit
from medgan.training.state import State

MODEL = {"name": "unet", "width": 4, "max_width": 8, "levels": 1, "discriminator_width": 4}
# Logits come as maps of 2x2; the channels of the two domains differ.
SPEC = ImageSpec(32, 1, source_channels=3)
PLAIN = {"r1": 0, "r2": 0}
RANDOMNESS = StepRandomness(0, 0)
LOSSES = ["bce", "saturating", "hinge", "relativistic"]
REMEMBERING: dict[str, dict[str, Any]] = {"translation": {}, "cyclegan": {"buffer": 4}}
every_translation = pytest.mark.parametrize("name", ["translation", "cyclegan"])


@pytest.fixture(scope="module")
def config(config: Config) -> Config:
    """Paired translation of T1w to T2w, unlabelled."""
    return config.override(
        {
            "data.labels": False,
            "data.options": {"count": 160, "slices": 2, "modalities": ["T2w"], "source_modalities": ["T1w"]},
            "gan.name": "translation",
            "gan.model": MODEL,
        }
    )


@pytest.fixture(scope="module")
def prepared(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """160 phantom images 16 x 16 of 80 patients with the source of each."""
    return prepare(config.data, tmp_path_factory.mktemp("paired"), seed=config.seed)


@pytest.fixture(scope="module")
def labelled(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    changed = config.override({"data.labels": True})
    return prepare(changed.data, tmp_path_factory.mktemp("labelled"), seed=config.seed)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return batch_of(SPEC)


def batch_of(spec: ImageSpec, n: int = 8, seed: int = 3) -> Batch:
    """Noise."""
    generator = torch.Generator().manual_seed(seed)
    image, source = (
        torch.rand(n, channels, spec.size, spec.size, generator=generator) * 2 - 1
        for channels in (spec.channels, spec.source_channels)
    )
    return Batch(image, source=source)


def made(config: Config, spec: ImageSpec = SPEC, **values: Any) -> Any:
    """`values`: gan.* with their dots as double underscores."""
    changed = config.override({f"gan.{key.replace('__', '.')}": value for key, value in values.items()})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_gan(changed.gan, spec)


def phases(gan: Gan, batch: Batch, randomness: StepRandomness = RANDOMNESS) -> tuple[dict[str, Tensor], ...]:
    """Losses and figures of the discriminators, losses of the generators."""
    fakes = gan.fakes(batch, randomness)
    terms, figures = gan.discriminator_losses(batch, fakes, randomness)
    return terms, figures, gan.generator_losses(batch, fakes, randomness)


def learners(gan: Gan, term: Tensor) -> set[str]:
    """The networks that a term has a gradient for."""
    named = list(gan.named_parameters())
    found = torch.autograd.grad(term, [p for _, p in named], retain_graph=True, allow_unused=True)
    pairs = zip(named, found, strict=True)
    return {".".join(name.split(".")[:2]) for (name, _), grad in pairs if grad is not None and grad.any()}


def unequal(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    assert one.keys() == other.keys()
    return {name for name in one if not torch.equal(one[name], other[name])}


@every_translation
@pytest.mark.parametrize("loss", LOSSES)
def test_each_phase_teaches_its_own_side(config: Config, batch: Batch, loss: str, name: str) -> None:
    gan = made(config, name=name, loss=loss)
    fakes = gan.fakes(batch, RANDOMNESS)
    terms, figures = gan.discriminator_losses(batch, fakes, RANDOMNESS)
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in gan.generators.parameters())
    taught = {key for key, p in gan.discriminators.named_parameters() if p.grad is not None and p.grad.any()}
    # The last bias cancels where only real - fake counts, which holds for the hinge while no image is past its margin.
    last = {f"{key}.{len(network) - 1}.bias" for key, network in gan.discriminators.items()}
    untaught = last if loss in ("hinge", "relativistic") else set()
    assert taught == {key for key, _ in gan.discriminators.named_parameters()} - untaught
    assert not any(figure.requires_grad for figure in figures.values())

    gan.zero_grad(set_to_none=True)
    gan.discriminators.requires_grad_(False)  # as the loop does
    torch.stack(list(gan.generator_losses(batch, fakes, RANDOMNESS).values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in gan.discriminators.parameters())
    for key, parameter in gan.generators.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), key


def test_plain_regression_has_no_discriminator(config: Config, batch: Batch, prepared: Prepared) -> None:
    gan = made(config, weights__adversarial=0)
    assert set(gan.generators) == {"generator"} and not list(gan.discriminators.parameters())
    terms, figures, losses = phases(gan, batch)
    assert (terms, figures, set(losses)) == ({}, {}, {"pixel"})
    drawn = gan.fakes(batch, RANDOMNESS)["image"]
    assert drawn.shape == batch.image.shape and drawn.requires_grad
    assert torch.isclose(losses["pixel"], (drawn - batch.image).abs().mean())
    assert gan.held_out_figures(batch, drawn.detach()) == {}
    state = stepped(config, prepared, 2, **{"weights.adversarial": 0})
    assert set(state.optimizers) == {"generator"}
    assert set(stepped(config, prepared, 1).optimizers) == {"generator", "discriminator"}


def test_plain_regression_logs_and_scores_like_any_training(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    changed = config.override({"gan.weights.adversarial": 0})
    given = judge(prepared, held_out=gather(prepared, np.arange(16)))
    trained = fit(changed.gan, changed.train, prepared, seed=1, judge=given, directory=tmp_path)
    assert {name for row in timeless(trained) for name in row} == {
        *("step", "loss/pixel", "validation/raw", "validation/ema", "validation/best")
    }
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint is not None and {name.split(".")[0] for name in checkpoint.tensors} == {
        *("gan", "ema", "best", "generator")
    }
    assert (generate(trained.gan, trained.generators, 16, given.conditions, seed=1) != 0).all()


@pytest.mark.parametrize("stopped", [3, 4, 5, 6, 7])
@pytest.mark.parametrize("adversarial", [0, 0.1])
def test_translation_resumed_after_any_checkpoint_is_bit_identical(
    config: Config, prepared: Prepared, tmp_path: Path, adversarial: float, stopped: int
) -> None:
    values = {"gan__weights__adversarial": adversarial, "gan__jitter": 2}
    resumes_bit_identically(config, prepared, tmp_path, stopped, **values)


def test_jitter_moves_what_is_learnt_and_pairs_stay_pairs(
    config: Config, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Batch] = []
    fakes = Translation.fakes

    def watched(gan: Translation, batch: Batch, randomness: StepRandomness) -> dict[str, Tensor]:
        seen.append(batch)
        return fakes(gan, batch, randomness)

    monkeypatch.setattr(Translation, "fakes", watched)
    alike = replace(prepared, sources=prepared.images)
    for jitter in (0, 2):
        stepped(config, alike, 1, jitter=jitter)
    still, jittered = seen
    assert jittered.source is not None and torch.equal(jittered.image, jittered.source)
    assert still.image.shape == jittered.image.shape and not torch.equal(still.image, jittered.image)


@pytest.mark.parametrize("adversarial", [0, 1])
def test_it_learns_to_translate(config: Config, prepared: Prepared, adversarial: float) -> None:
    """Noise into its negative, of which the sources alone say anything."""
    noise = np.random.default_rng(0).integers(0, 256, prepared.images.shape, dtype=np.uint8)
    negatives = replace(prepared, images=255 - noise, sources=noise)
    values = {"lr": 0.01, "weights__adversarial": adversarial, "weights__pixel": 10}
    model = {**MODEL, "width": 16, "max_width": 32}
    state = stepped(
        config, negatives, 60, batch=16, model=model, **{k.replace("__", "."): v for k, v in values.items()}
    )
    unseen = gather(negatives, negatives.indices("test"))
    drawn = generate(state.gan, state.ema.generators, len(unseen.image), unseen.conditions(), seed=0)
    assert F.l1_loss(torch.from_numpy(drawn), unseen.image) < 0.5 * unseen.image.abs().mean()


def test_the_discriminator_judges_pairs(config: Config, batch: Batch) -> None:
    """Other sources, the same images: its logits are others, and so is what the generator is told."""
    gan = made(config, **PLAIN)
    fakes = gan.fakes(batch, RANDOMNESS)
    assert batch.source is not None
    moved = Batch(batch.image, source=batch.source.roll(1, dims=0))
    (terms, figures), (others, other_figures) = (
        gan.discriminator_losses(given, fakes, RANDOMNESS) for given in (batch, moved)
    )
    assert unequal(figures, other_figures) == {"logits_real", "logits_fake"}
    assert unequal(terms, others) == {"discriminator"}
    # The same images again, so that the pixels say the same.
    one, other = (gan.generator_losses(given, fakes, RANDOMNESS) for given in (batch, moved))
    assert unequal(one, other) == {"adversarial"}


def test_weights_scale_their_terms(config: Config, batch: Batch) -> None:
    def losses(**values: Any) -> dict[str, float]:
        found = phases(made(config, **{f"weights__{key}": value for key, value in values.items()}), batch)[2]
        return {name: value.item() for name, value in found.items()}

    one = losses()
    assert set(one) == {"pixel", "adversarial"} and all(value > 0.1 for value in one.values())
    for name in one:
        changed = losses(**{name: 7.0})
        assert changed == {**one, name: pytest.approx(7 * one[name])}
    assert losses(pixel=0) == {**one, "pixel": 0}


def patches(channels: int) -> nn.Module:
    """A discriminator of a 2x2 map of logits for 32x32 images, as the published one gives for images beyond 64x64."""
    return nn.Sequential(nn.Conv2d(channels, 4, 4, stride=4), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 4, stride=4))


def test_relativistic_loss_and_penalties_of_maps_of_logits(config: Config, batch: Batch) -> None:
    """Each place of a map against the same place of the other; the penalties are on image and source."""
    gan = made(config, loss="relativistic", r1=2.0, r2=0.5, penalty_every=4)
    gan.discriminators["discriminator"] = patches(4)
    fake = gan.fakes(batch, RANDOMNESS)["image"]
    terms, figures = gan.discriminator_losses(batch, {"image": fake}, RANDOMNESS)
    losses = gan.generator_losses(batch, {"image": fake}, RANDOMNESS)
    assert set(terms) == {"discriminator", "r1", "r2"}
    network, source = gan.discriminators["discriminator"], batch.source

    def judged(image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and half the squared gradient of their mean."""
        pair = torch.cat([image, source], dim=1).detach().requires_grad_()
        logits = network(pair)
        (gradient,) = torch.autograd.grad(logits.mean(dim=(1, 2, 3)).sum(), pair)
        return logits.detach(), 0.5 * gradient.square().sum(dim=(1, 2, 3)).mean()

    (real_logits, r1), (fake_logits, r2) = judged(batch.image), judged(fake)
    assert real_logits.shape == (8, 1, 2, 2)
    gap = real_logits - fake_logits
    wanted = {"discriminator": F.softplus(-gap).mean(), "r1": 4 * 2.0 * r1, "r2": 4 * 0.5 * r2}
    for name, value in wanted.items():
        assert torch.isclose(terms[name], value, rtol=1e-4), name
        assert value > 0
    assert torch.isclose(losses["adversarial"], F.softplus(gap).mean(), rtol=1e-4)
    assert torch.isclose(figures["logits_real"] - figures["logits_fake"], gap.mean(), atol=1e-6)
    assert set(gan.discriminator_losses(batch, {"image": fake}, StepRandomness(0, 1))[0]) == {"discriminator"}


@every_translation
@pytest.mark.parametrize("loss", LOSSES)
def test_held_out_figures(config: Config, batch: Batch, loss: str, name: str) -> None:
    """Of maps of logits, beside the source of each where pairs are judged; the networks stay as they were."""
    gan = made(config, name=name, loss=loss, instance_noise=0.5)
    domain, channels = ("image", 1) if name == "cyclegan" else ("discriminator", 4)
    network = gan.discriminators[domain] = patches(channels)
    before = {key: tensor.clone() for key, tensor in gan.state_dict().items()}
    figures = gan.held_out_figures(batch, -batch.image)
    with torch.no_grad():
        real, drawn = (
            network(image if name == "cyclegan" else torch.cat([image, batch.source], dim=1))
            for image in (batch.image, -batch.image)
        )
    accuracy = real > (drawn.mean() if loss == "relativistic" else 0)
    assert figures == pytest.approx(
        {
            "held_out/logits_real": float(real.mean()),
            "held_out/logits_fake": float(drawn.mean()),
            "held_out/accuracy": float(accuracy.float().mean()),
        },
        abs=1e-6,
    )
    assert all(type(value) is float for value in figures.values())
    assert all(module.training for module in gan.modules())
    assert all(p.requires_grad and p.grad is None for p in gan.parameters())
    assert not unequal(before, gan.state_dict())


@every_translation
def test_held_out_figures_stand_in_the_evaluation_rows(
    config: Config, prepared: Prepared, tmp_path: Path, name: str
) -> None:
    changed = config.override({"gan.name": name})
    scores, held_out = [4.0, 4.0, 3.0, 5.0], gather(prepared, np.arange(10))
    given = judge(prepared, lambda images: scores.pop(0), held_out)
    trained = fit(changed.gan, changed.train, prepared, seed=1, judge=given, directory=tmp_path)
    assert (trained.best.step, trained.best.weights) == (6, "raw")
    drawn = torch.from_numpy(generate(trained.gan, trained.generators, 16, given.conditions, seed=1)[:10])
    figures = trained.gan.held_out_figures(held_out, drawn)
    assert figures and figures.items() <= trained.rows[-1].items()


@every_translation
def test_drawing_uses_the_weights_that_it_is_given(config: Config, batch: Batch, name: str) -> None:
    gan, other = made(config, name=name).eval(), made(config, name=name).eval()
    assert gan.inputs == ("source",) and gan.latent_dim == 0
    with torch.no_grad():
        for parameter in other.generators.parameters():
            parameter.add_(0.1)
    inputs = batch.conditions()
    drawn = gan.draw(other.generators, inputs)
    assert torch.equal(drawn, other.draw(other.generators, inputs))
    assert not torch.equal(drawn, gan.draw(gan.generators, inputs))
    assert drawn.shape == batch.image.shape and drawn.detach().abs().max() <= 1
    # What is trained is what is drawn.
    assert torch.equal(other.fakes(batch, RANDOMNESS)["image"], drawn)


@every_translation
def test_autocast_gives_float32(config: Config, batch: Batch, name: str) -> None:
    gan = made(config, name=name, **REMEMBERING[name])
    with torch.autocast("cpu", torch.bfloat16):
        assert gan.draw(gan.generators, batch.conditions()).dtype == torch.float32
        assert {image.dtype for image in gan.fakes(batch, RANDOMNESS).values()} == {torch.float32}
        terms, figures, losses = phases(gan, batch)
    values = [*terms.values(), *figures.values(), *losses.values()]
    assert all(value.dtype == torch.float32 and value.isfinite() for value in values)
    assert {gan.get_buffer(f"memory_{to}").dtype for to in DOMAINS if name == "cyclegan"} <= {torch.float32}


@every_translation
def test_bf16_trains(config: Config, prepared: Prepared, tmp_path: Path, name: str) -> None:
    values = {"gan__name": name, **{f"gan__{key}": value for key, value in REMEMBERING[name].items()}}
    trained = train(config, prepared, tmp_path / "bf16", train__precision="bf16", **values)
    assert {p.dtype for p in trained.gan.parameters()} == {torch.float32}
    assert weights(trained) != weights(train(config, prepared, tmp_path / "fp32", **values))


@every_translation
def test_labels_and_masks_are_not_looked_at(config: Config, labelled: Prepared, tmp_path: Path, name: str) -> None:
    spec = labelled.spec
    assert spec.classes == 4 and spec.mask_channels == 1
    given = gather(labelled, np.arange(8))
    assert given.label is not None and given.source is not None
    gan, bare = made(config, spec, name=name), made(config, ImageSpec(16, 1, source_channels=1), name=name)
    assert gan.spec == bare.spec == ImageSpec(16, 1, source_channels=1)
    one, other = phases(gan, given), phases(bare, Batch(given.image, source=given.source))
    assert not any(unequal(*both) for both in zip(one, other, strict=True))
    trained = train(config, labelled, tmp_path, gan__name=name)
    assert trained.best.step > 0


def test_a_cyclegan_has_four_networks_one_a_direction_and_one_a_domain(config: Config, batch: Batch) -> None:
    gan = made(config, name="cyclegan")
    assert set(gan.generators) == set(gan.discriminators) == {"image", "source"}
    fakes = gan.fakes(batch, RANDOMNESS)
    assert batch.source is not None
    assert fakes["image"].shape == batch.image.shape and fakes["source"].shape == batch.source.shape
    assert torch.equal(fakes["image"], gan.draw(gan.generators, batch.conditions()))
    assert torch.equal(fakes["source"], gan.generators["source"](batch.image))
    # An image depends on the source alone and the other way round: nobody has both.
    for given, changed in (
        (Batch(-batch.image, source=batch.source), {"source"}),
        (Batch(batch.image, source=-batch.source), {"image"}),
    ):
        assert unequal(fakes, gan.fakes(given, RANDOMNESS)) == changed


@pytest.mark.parametrize("identity", [0, 0.5])
def test_each_term_of_a_cyclegan_teaches_its_networks(config: Config, batch: Batch, identity: float) -> None:
    spec = ImageSpec(32, 1, source_channels=1)
    gan = made(config, spec, name="cyclegan", loss="bce", weights__identity=identity)
    terms, figures, losses = phases(gan, batch_of(spec))
    assert set(figures) == {f"{name}-{domain}" for name in ("logits_real", "logits_fake") for domain in DOMAINS}
    assert {name: learners(gan, term) for name, term in terms.items()} == {
        f"{name}-{domain}": {f"discriminators.{domain}"} for name in ("discriminator", "r1", "r2") for domain in DOMAINS
    }
    wanted = {
        "adversarial-image": {"generators.image", "discriminators.image"},
        "adversarial-source": {"generators.source", "discriminators.source"},
        "cycle-image": {"generators.image", "generators.source"},
        "cycle-source": {"generators.image", "generators.source"},
    }
    if identity:
        wanted |= {"identity-image": {"generators.image"}, "identity-source": {"generators.source"}}
    assert {name: learners(gan, term) for name, term in losses.items()} == wanted


class Scaled(nn.Module):
    """A generator that multiplies."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, image: Tensor) -> Tensor:
        return image * self.factor


def scaling(config: Config, to_image: float, to_source: float, **values: Any) -> Any:
    gan = made(config, ImageSpec(32, 1, source_channels=1), name="cyclegan", **values)
    gan.generators["image"], gan.generators["source"] = Scaled(to_image), Scaled(to_source)
    return gan


def test_the_cycle_comes_back_to_its_start(config: Config) -> None:
    """Nothing to gain for generators that invert each other; else the distance from where each began."""
    batch = batch_of(ImageSpec(32, 1, source_channels=1))
    assert batch.source is not None
    batch = Batch(batch.image, source=0.25 * batch.source)
    for one, other in ((-1.0, -1.0), (0.5, 2.0)):
        losses = phases(scaling(config, one, other, weights__cycle=10), batch)[2]
        assert losses["cycle-image"] == losses["cycle-source"] == 0
    losses = phases(scaling(config, 0.5, 4.0, weights__cycle=10), batch)[2]
    assert losses["cycle-image"].item() == pytest.approx(10 * batch.image.abs().mean().item())
    assert losses["cycle-source"].item() == pytest.approx(10 * batch.source.abs().mean().item())
    assert not {name for name in losses if name.startswith("identity")}


def test_identity_is_what_a_generator_makes_of_an_image_of_its_own_kind(config: Config) -> None:
    batch = batch_of(ImageSpec(32, 1, source_channels=1))
    assert batch.source is not None
    losses = phases(scaling(config, 3.0, -1.0, weights__identity=5), batch)[2]
    assert losses["identity-image"].item() == pytest.approx(5 * 2 * batch.image.abs().mean().item())
    assert losses["identity-source"].item() == pytest.approx(5 * 2 * batch.source.abs().mean().item())
    kept = phases(scaling(config, 1.0, 1.0, weights__identity=5), batch)[2]
    assert kept["identity-image"] == kept["identity-source"] == 0


def test_drawing_remembers_the_statistics_of_real_images_alone(config: Config) -> None:
    """Of batch norm: what comes back in a cycle, or is a generator's own kind, is not what it will be given."""
    spec = ImageSpec(32, 1, source_channels=1)
    gan, batch = made(config, spec, name="cyclegan", weights__identity=1), batch_of(spec)
    gan.train()
    before = {name: tensor.clone() for name, tensor in gan.named_buffers() if "running" in name}
    fakes = gan.fakes(batch, RANDOMNESS)
    learnt = {name: tensor.clone() for name, tensor in gan.named_buffers() if "running" in name}
    assert before and all(not torch.equal(before[name], tensor) for name, tensor in learnt.items() if "gener" in name)
    gan.generator_losses(batch, fakes, RANDOMNESS)
    assert not unequal(learnt, {name: tensor for name, tensor in gan.named_buffers() if "running" in name})
    norms = [module for module in gan.generators.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1}


def test_weights_of_a_cyclegan_scale_their_terms(config: Config) -> None:
    spec = ImageSpec(32, 1, source_channels=1)

    def losses(**values: Any) -> dict[str, float]:
        given = {f"weights__{key}": value for key, value in values.items()}
        found = phases(made(config, spec, name="cyclegan", **{"weights__identity": 1, **given}), batch_of(spec))[2]
        return {name: value.item() for name, value in found.items()}

    one = losses()
    for name in ("adversarial", "cycle", "identity"):
        scaled = {key: pytest.approx(7 * one[key]) for key in (f"{name}-image", f"{name}-source")}
        assert losses(**{name: 7}) == {**one, **scaled}


@pytest.mark.parametrize("domain", DOMAINS)
def test_each_discriminator_judges_its_domain(config: Config, batch: Batch, domain: str) -> None:
    """With its weights changed, the terms of the other domain stay as they are."""
    gan, other = (made(config, name="cyclegan", loss="bce") for _ in range(2))
    with torch.no_grad():
        for parameter in other.discriminators[domain].parameters():
            parameter.add_(0.1)
    one, changed = phases(gan, batch), phases(other, batch)
    assert unequal(one[0], changed[0]) == {f"{name}-{domain}" for name in ("discriminator", "r1", "r2")}
    assert unequal(one[1], changed[1]) == {f"{name}-{domain}" for name in ("logits_real", "logits_fake")}
    assert unequal(one[2], changed[2]) == {f"adversarial-{domain}"}


def judged(gan: CycleGan, step: int, *, seed: int = 0, n: int = 8) -> dict[str, list[float]]:
    """What each discriminator takes for drawn at the step-th step, whose fakes are flat, of values step + row / 100."""
    values = [step + row / 100 for row in range(n)]
    flat = torch.tensor(values).reshape(n, 1, 1, 1).expand(n, 1, 32, 32)
    seen: dict[str, list[Tensor]] = {domain: [] for domain in DOMAINS}
    hooks = [
        network.register_forward_pre_hook(lambda _, given, domain=domain: seen[domain].append(given[0]))
        for domain, network in gan.discriminators.items()
    ]
    real = torch.full((n, 1, 32, 32), -1.0)
    gan.discriminator_losses(Batch(real, source=real), dict.fromkeys(DOMAINS, flat), StepRandomness(seed, step - 1))
    for hook in hooks:
        hook.remove()
    for domain in DOMAINS:
        first, second = seen[domain]
        assert (first == -1).all()
        assert (second == second[:, :, :1, :1]).all()
    return {domain: [round(float(value), 2) for value in seen[domain][1][:, 0, 0, 0]] for domain in DOMAINS}


def remembering(config: Config, buffer: int) -> Any:
    return made(config, ImageSpec(32, 1, source_channels=1), name="cyclegan", buffer=buffer, **PLAIN)


def memory(gan: CycleGan, domain: str) -> list[float]:
    return [round(float(value), 2) for value in gan.get_buffer(f"memory_{domain}")[:, 0, 0, 0]]


def test_the_memory_fills_then_gives_old_images_for_fresh_ones_half_of_the_time(config: Config) -> None:
    gan = remembering(config, 20)
    held: dict[str, list[float]] = {domain: [] for domain in DOMAINS}
    recalled = 0
    for step in range(1, 61):
        for domain, shown in judged(gan, step).items():
            for row, value in enumerate(shown):
                fresh = round(step + row / 100, 2)
                if len(held[domain]) < 20:
                    assert value == fresh
                    held[domain].append(fresh)
                elif value != fresh:
                    held[domain][held[domain].index(value)] = fresh
                    recalled += 1
            assert memory(gan, domain) == held[domain] + [0.0] * (20 - len(held[domain]))
    count = 2 * (60 * 8 - 20)
    assert abs(recalled - count / 2) < 4 * math.sqrt(count / 4)
    assert held["image"] != held["source"]  # by chances of their own


def test_a_recalled_image_may_stand_anywhere_in_the_memory(config: Config) -> None:
    gan = remembering(config, 8)
    for step in range(1, 12):
        judged(gan, step)
    assert all(value >= 2 for domain in DOMAINS for value in memory(gan, domain))


def test_what_is_recalled_depends_on_seed_and_step_alone(config: Config) -> None:
    def run(seed: int, *, disturbed: bool = False) -> list[dict[str, list[float]]]:
        gan, found = remembering(config, 5), []
        for step in range(1, 8):
            if disturbed:
                torch.manual_seed(step)
            found.append(judged(gan, step, seed=seed))
        return found

    first = run(0)
    assert run(0, disturbed=True) == first != run(1)


def test_without_a_buffer_nothing_is_kept(config: Config) -> None:
    gan = remembering(config, 0)
    for step in range(1, 5):
        shown = judged(gan, step)
        assert shown["image"] == shown["source"] == [round(step + row / 100, 2) for row in range(8)]
    assert all(gan.get_buffer(f"memory_{domain}").numel() == 0 for domain in DOMAINS)


def test_the_generators_are_judged_by_fresh_images(config: Config, batch: Batch) -> None:
    """And what the memory holds has no graph."""
    gan, bare = (made(config, name="cyclegan", buffer=buffer, **PLAIN) for buffer in (4, 0))
    for step in range(3):
        one, other = (phases(each, batch_of(SPEC, seed=step), StepRandomness(0, step)) for each in (gan, bare))
        assert not unequal(one[2], other[2])
    assert unequal(one[0], other[0]) == {"discriminator-image", "discriminator-source"}
    assert not any(gan.get_buffer(f"memory_{domain}").requires_grad for domain in DOMAINS)


@pytest.mark.parametrize("buffer", [0, 10])
@pytest.mark.parametrize("stopped", [3, 4, 5, 6, 7])
def test_cyclegan_resumed_after_any_checkpoint_is_bit_identical(
    config: Config, prepared: Prepared, tmp_path: Path, stopped: int, buffer: int
) -> None:
    """The memory too: of 64 drawn images it holds ten."""
    resumes_bit_identically(config, prepared, tmp_path, stopped, gan__name="cyclegan", gan__buffer=buffer)
    checkpoint = load_checkpoint(tmp_path / "broken")
    assert checkpoint is not None
    for domain in DOMAINS:
        kept = checkpoint.tensors[f"gan.memory_{domain}"]
        assert len(kept) == len({image.numpy().tobytes() for image in kept}) == buffer


def test_a_resumed_training_needs_its_memory(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    """Or else the tests above would say nothing of it."""
    values = {"gan__name": "cyclegan", "gan__r1": 0, "gan__r2": 0}
    one, other = (
        timeless(train(config, prepared, tmp_path / str(buffer), gan__buffer=buffer, **values)) for buffer in (0, 8)
    )
    assert [row for row in one if row["step"] == 1] == [row for row in other if row["step"] == 1]
    assert [row for row in one if row["step"] == 6] != [row for row in other if row["step"] == 6]


def test_a_memory_counts_every_turn_of_the_discriminator(config: Config, prepared: Prepared) -> None:
    state = stepped(config, prepared, 2, name="cyclegan", buffer=100, discriminator_steps=3)
    kept = state.gan.get_buffer("memory_image").flatten(1).any(dim=1)
    assert int(kept.sum()) == 2 * 3 * config.gan.batch


@every_translation
def test_the_loop_gives_pairs_to_the_one_and_strangers_to_the_other(
    config: Config, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    changed = config.override({"gan.name": name})
    kind = type(made(config, name=name))
    original: Callable[..., dict[str, Tensor]] = kind.fakes
    seen: list[Batch] = []

    def spied(gan: Gan, batch: Batch, randomness: StepRandomness) -> dict[str, Tensor]:
        seen.append(batch)
        return original(gan, batch, randomness)

    monkeypatch.setattr(kind, "fakes", spied)
    fit(changed.gan, changed.train, prepared, seed=1, judge=judge(prepared), directory=tmp_path)
    everything = gather(prepared, np.arange(len(prepared.images)))
    assert everything.source is not None
    images = {image.numpy().tobytes(): row for row, image in enumerate(everything.image)}
    sources = {image.numpy().tobytes(): row for row, image in enumerate(everything.source)}
    assert len(images) == len(sources) == len(prepared.images) and len(seen) == 6
    for batch in seen:
        assert batch.source is not None
        rows = np.array([images[image.numpy().tobytes()] for image in batch.image])
        others = np.array([sources[image.numpy().tobytes()] for image in batch.source])
        if name == "translation":
            assert (rows == others).all()
        else:
            assert (prepared.patients[rows] != prepared.patients[others]).all()


def test_a_cyclegan_learns_to_come_back(config: Config, prepared: Prepared) -> None:
    def cycles(steps: int) -> list[float]:
        values = {"weights.cycle": 10, "lr": 0.003, "buffer": 16}
        state = stepped(config, prepared, steps, name="cyclegan", **values)
        losses = phases(state.gan, gather(prepared, np.arange(8)))[2]
        return [float(losses[f"cycle-{domain}"].detach()) for domain in DOMAINS]

    assert all(after < 0.5 * before for before, after in zip(cycles(1), cycles(40), strict=True))


def test_cyclegan_needs_two_patients(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    alone = replace(prepared, patients=np.full(len(prepared.patients), "p"))
    with pytest.raises(MedganError, match="two patients in the train split"):
        train(config, alone, tmp_path / "unpaired", gan__name="cyclegan")
    train(config, alone, tmp_path / "paired")


def rates(config: Config, spec: ImageSpec, **values: Any) -> list[tuple[float, float]]:
    """Learning rates of generator and discriminator at each of a hundred steps."""
    changed = config.override({f"gan.{key}": value for key, value in values.items()})
    state = State(changed.gan, changed.train.model_copy(update={"steps": 100}), spec, seed=0)
    found = []
    for step in range(100):
        state.step = step
        state.set_levels()
        found.append((state.rates["generator"].now, state.rates["discriminator"].now))
    return found


def test_learning_rates_rise_linearly_then_stay_then_fall_by_a_cosine(config: Config) -> None:
    found = rates(config, SPEC, lr=0.01, discriminator_lr_ratio=2, warmup=0.2, decay_from=0.5)
    assert [one for one, _ in found[:20]] == pytest.approx([0.01 * (step + 1) / 20 for step in range(20)])
    assert [one for one, _ in found[20:51]] == pytest.approx([0.01] * 31)
    fall = [0.005 * (1 + math.cos(math.pi * (step - 50) / 50)) for step in range(51, 100)]
    assert [one for one, _ in found[51:]] == pytest.approx(fall)
    assert [other for _, other in found] == pytest.approx([2 * one for one, _ in found])


def test_without_warmup_learning_rates_start_full(config: Config) -> None:
    found = rates(config, SPEC, lr=0.01, warmup=0, decay_from=0.3)
    late = [max(0, step - 30) / 70 for step in range(100)]
    assert [one for one, _ in found] == [0.01 * 0.5 * (1 + math.cos(math.pi * done)) for done in late]
    # Less than a step is none.
    assert rates(config, SPEC, lr=0.01, warmup=0.001, decay_from=0.3) == found


def test_warmup_reaches_the_training(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    """The first of its steps is a tenth of the whole one: Adam's first step is as long as its rate."""
    moved = {}
    for warmup in (0.0, 0.1):
        before = State(config.gan, config.train, prepared.spec, seed=0).gan.generators
        state = stepped(config, prepared, 1, warmup=warmup)
        pairs = zip(before.parameters(), state.gan.generators.parameters(), strict=True)
        moved[warmup] = max(float((one - other).detach().abs().max()) for one, other in pairs)
    assert moved[0.1] == pytest.approx(0.1 * moved[0.0], rel=0.01)


@every_translation
def test_data_without_source_images_is_a_sentence(config: Config, name: str) -> None:
    changed = config.override({"gan.name": name}).gan
    for make in (build_gan, check_gan):
        with pytest.raises(MedganError, match=r"need source images and the data has none; see data\.source"):
            make(changed, ImageSpec(32, 1, classes=3))


@every_translation
def test_unknown_models_are_sentences_with_the_choices(config: Config, name: str) -> None:
    choices = ", ".join(sorted(TRANSLATION_MODELS))
    for model, message in (
        ({"name": "unett"}, rf"gan\.model: unknown name 'unett' \(did you mean 'unet'\?\); choices: {choices}$"),
        ({"name": "dcgan"}, rf"gan\.model: unknown name 'dcgan'.*; choices: {choices}$"),
        ({"width": 4}, rf"gan\.model: unknown name '\(none\)'.*; choices: {choices}$"),
        ({**MODEL, "level": 2}, r"'gan\.model\.level' \(did you mean 'levels'"),
        ({**MODEL, "levels": 0}, r"'gan\.model\.levels' = 0"),
    ):
        with pytest.raises(MedganError, match=message):
            check_gan(config.override({"gan.name": name, "gan.model": model}).gan, SPEC)


@every_translation
@pytest.mark.parametrize(
    ("model", "least"), [({"name": "published-unet"}, 64), ({**MODEL, "levels": 5}, 64), ({**MODEL, "levels": 4}, 32)]
)
def test_images_too_small_for_the_networks_are_a_sentence(
    config: Config, model: dict[str, Any], least: int, name: str
) -> None:
    changed = config.override({"gan.name": name, "gan.model": model}).gan
    for size in (16, 32):
        if size < least:
            with pytest.raises(MedganError, match=rf"halves images of {size}x{size} more often.*raise data\.size"):
                check_gan(changed, ImageSpec(size, 1, source_channels=1))
    check_gan(changed, ImageSpec(least, 1, source_channels=1))


@every_translation
def test_checking_costs_no_memory(config: Config, name: str) -> None:
    giant = {"name": "unet", "width": 16384, "max_width": 262144, "discriminator_width": 16384}
    buffer = {"gan.buffer": 10**7} if name == "cyclegan" else {}
    check_gan(config.override({"gan.name": name, "gan.model": giant, **buffer}).gan, ImageSpec(256, 3, 0, 3))


def test_a_cyclegan_draws_sources_from_images_too(config: Config, batch: Batch) -> None:
    gan = made(config, name="cyclegan")
    there, way = gan.ways()
    back = way.gan
    assert (there.name, there.suffix, there.gan) == ("", "", gan) and (way.name, way.suffix) == ("reverse", "-reverse")
    assert back.spec == ImageSpec(32, 3, source_channels=1) and gan.spec == SPEC
    drawn = back.draw(back.generators, {"source": batch.image})
    assert torch.equal(drawn, gan.generators["source"](batch.image))
    assert torch.equal(gan.draw(gan.generators, {"source": batch.source}), gan.generators["image"](batch.source))
    assert torch.equal(
        back.ways()[1].gan.draw(gan.generators, {"source": batch.source}), gan.generators["image"](batch.source)
    )


def test_paired_translation_has_no_way_back(config: Config) -> None:
    assert [way.name for way in made(config).ways()] == [""]


def test_the_way_back_sees_image_and_source_swapped(config: Config, prepared: Prepared) -> None:
    way, direction = made(config, name="cyclegan").ways()[1], Direction("T1w", "T2w")
    back = way.view(prepared)
    assert prepared.direction == direction and back.direction == way.direction(direction) == Direction("T2w", "T1w")
    assert (str(prepared.direction), str(back.direction)) == ("T1w to T2w", "T2w to T1w")
    there, here = (gather(data, np.array([3, 5])) for data in (back, prepared))
    assert here.source is not None and there.source is not None
    assert torch.equal(there.image, here.source) and torch.equal(there.source, here.image)
    assert back.opposite().spec == prepared.spec


@pytest.mark.parametrize("score", ["mae", "ssim"])
def test_the_judge_of_pairs_knows_each_target(prepared: Prepared, score: str) -> None:
    n = len(prepared.indices("validation"))
    extractor = Extractor(1, 16, 0)
    found = scoring.SCORES[score].judge(prepared, extractor, n, 0)
    targets = gather(prepared, prepared.indices("validation")).image.numpy()
    assert found.score(targets) == pytest.approx(0, abs=1e-3)
    assert found.score(targets[::-1].copy()) > 0.05
    assert torch.equal(found.examples["target"], gather(prepared, examples(prepared, "validation")).image)


@pytest.mark.parametrize("kind", ["mirror", "translation", "brightness"])
def test_augmentation_keeps_pairs_together(config: Config, kind: str) -> None:
    """Image and source are equal, and still so in what the discriminator sees."""
    gan = made(config, ImageSpec(32, 1, source_channels=1), augment=[kind])
    batch = batch_of(ImageSpec(32, 1, source_channels=1))
    seen: list[Tensor] = []
    gan.discriminators["discriminator"].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    gan.discriminator_losses(replace(batch, source=batch.image), {"image": batch.image}, RANDOMNESS)
    assert len(seen) == 2
    for pair in seen:
        image, source = pair.chunk(2, dim=1)
        assert torch.equal(image, source) and not torch.equal(image, batch.image)


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        (
            "translation",
            {"conditional": True},
            "gan.conditional is a knob of multiscale and synthesis, and gan.name is",
        ),
        ("cyclegan", {"conditional": False}, "gan.conditional is a knob of multiscale and synthesis"),
        ("translation", {"buffer": 8}, "gan.buffer is a knob of cyclegan, and gan.name is translation; leave it out"),
        ("cyclegan", {"weights__pixel": 1}, "gan.weights.pixel is a knob of translation, and gan.name is cyclegan"),
        ("translation", {"weights__adversarial": 0, "weights__pixel": 0}, "both 0: nothing would be learnt"),
        ("cyclegan", {"weights__adversarial": 0}, "gan.weights.adversarial is 0"),
        ("translation", {"augment": ("saturation",)}, "saturation would mix an image with its source"),
        (
            "cyclegan",
            {"weights__identity": 1},
            "a generator of 1-channel images what it draws, and it takes sources of 3",
        ),
    ],
)
def test_what_would_learn_nothing_is_a_sentence(config: Config, name: str, values: dict[str, Any], says: str) -> None:
    with pytest.raises(MedganError, match=says):
        made(config, name=name, **values)


def test_a_cyclegan_of_sources_that_are_no_picture_is_a_sentence(config: Config) -> None:
    with pytest.raises(MedganError, match="these have 2 channels, neither grey nor colour"):
        made(config, ImageSpec(32, 1, source_channels=2), name="cyclegan")
    made(config, ImageSpec(32, 1, source_channels=2))


def test_a_plain_regression_starts_from_another_one(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    values = {"weights.adversarial": 0}
    stepped(config, prepared, 1, **values).save(tmp_path)
    (path,) = tmp_path.glob("*.checkpoint")
    started = stepped(config.override({"train.init_from": str(path)}), prepared, 0, **values)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint is not None
    assert all(torch.equal(t, checkpoint.tensors[f"gan.{name}"]) for name, t in started.gan.state_dict().items())


def test_what_a_cyclegan_remembers_is_not_taken_over(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    values = {"name": "cyclegan", "buffer": 4}
    stepped(config, prepared, 1, **values).save(tmp_path)
    (path,) = tmp_path.glob("*.checkpoint")
    started = stepped(config.override({"train.init_from": str(path)}), prepared, 0, **values).gan
    assert not started.get_buffer("memory_image").any()
