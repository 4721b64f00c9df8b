"""Training of small networks that judge."""

import torch
from torch import Tensor, nn

from medgan.scores.supervised import fit_supervised


def trained(seed: int, steps: int = 60) -> tuple[nn.Linear, list[int]]:
    """To give the sum of three numbers."""
    told: list[int] = []

    def loss(network: nn.Linear, step: int) -> Tensor:
        x = torch.randn(32, 3, generator=torch.Generator().manual_seed(step))
        return (network(x)[:, 0] - x.sum(dim=1)).square().mean()

    network = fit_supervised(
        lambda: nn.Linear(3, 1), loss, steps=steps, learning_rate=0.3, seed=seed, progress=told.append
    )
    return network, told


def test_it_learns_and_tells_each_step() -> None:
    network, told = trained(0)
    assert not network.training and told == list(range(1, 61))
    assert torch.allclose(network.weight, torch.ones(1, 3), atol=0.1)


def test_one_seed_gives_one_network_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = trained(1, 3)[0].weight
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    assert torch.equal(trained(1, 3)[0].weight, first) and not torch.equal(trained(2, 3)[0].weight, first)


def test_a_network_that_has_learnt_enough_takes_no_more_steps() -> None:
    told: list[int] = []
    seen: list[int] = []

    def check(network: nn.Linear, done: int) -> bool:
        assert network.training
        seen.append(done)
        return done == 3

    fit_supervised(
        lambda: nn.Linear(3, 1),
        lambda network, step: network(torch.ones(1, 3)).square().mean(),
        steps=9,
        learning_rate=0.1,
        seed=0,
        progress=told.append,
        check=check,
    )
    assert seen == [1, 2, 3] and told == [1, 2, 9]
