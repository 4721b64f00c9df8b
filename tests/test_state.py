"""Which optimiser each side has, and what it is told."""

from typing import Any

import pytest
import torch

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.training.state import State

ADAM = {"betas": (0.6, 0.95), "eps": 1e-8, "amsgrad": False}


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("adam", torch.optim.Adam, {**ADAM, "decoupled_weight_decay": False}),
        ("adamw", torch.optim.AdamW, {**ADAM, "decoupled_weight_decay": True}),
        ("rmsprop", torch.optim.RMSprop, {"alpha": 0.95, "eps": 1e-8, "momentum": 0, "centered": False}),
        ("sgd", torch.optim.SGD, {"momentum": 0.6, "dampening": 0, "nesterov": False}),
    ],
)
def test_each_side_has_the_optimizer_of_the_configuration(
    config: Config, name: str, kind: type[torch.optim.Optimizer], told: dict[str, Any]
) -> None:
    values = {"optimizer": name, "betas": [0.6, 0.95], "weight_decay": 0.3, "lr": 0.002, "discriminator_lr_ratio": 2.5}
    changed = config.override({f"gan.{key}": value for key, value in values.items()})
    current = State(changed.gan, changed.train, ImageSpec(16, 1, classes=3), seed=0)
    sides = {"generator": (current.gan.generators, 0.002), "discriminator": (current.gan.discriminators, 0.005)}
    assert current.optimizers.keys() == sides.keys()
    for side, (networks, lr) in sides.items():
        optimizer = current.optimizers[side]
        assert type(optimizer) is kind
        (group,) = optimizer.param_groups
        expected = {"lr": pytest.approx(lr), "weight_decay": 0.3, "maximize": False, **told}
        assert {key: group[key] for key in expected} == expected
        assert list(map(id, group["params"])) == list(map(id, networks.parameters()))
