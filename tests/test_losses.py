"""Losses against values worked out by hand."""

import math

import pytest
import torch

from medgan.gans import losses

LOG2 = math.log(2)


def test_undecided_logits_cost_log_two_a_side() -> None:
    zero = torch.zeros(5)
    assert float(losses.bce_discriminator(zero, zero)) == pytest.approx(2 * LOG2)
    assert float(losses.bce_discriminator(zero, zero, smoothing=0.9)) == pytest.approx(2 * LOG2)
    assert float(losses.bce_generator(zero)) == pytest.approx(LOG2)
    assert float(losses.saturating_generator(zero)) == pytest.approx(-LOG2)
    assert float(losses.relativistic_discriminator(zero, zero)) == pytest.approx(LOG2)
    assert float(losses.relativistic_generator(zero, zero)) == pytest.approx(LOG2)


def test_known_values() -> None:
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 1.0])

    def softplus(x: float) -> float:
        return math.log1p(math.exp(x))

    expected = (softplus(-2) + softplus(1)) / 2 + (softplus(0.5) + softplus(1)) / 2
    assert float(losses.bce_discriminator(real, fake)) == pytest.approx(expected)
    smoothed = expected + 0.1 * (2 - 1) / 2  # lowering the target by 0.1 adds 0.1 * logit
    assert float(losses.bce_discriminator(real, fake, smoothing=0.9)) == pytest.approx(smoothed)
    assert float(losses.bce_generator(fake)) == pytest.approx((softplus(-0.5) + softplus(-1)) / 2)
    assert float(losses.relativistic_discriminator(real, fake)) == pytest.approx((softplus(-1.5) + softplus(2)) / 2)
    assert float(losses.relativistic_generator(real, fake)) == pytest.approx((softplus(1.5) + softplus(-2)) / 2)


def test_the_saturating_loss_is_the_log_of_one_minus_the_sigmoid() -> None:
    for logit, value in ((0.0, -0.693147), (0.5, -0.974077), (1.0, -1.313262), (-2.0, -0.126928)):
        assert float(losses.saturating_generator(torch.tensor([logit]))) == pytest.approx(value, abs=1e-6)
        assert math.log(1 - 1 / (1 + math.exp(-logit))) == pytest.approx(value, abs=1e-6)
    assert float(losses.saturating_generator(torch.tensor([0.5, 1.0]))) == pytest.approx(-1.1436695, abs=1e-6)


def test_the_saturating_gradient_fades_where_the_discriminator_is_sure_and_the_other_does_not() -> None:
    fake = torch.tensor([-20.0, 0.0, 20.0], requires_grad=True)
    (saturating,) = torch.autograd.grad(losses.saturating_generator(fake), fake)
    (other,) = torch.autograd.grad(losses.bce_generator(fake), fake)
    assert (3 * saturating).tolist() == pytest.approx([0, -0.5, -1], abs=1e-8)
    assert (3 * other).tolist() == pytest.approx([-1, -0.5, 0], abs=1e-8)


def test_the_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.25, -1.0]), torch.tensor([-3.0, -0.5, 1.0])
    # (0 + 0.75 + 2) / 3 on real images, (0 + 0.5 + 2) / 3 on generated ones.
    assert float(losses.hinge_discriminator(real, fake)) == pytest.approx(1.75)
    assert float(losses.hinge_generator(fake)) == pytest.approx(2.5 / 3)
    assert float(losses.hinge_discriminator(torch.zeros(5), torch.zeros(5))) == 2
    assert float(losses.hinge_generator(torch.zeros(5))) == 0


def test_the_hinge_teaches_the_discriminator_nothing_beyond_its_margins_and_the_generator_everywhere() -> None:
    real, fake = torch.tensor([1.5, 0.5], requires_grad=True), torch.tensor([-0.5, -1.5], requires_grad=True)
    on_real, on_fake = torch.autograd.grad(losses.hinge_discriminator(real, fake), (real, fake))
    assert on_real.tolist() == [0, -0.5] and on_fake.tolist() == [0.5, 0]
    (wanted,) = torch.autograd.grad(losses.hinge_generator(fake), fake)
    assert wanted.tolist() == [-0.5, -0.5]


def test_each_side_wants_the_opposite() -> None:
    for discriminator, generator in (
        (losses.bce_discriminator, lambda real, fake: losses.bce_generator(fake)),
        (losses.bce_discriminator, lambda real, fake: losses.saturating_generator(fake)),
        (losses.hinge_discriminator, lambda real, fake: losses.hinge_generator(fake)),
        (losses.relativistic_discriminator, losses.relativistic_generator),
    ):
        real, fake = torch.zeros(4, requires_grad=True), torch.zeros(4, requires_grad=True)
        on_real, on_fake = torch.autograd.grad(discriminator(real, fake), (real, fake))
        assert (on_real < 0).all() and (on_fake > 0).all()  # descent raises real logits and lowers fake ones
        (wanted,) = torch.autograd.grad(generator(real, fake), (fake,))
        assert (wanted < 0).all()


def test_smoothing_holds_back_a_sure_discriminator() -> None:
    sure, fake = torch.full((3,), 20.0), torch.full((3,), -20.0)
    assert float(losses.bce_discriminator(sure, fake)) < 1e-6
    assert float(losses.bce_discriminator(sure, fake, smoothing=0.9)) == pytest.approx(2.0, rel=1e-3)


def test_extreme_logits_stay_finite() -> None:
    far = torch.tensor([1e4, -1e4])
    for value in (
        losses.bce_discriminator(far, -far),
        losses.bce_generator(far),
        losses.saturating_generator(far),
        losses.hinge_discriminator(far, -far),
        losses.hinge_generator(far),
        losses.relativistic_discriminator(far, -far),
        losses.relativistic_generator(far, -far),
    ):
        assert value.isfinite()


def test_penalty_of_a_linear_discriminator_is_half_its_squared_norm() -> None:
    weight = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    images = torch.randn(6, 2, 3, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    penalty = losses.gradient_penalty((images * weight).sum(dim=(1, 2, 3)), images)
    assert penalty.item() == pytest.approx(0.5 * weight.square().sum().item())
    (gradient,) = torch.autograd.grad(penalty, weight)
    assert torch.allclose(gradient, weight)  # it trains the weights: d(w^2 / 2) = w


def test_penalty_of_a_quadratic_discriminator() -> None:
    images = torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1).requires_grad_()
    penalty = losses.gradient_penalty(images.square().flatten(), images)
    assert penalty.item() == pytest.approx(0.5 * (2**2 + 4**2) / 2)


def test_penalty_of_a_map_is_that_of_its_mean() -> None:
    images = torch.randn(2, 1, 4, 4, requires_grad=True)
    logits = images.square()
    mean = losses.gradient_penalty(logits.mean(dim=(1, 2, 3)), images)
    assert torch.allclose(losses.gradient_penalty(logits, images), mean)
    assert torch.allclose(losses.gradient_penalty(logits.repeat(1, 3, 1, 1), images), mean)


def test_penalty_takes_bf16_logits_in_float32() -> None:
    images = torch.ones(2, 1, 4, 4, dtype=torch.bfloat16, requires_grad=True)
    assert losses.gradient_penalty(images.sum(dim=(1, 2, 3)), images).dtype == torch.float32
