"""How losses and networks compose: which networks learn from what, and when."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medgan.config.schema import Config
from medgan.data.batch import Batch
from medgan.data.loader import gather
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.gans import GANS, build_gan, check_gan
from medgan.gans.adversarial import Game
from medgan.gans.base import Gan
from medgan.randomness import StepRandomness

SPEC = ImageSpec(16, 1, classes=3)
LOSSES = ["bce", "saturating", "hinge", "relativistic"]


def made(config: Config, spec: ImageSpec = SPEC, **values: Any) -> Gan:
    """`values`: gan.* with their dots as double underscores."""
    changed = config.override({f"gan.{key.replace('__', '.')}": value for key, value in values.items()})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_gan(changed.gan, spec)


@pytest.fixture(scope="module")
def batch(prepared: Prepared) -> Batch:
    return gather(prepared, np.arange(8))


def test_fakes_depend_on_seed_and_step_alone(config: Config, batch: Batch) -> None:
    gan = made(config)

    def fakes(seed: int, step: int) -> torch.Tensor:
        return gan.fakes(batch, StepRandomness(seed, step))["image"]

    first = fakes(1, 5)
    torch.manual_seed(99)
    torch.randn(3)
    assert torch.equal(fakes(1, 5), first)
    assert not torch.equal(fakes(1, 6), first) and not torch.equal(fakes(2, 5), first)
    assert first.shape == batch.image.shape and first.requires_grad


def test_fakes_bear_the_labels_of_the_batch(config: Config, batch: Batch) -> None:
    gan, randomness = made(config), StepRandomness(0, 0)
    assert batch.label is not None
    other = Batch(batch.image, (batch.label + 1) % 3)
    assert not torch.equal(gan.fakes(batch, randomness)["image"], gan.fakes(other, randomness)["image"])


@pytest.mark.parametrize(
    ("loss", "discriminator", "generator"),
    [
        ("bce", 1.863765, 0.393669),
        ("saturating", 1.863765, -1.143669),
        ("hinge", 2.75, -0.75),
        ("relativistic", 1.164170, 0.914170),
    ],
)
def test_each_side_plays_the_loss_of_the_configuration(
    config: Config, loss: str, discriminator: float, generator: float
) -> None:
    """Worked out by hand, of the logits that these images of one pixel are."""
    game = Game(config.override({"gan.loss": loss, "gan.r1": 0, "gan.r2": 0}).gan)
    real, fake = (torch.tensor(logits).reshape(2, 1, 1, 1) for logits in ([2.0, -1.0], [0.5, 1.0]))
    terms, figures = game.discriminator_terms(torch.flatten, real, fake, StepRandomness(0, 0))
    assert {name: float(value) for name, value in terms.items()} == pytest.approx(
        {"discriminator": discriminator}, abs=1e-5
    )
    assert (float(figures["logits_real"]), float(figures["logits_fake"])) == (0.5, 0.75)
    assert float(game.generator_loss(torch.flatten, real, fake, StepRandomness(0, 0))) == pytest.approx(
        generator, abs=1e-5
    )


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("loss", LOSSES)
def test_each_phase_teaches_its_own_side(config: Config, batch: Batch, loss: str, norm: str, conditional: bool) -> None:
    gan = made(config, loss=loss, conditional=conditional, model__discriminator_norm=norm)
    randomness = StepRandomness(0, 0)
    fakes = gan.fakes(batch, randomness)
    terms, figures = gan.discriminator_losses(batch, fakes, randomness)
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in gan.generators.parameters())
    taught = {name for name, p in gan.discriminators.named_parameters() if p.grad is not None and p.grad.any()}
    # The last bias cancels where only real - fake counts, which holds for the hinge while no image is past its margin.
    untaught = {"discriminator.to_logit.bias"} if loss in ("hinge", "relativistic") else set()
    assert taught == {name for name, _ in gan.discriminators.named_parameters()} - untaught
    assert not any(figure.requires_grad for figure in figures.values())

    gan.zero_grad(set_to_none=True)
    gan.discriminators.requires_grad_(False)  # as the loop does
    torch.stack(list(gan.generator_losses(batch, fakes, randomness).values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in gan.discriminators.parameters())
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in gan.generators.parameters())


def test_descent_moves_each_side_its_way(config: Config, batch: Batch) -> None:
    """The discriminator widens real - fake, the generator narrows it."""
    for side in ("discriminators", "generators"):
        gan, randomness = made(config, r1=0, r2=0), StepRandomness(0, 0)
        gan.eval()

        def gap() -> float:
            fakes = gan.fakes(batch, randomness)  # noqa: B023
            _, figures = gan.discriminator_losses(batch, fakes, randomness)  # noqa: B023
            return float(figures["logits_real"] - figures["logits_fake"])

        before = gap()
        optimizer = torch.optim.SGD(getattr(gan, side).parameters(), lr=0.01)
        fakes = gan.fakes(batch, randomness)
        terms = (
            gan.discriminator_losses(batch, fakes, randomness)[0]
            if side == "discriminators"
            else gan.generator_losses(batch, fakes, randomness)
        )
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        assert (gap() > before) == (side == "discriminators")


def test_penalties_come_every_kth_step_and_k_times_as_strong(config: Config, batch: Batch) -> None:
    def terms(step: int, **values: Any) -> dict[str, float]:
        gan, randomness = made(config, **values), StepRandomness(0, step)
        found, _ = gan.discriminator_losses(batch, gan.fakes(batch, randomness), randomness)
        return {name: value.item() for name, value in found.items()}

    always = {"penalty_every": 1, "r1": 2.0, "r2": 0.5}
    every, seldom = terms(8, **always), terms(8, **{**always, "penalty_every": 4})
    assert set(every) == {"discriminator", "r1", "r2"}
    assert seldom["r1"] == pytest.approx(4 * every["r1"]) and seldom["r2"] == pytest.approx(4 * every["r2"])
    assert seldom["discriminator"] == every["discriminator"]
    for step in (5, 6, 7):
        assert set(terms(step, **{**always, "penalty_every": 4})) == {"discriminator"}
        assert set(terms(step, **always)) == {"discriminator", "r1", "r2"}
    assert terms(8, **{**always, "r1": 4.0})["r1"] == pytest.approx(2 * every["r1"])
    assert set(terms(8, **{**always, "r1": 0})) == {"discriminator", "r2"}
    assert set(terms(8, **{**always, "r1": 0, "r2": 0})) == {"discriminator"}


def test_penalties_fall_geometrically_to_their_end(config: Config, batch: Batch) -> None:
    def penalties(done: float, end: float) -> list[float]:
        gan, randomness = made(config, penalty_every=1, penalty_end=end), StepRandomness(0, 0)
        gan.set_progress(done)
        found, _ = gan.discriminator_losses(batch, gan.fakes(batch, randomness), randomness)
        return [found[name].item() for name in ("r1", "r2")]

    full = penalties(0.0, 0.01)
    for done, left in ((0.25, 0.01**0.25), (0.5, 0.1), (1.0, 0.01)):
        assert penalties(done, 0.01) == pytest.approx([left * value for value in full])
        assert penalties(done, 1.0) == full


def test_smoothing_reaches_the_bce_loss(config: Config, batch: Batch) -> None:
    randomness = StepRandomness(0, 1)
    plain, smooth = (made(config, loss="bce", label_smoothing=value) for value in (1.0, 0.8))
    one, other = (
        gan.discriminator_losses(batch, gan.fakes(batch, randomness), randomness)[0]["discriminator"].item()
        for gan in (plain, smooth)
    )
    figures = plain.discriminator_losses(batch, plain.fakes(batch, randomness), randomness)[1]
    assert other - one == pytest.approx(0.2 * float(figures["logits_real"]), abs=1e-5)


def test_the_hinge_teaches_the_discriminator_nothing_once_every_margin_is_met(config: Config, batch: Batch) -> None:
    gan = made(config, loss="hinge", conditional=False, r1=0, r2=0, model__discriminator_norm="none")
    randomness = StepRandomness(0, 0)
    white, black = Batch(torch.ones_like(batch.image)), -torch.ones_like(batch.image)
    network: Any = gan.discriminators["discriminator"]
    with torch.no_grad():  # stretched and shifted until its logits are 2 and -2
        network.to_logit.weight *= 4 / (network(white.image) - network(black))[0]
        network.to_logit.bias.copy_(-(network(white.image) + network(black))[:1] / 2)
    black.requires_grad_()
    terms, figures = gan.discriminator_losses(white, {"image": black}, randomness)
    assert (float(figures["logits_real"]), float(figures["logits_fake"])) == pytest.approx((2, -2), abs=1e-5)
    terms["discriminator"].backward()  # type: ignore[no-untyped-call]
    assert terms["discriminator"] == 0
    assert not any(p.grad is not None and p.grad.any() for p in gan.discriminators.parameters())
    (wanted,) = torch.autograd.grad(gan.generator_losses(white, {"image": black}, randomness)["generator"], black)
    assert wanted.any()


def linear_logits(
    config: Config, batch: Batch, *, seed: int = 0, step: int = 0, done: float | None = None, **values: Any
) -> Tensor:
    """Mean logits of real and generated images, of a discriminator whose activations let everything through.

    done: the share of the budget that the network is told.
    """
    gan, randomness = made(config, model__discriminator_norm="none", **values), StepRandomness(seed, step)
    for module in gan.discriminators.modules():
        if isinstance(module, nn.LeakyReLU):
            module.negative_slope = 1.0
    if done is not None:
        gan.set_progress(done)
    _, figures = gan.discriminator_losses(batch, gan.fakes(batch, randomness), randomness)
    return torch.stack([figures["logits_real"], figures["logits_fake"]])


def test_instance_noise_falls_linearly_to_none(config: Config, batch: Batch) -> None:
    def logits(done: float | None) -> Tensor:
        return linear_logits(config, batch, done=done, instance_noise=0.5, instance_noise_until=0.4)

    quiet = linear_logits(config, batch)
    full = logits(None) - quiet
    assert (full.abs() > 1e-3).all()
    for done, left in ((0.0, 1.0), (0.1, 0.75), (0.2, 0.5), (0.3, 0.25)):
        assert torch.allclose(logits(done) - quiet, left * full, atol=1e-5)
    for done in (0.4, 0.7, 1.0):
        assert torch.equal(logits(done), quiet)


@pytest.mark.parametrize("values", [{"instance_noise": 0.5}, {"augment": ["brightness", "cutout"]}])
def test_what_the_discriminator_sees_depends_on_seed_and_step_alone(
    config: Config, batch: Batch, values: dict[str, Any]
) -> None:
    def change(seed: int, step: int) -> Tensor:
        plain = linear_logits(config, batch, seed=seed, step=step)
        return linear_logits(config, batch, seed=seed, step=step, **values) - plain

    first = change(1, 5)
    torch.randn(3)
    assert torch.equal(change(1, 5), first)
    assert (first != 0).all() and (change(1, 6) != first).all() and (change(2, 5) != first).all()


@pytest.mark.parametrize("values", [{"instance_noise": 0.5}, {"augment": ["translation", "contrast"]}])
def test_real_and_generated_images_are_changed_by_numbers_of_their_own(
    config: Config, batch: Batch, values: dict[str, Any]
) -> None:
    gan = made(config, model__discriminator_norm="none", **values)
    _, figures = gan.discriminator_losses(batch, {"image": batch.image}, StepRandomness(0, 0))
    assert figures["logits_real"] != figures["logits_fake"]


@pytest.mark.parametrize("values", [{}, {"instance_noise": 0.5}, {"augment": ["translation", "contrast"]}])
def test_both_phases_show_the_discriminator_the_same(config: Config, batch: Batch, values: dict[str, Any]) -> None:
    """The means of the logits in the phase of the discriminator follow from the loss in that of the generator."""
    for loss in ("hinge", "relativistic"):
        gan = made(config, loss=loss, r1=0, r2=0, model__discriminator_norm="none", **values)
        randomness = StepRandomness(0, 0)
        fakes = gan.fakes(batch, randomness)
        terms, figures = gan.discriminator_losses(batch, fakes, randomness)
        generator = gan.generator_losses(batch, fakes, randomness)["generator"]
        if loss == "hinge":
            assert torch.equal(generator, -figures["logits_fake"])
        else:  # softplus(x) - softplus(-x) = x
            gap = figures["logits_fake"] - figures["logits_real"]
            assert torch.isclose(terms["discriminator"] - generator, gap, atol=1e-6)


@pytest.mark.parametrize("values", [{"instance_noise": 0.1}, {"augment": ["translation", "brightness", "cutout"]}])
def test_both_sides_learn_from_changed_images(config: Config, batch: Batch, values: dict[str, Any]) -> None:
    def terms(**values: Any) -> dict[str, Tensor]:
        gan, randomness = made(config, **values), StepRandomness(0, 0)
        fakes = gan.fakes(batch, randomness)
        found = gan.discriminator_losses(batch, fakes, randomness)[0] | gan.generator_losses(batch, fakes, randomness)
        torch.stack(list(found.values())).sum().backward()  # type: ignore[no-untyped-call]
        for parameter in gan.parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any()
        return found

    plain, changed = terms(), terms(**values)
    assert set(changed) == set(plain) == {"discriminator", "r1", "r2", "generator"}
    assert all(changed[name] != plain[name] for name in plain)


@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
@pytest.mark.parametrize("loss", LOSSES)
def test_held_out_figures_leave_the_networks_as_they_were(config: Config, batch: Batch, loss: str, norm: str) -> None:
    gan = made(config, loss=loss, instance_noise=0.5, model__discriminator_norm=norm)
    before = {name: tensor.clone() for name, tensor in gan.state_dict().items()}
    figures = gan.held_out_figures(batch, -batch.image)
    assert set(figures) == {"held_out/logits_real", "held_out/logits_fake", "held_out/accuracy"}
    assert all(type(value) is float for value in figures.values())
    assert 0 <= figures["held_out/accuracy"] <= 1
    assert gan.held_out_figures(batch, -batch.image) == figures  # without noise
    assert all(module.training for module in gan.modules())
    assert all(p.requires_grad and p.grad is None for p in gan.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in gan.state_dict().items())


@pytest.mark.parametrize("loss", LOSSES)
def test_held_out_accuracy_is_the_share_of_real_images_that_pass_for_real(
    config: Config, batch: Batch, loss: str
) -> None:
    gan = made(config, loss=loss, model__discriminator_norm="none")
    network: Any = gan.discriminators["discriminator"]

    def accuracy(shift: float) -> float:
        with torch.no_grad():
            network.to_logit.bias.fill_(shift)
        return gan.held_out_figures(batch, batch.image)["held_out/accuracy"]

    with torch.no_grad():
        logits = network(batch.image, batch.label).sort().values
    between = -float(logits[2] + logits[3]) / 2  # five of eight lie above
    own = float((logits > logits.mean()).float().mean())
    # Under the relativistic loss a shift is nothing: what counts is the mean of the generated images, here the same.
    expected = [own, own, own] if loss == "relativistic" else [1, 0, 5 / 8]
    assert [accuracy(shift) for shift in (10, -10, between)] == expected


def test_unconditional_networks_do_not_look_at_labels(config: Config, batch: Batch) -> None:
    gan, randomness = made(config, conditional=False), StepRandomness(0, 0)
    bare = Batch(batch.image)
    assert torch.equal(gan.fakes(batch, randomness)["image"], gan.fakes(bare, randomness)["image"])
    assert gan.spec.classes == 0


def test_drawing_uses_the_weights_that_it_is_given(config: Config) -> None:
    gan, other = made(config), made(config)
    with torch.no_grad():
        for parameter in other.generators.parameters():
            parameter.add_(0.1)
    inputs = {"z": torch.randn(2, gan.latent_dim), "label": torch.tensor([0, 1])}
    gan.eval()
    other.eval()
    assert torch.equal(gan.draw(other.generators, inputs), other.draw(other.generators, inputs))
    assert not torch.equal(gan.draw(gan.generators, inputs), gan.draw(other.generators, inputs))


def test_autocast_draws_float32(config: Config) -> None:
    gan = made(config)
    with torch.autocast("cpu", torch.bfloat16):
        inputs = {"z": torch.randn(2, gan.latent_dim), "label": torch.tensor([0, 1])}
        assert gan.draw(gan.generators, inputs).dtype == torch.float32


def test_conditional_without_labels_is_a_sentence(config: Config) -> None:
    with pytest.raises(MedganError, match=r"the data has no labels; set gan\.conditional: false"):
        made(config, ImageSpec(16, 1))
    assert made(config, ImageSpec(16, 1), conditional=False).spec == ImageSpec(16, 1)


def test_unknown_names_are_sentences_with_the_choices(config: Config) -> None:
    with pytest.raises(
        MedganError, match=rf"gan\.name: unknown name 'cyclegan2' .*; choices: {', '.join(sorted(GANS))}$"
    ):
        check_gan(config.override({"gan.name": "cyclegan2"}).gan, SPEC)
    with pytest.raises(MedganError, match=r"gan\.model: unknown name 'dcgam' \(did you mean 'dcgan'"):
        check_gan(config.override({"gan.model.name": "dcgam"}).gan, SPEC)


def test_checking_costs_no_memory(config: Config) -> None:
    giant = {"gan.model": {"name": "dcgan", "width": 16384, "max_width": 262144}}
    check_gan(config.override(giant).gan, ImageSpec(256, 3, classes=4))
