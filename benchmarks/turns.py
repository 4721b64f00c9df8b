"""Loops that take turns in one process, so that whatever else the machine does hits all alike."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from medgan.config.schema import Config
from medgan.data.store import Prepared
from medgan.training.state import State
from medgan.training.steps import Steps


def in_turns(
    ways: Mapping[str, Callable[[], Any]], rounds: int, *, times: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of one call of each way, a figure a round of so many calls; a call of each before is not counted."""
    for take in ways.values():
        take()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, take in ways.items():
            found[name].append(seconds(take, times, clock))
        said = ", ".join(f"{name} {figures[-1]:.3f} s" for name, figures in found.items())
        print(f"round {number + 1}/{rounds}: {said}", flush=True)
    return found


def seconds(take: Callable[[], Any], times: int, clock: Callable[[], float]) -> float:
    """Of one call, over that many."""
    before = clock()
    for _ in range(times):
        take()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (clock() - before) / times


def training_step(config: Config, prepared: Prepared) -> Callable[[], object]:
    """A step of a training of these params, batch and all; each call takes the next."""
    state = State(config.gan, config.train.model_copy(update={"steps": 10_000}), prepared.spec, seed=0)
    return Steps(state, prepared).take
