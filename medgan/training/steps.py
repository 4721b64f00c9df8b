"""Steps of a training, as they are written, or on a GPU captured once for each of their few shapes and replayed.

A step of small networks is hundreds of kernels of microseconds each, and Python needs longer to launch them than a GPU
to run them. A graph of CUDA launches all at once. It reads and writes the same memory each time, so all that changes
from step to step comes in a packet to one place: rows of images or the images, random numbers, schedules.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from medgan.data.store import Prepared
from medgan.device import autocast
from medgan.gans.augment import jitter
from medgan.training.state import State
from medgan.training.supply import Supply, Turn

_WARM_UP = 11  # eager steps, in which libraries choose kernels and optimisers make their moments

Figures = dict[str, Tensor]
Work = Callable[[], Figures]


class Recorder(Protocol):
    """Records what is computed, to compute it again from what then lies in the same places."""

    def eagerly(self, work: Work) -> Figures:
        """Do it as it is written, in the surroundings in which it will be recorded."""

    def record(self, work: Work) -> tuple[Callable[[], None], Figures]:
        """Return what does the work each time that it is called, the first time included, and where its figures lie."""


class Steps:
    """Takes the steps of a training one after the other.

    recorder: of steps; by default, where they are captured, of CUDA graphs.
    """

    def __init__(self, state: State, prepared: Prepared, *, recorder: Recorder | None = None) -> None:
        self._state, self._recorder = state, recorder or (_Graphs() if state.captured else None)
        self._supply = Supply(state, prepared, static=self._recorder is not None)
        self._taken: dict[object, int] = {}
        self._recorded: dict[object, tuple[Callable[[], None], Figures, list[Turn]]] = {}

    def take(self) -> Figures:
        """One step; returns what to log, which the next one may overwrite."""
        state = self._state
        state.set_levels()
        turns = self._supply.at(state.step)
        try:
            values = update(state, turns) if self._recorder is None else self._replayed(self._recorder, turns)
        finally:
            for level in state.levels:  # what is drawn between steps follows the host
                level.there = None
        self._supply.remember(turns)
        state.step += 1
        return values

    def _replayed(self, recorder: Recorder, turns: list[Turn]) -> Figures:
        def work() -> Figures:
            return update(self._state, turns, static=True)

        gan = self._state.gan
        shape = (
            self._supply.place,
            tuple(gan.game.penalised(turn.randomness.step) for turn in turns),
            tuple((level.now == 0, level.now == 1) for level in gan.levels),
        )
        if shape not in self._recorded:
            self._taken[shape] = self._taken.get(shape, 0) + 1
            if self._taken[shape] <= _WARM_UP:
                return recorder.eagerly(work)
            self._recorded[shape] = (*recorder.record(work), turns)  # what is read must live as long
        replay, values, _ = self._recorded[shape]
        replay()
        return values


class _Graphs:
    """Of CUDA, on a stream beside; all share one pool of memory, since only one runs at a time."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._pool: Any = None

    def eagerly(self, work: Work) -> Figures:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            figures = work()
        torch.cuda.current_stream().wait_stream(self._stream)
        return figures

    def record(self, work: Work) -> tuple[Callable[[], None], Figures]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            figures = work()
        self._pool = self._pool or graph.pool()
        return graph.replay, figures


def update(state: State, turns: list[Turn], *, static: bool = False) -> Figures:
    """Update the discriminator in turns, then the generator on the last one's fakes; returns what to log.

    static: gradients keep their places, and autocast converts weights each time.
    """
    gan, logged = state.gan, dict[str, Tensor]()
    for side, rate in state.rates.items():
        state.optimizers[side].param_groups[0]["lr"] = rate.value
    for turn in turns:
        randomness = turn.randomness
        batch = jitter(turn.batch(), state.gan_config.jitter, randomness)
        with autocast(state.precision, cached=not static):
            with torch.set_grad_enabled(turn is turns[-1]):
                fakes = gan.fakes(batch, randomness)
            terms, figures = state.discriminator_losses(batch, fakes, randomness)
        if terms:  # plain regression has no discriminator
            _follow(state, "discriminator", terms, static=static)
        logged |= {f"loss/{name}": value.detach() for name, value in terms.items()} | figures
    gan.discriminators.requires_grad_(False)  # their weight gradients are not wanted below
    with autocast(state.precision, cached=not static):
        generator_terms = state.generator_losses(batch, fakes, randomness)
    _follow(state, "generator", generator_terms, static=static)
    gan.discriminators.requires_grad_(True)
    state.ema.update(gan.generators)
    return logged | {f"loss/{name}": value.detach() for name, value in generator_terms.items()}


def _follow(state: State, side: str, terms: Figures, *, static: bool) -> None:
    """Update one side by the gradient of the sum of its terms, of which there is at least one."""
    optimizer = state.optimizers[side]
    optimizer.zero_grad(set_to_none=not static)
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    state.finite.update(state.number.value, optimizer, terms, state.weights[side])
