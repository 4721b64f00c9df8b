"""Steps that are recorded once and replayed are the steps that would have been taken."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from small import MSCGAN, RESIDUAL, UNET, with_everything
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from medgan.config.schema import Config
from medgan.data.store import Prepared
from medgan.errors import DivergedError
from medgan.training import steps
from medgan.training.state import State
from medgan.training.steps import Figures, Steps, Work

GANS: dict[str, dict[str, Any]] = {
    "synthesis": {},
    "residual": {"model": RESIDUAL, "penalty_every": 3},
    "residual-grain": {"model": {**RESIDUAL, "full_size": "smooth", "grain": True}, "penalty_every": 3},
    "spectral": {"model.discriminator_norm": "spectral", "r1": 0, "r2": 0, "loss": "hinge"},
    "every option": {
        "augment": ["brightness", "contrast", "saturation", "translation", "cutout", "mirror"],
        "instance_noise": 0.3,
        "instance_noise_until": 0.5,
        "jitter": 2,
        "discriminator_steps": 2,
        "penalty_end": 0.1,
        "warmup": 0.2,
    },
    "multiscale": {"name": "multiscale", "model": MSCGAN, "grow_until": 0.8},
    "translation": {"name": "translation", "model": UNET, "jitter": 2},
    "regression": {"name": "translation", "model": UNET, "weights": {"adversarial": 0.0}},
    "cyclegan": {"name": "cyclegan", "model": UNET, "buffer": 20, "instance_noise": 0.3},
}


class Tape(TorchDispatchMode):
    """The graphs of CUDA on a CPU: operations are recorded with their tensors, and done again on the same memory.

    What a step has read from the host, a random number that it drew itself or a schedule that it knew as a number,
    stays as it was when it was recorded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[tuple[Any, Any, Any, Any]] = []
        self.tapes = self.replays = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.recorded.append((func, args, kwargs or {}, result))
        return result

    def eagerly(self, work: Work) -> Figures:
        return work()

    def record(self, work: Work) -> tuple[Callable[[], None], Figures]:
        self.recorded = recorded = []
        with self:
            figures = work()
        self.tapes += 1
        due = False  # recording has done the work

        def replay() -> None:
            nonlocal due
            if due:
                self.replays += 1
                for func, args, kwargs, result in recorded:
                    again(func, args, kwargs, result)
            due = True

        return replay, figures


@torch.no_grad()
def again(func: Any, args: Any, kwargs: Any, result: Any) -> None:
    fresh = func(*args, **kwargs)
    for old, new in zip(tree_leaves(result), tree_leaves(fresh), strict=True):
        if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
            old.copy_(new)


def state_for(config: Config, prepared: Prepared, values: dict[str, Any], **train: Any) -> State:
    changed = config.override({f"gan.{name}": value for name, value in values.items()} | train)
    return State(changed.gan, changed.train.model_copy(update={"steps": 30}), prepared.spec, seed=3)


@pytest.mark.parametrize("name", GANS)
def test_replayed_steps_are_those_of_the_plain_loop(
    config: Config, prepared: Prepared, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """To rounding: schedules are float32 there."""
    monkeypatch.setattr(steps, "_WARM_UP", 2)
    data, tape = with_everything(prepared), Tape()
    plain, recorded = (state_for(config, data, GANS[name]) for _ in range(2))
    one, other = Steps(plain, data), Steps(recorded, data, recorder=tape)
    for number in range(30):
        expected, found = one.take(), other.take()
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert float(found[key]) == pytest.approx(float(value), rel=1e-5, abs=1e-6), (number, key)
    assert tape.replays > 10
    recorded.finite.check()
    for (key, tensor), twin in zip(plain.gan.state_dict().items(), recorded.gan.state_dict().values(), strict=True):
        assert torch.allclose(tensor, twin, rtol=1e-5, atol=1e-6), key
    for tensor, twin in zip(plain.ema.generators.parameters(), recorded.ema.generators.parameters(), strict=True):
        assert torch.allclose(tensor, twin, rtol=1e-5, atol=1e-6)


def test_a_replayed_step_that_is_not_finite_is_named(
    config: Config, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "_WARM_UP", 2)
    current, tape = state_for(config, prepared, {}), Tape()
    ahead = Steps(current, prepared, recorder=tape)
    for _ in range(9):
        ahead.take()
    current.finite.check()
    next(current.gan.generators.parameters()).data[0] = torch.nan
    ahead.take()
    assert tape.replays > 0
    with pytest.raises(DivergedError, match="step 10: "):
        current.finite.check()


def test_each_shape_of_a_step_is_recorded_once(
    config: Config, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a penalty and without."""
    monkeypatch.setattr(steps, "_WARM_UP", 1)
    tape = Tape()
    ahead = Steps(state_for(config, prepared, {"penalty_every": 4}), prepared, recorder=tape)
    for _ in range(24):
        ahead.take()
    assert tape.tapes == 2
