"""A loss or gradient that is not finite moves no weight, is named with its step, and costs no wait."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from test_loop import train
from torch import Tensor, nn

from medgan.config.schema import Config
from medgan.data.store import Prepared
from medgan.errors import DivergedError
from medgan.gans.synthesis import Synthesis
from medgan.training.checkpoint import load_checkpoint
from medgan.training.finite import Finite
from medgan.training.state import _optimizer

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
every_optimizer = pytest.mark.parametrize("kind", OPTIMIZERS)


def updated(config: Config, kind: str, targets: list[float], finite: Finite | None = None) -> list[Tensor]:
    """Weights after a step towards each target, guarded by `finite` or plainly."""
    first, second = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
    values = {"gan.optimizer": kind, "gan.betas": [0.5, 0.9], "gan.weight_decay": 0.1}
    optimizer = _optimizer(config.override(values).gan, [first, second], 0.1)
    for step, target in enumerate(targets, start=1):
        optimizer.zero_grad()
        loss = ((first - target) ** 2).sum() + second.sum() ** 2
        loss.backward()
        if finite is None:
            optimizer.step()
        else:
            finite.update(step, optimizer, {"generator": loss}, [("first", first), ("second", second)])
    return [first.detach(), second.detach()]


@every_optimizer
def test_finite_steps_are_the_optimizer_s_own(config: Config, kind: str) -> None:
    finite = Finite()
    guarded = updated(config, kind, [0.0, 5.0, -2.0], finite)
    assert all(torch.equal(a, b) for a, b in zip(guarded, updated(config, kind, [0.0, 5.0, -2.0]), strict=True))
    finite.check()


@every_optimizer
def test_a_step_that_is_not_finite_moves_no_weight(config: Config, kind: str) -> None:
    finite = Finite()
    assert all(torch.equal(weight, torch.ones_like(weight)) for weight in updated(config, kind, [math.nan], finite))
    with pytest.raises(DivergedError, match=r"step 1: loss/generator, the gradient of first are not finite"):
        finite.check()


@every_optimizer
def test_a_left_out_step_is_as_if_it_had_not_been(config: Config, kind: str) -> None:
    guarded = updated(config, kind, [0.0, math.inf, 5.0], Finite())
    assert all(torch.equal(a, b) for a, b in zip(guarded, updated(config, kind, [0.0, 5.0]), strict=True))


def test_the_first_step_is_named(config: Config) -> None:
    finite = Finite()
    updated(config, "adam", [0.0, 1.0, math.nan, 1.0, math.inf], finite)
    with pytest.raises(DivergedError, match="step 3: "):
        finite.check()


def test_training_stops_with_the_step_and_the_tensor_and_saves_nothing_spoilt(
    config: Config, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From step 5 on one network's gradient alone is infinite; the losses are not."""
    original, calls = Synthesis.generator_losses, [0]

    def spoilt(gan: Synthesis, *arguments: Any) -> dict[str, Tensor]:
        calls[0] += 1
        losses = original(gan, *arguments)
        if calls[0] >= 5:
            weight = next(gan.generators.parameters())
            losses["generator"] = losses["generator"] + (weight - weight.detach()).abs().sqrt().sum()
        return losses

    monkeypatch.setattr(Synthesis, "generator_losses", spoilt)
    with pytest.raises(DivergedError, match=r"step 5: the gradient of generators\.\S+ is not finite"):
        train(config, prepared, tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint is not None and checkpoint.step == 4
    assert all(bool(tensor.isfinite().all()) for tensor in checkpoint.tensors.values())
