"""Losses against values worked out by hand."""

import math

import pytest
import torch

from medgan import losses

LOG2 = math.log(2)


def test_undecided_logits_cost_log_two_a_side() -> None:
    zero = torch.zeros(5)
    assert float(losses.bce_discriminator(zero, zero)) == pytest.approx(2 * LOG2)
    assert float(losses.bce_discriminator(zero, zero, smoothing=0.9)) == pytest.approx(2 * LOG2)
    assert float(losses.bce_generator(zero)) == pytest.approx(LOG2)
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


def test_each_side_wants_the_opposite() -> None:
    for discriminator, generator in (
        (losses.bce_discriminator, lambda real, fake: losses.bce_generator(fake)),
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


def test_penalty_takes_bf16_logits_in_float32() -> None:
    images = torch.ones(2, 1, 4, 4, dtype=torch.bfloat16, requires_grad=True)
    assert losses.gradient_penalty(images.sum(dim=(1, 2, 3)), images).dtype == torch.float32
