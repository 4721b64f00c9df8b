"""The loop: every system is trained by `fit`, in search and in train alike."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from medgan.config.gan import GanConfig
from medgan.config.train import TrainConfig
from medgan.data.store import Prepared
from medgan.device import failure_as_error, resolve_threads
from medgan.errors import TrainingInterrupted
from medgan.gans.base import Gan
from medgan.training.checkpoint import held
from medgan.training.finite import check_finite, diverged
from medgan.training.judge import Judge, save_samples, score
from medgan.training.processes import peer_failure_as_error, this_process
from medgan.training.state import Best, Row, State
from medgan.training.steps import Steps
from medgan.training.stopping import Flag, StoppedError, stop_requested

LOG_POINTS = 200


@dataclass(frozen=True)
class Listener:
    """What the caller wants to hear; on_evaluation may raise, which ends the training (pruning does)."""

    on_step: Callable[[int], None] = lambda step: None
    on_evaluation: Callable[[int, float], None] = lambda step, score: None
    on_checkpoint: Callable[[list[Row], Path], None] = lambda rows, samples: None


@dataclass(frozen=True)
class Trained:
    """The generators at their best on validation. rows: losses and scores by step, each with its time."""

    generators: nn.ModuleDict
    gan: Gan
    best: Best
    rows: list[Row]
    resumed_from: int


def fit(
    gan_config: GanConfig,
    config: TrainConfig,
    prepared: Prepared,
    *,
    seed: int,
    judge: Judge,
    directory: Path,
    listener: Listener | None = None,
) -> Trained:
    """Train fresh networks, or go on from the checkpoint in `directory` as if nothing had happened.

    Raises MedganError where the folder is in use, or holds an unfinished run of other code or precision, or where the
    device fails, and TrainingInterrupted, once it is saved, after SIGTERM or SIGINT.
    """
    process = this_process()
    listener = listener if listener and process.first else Listener()
    folder = held(directory) if process.first else nullcontext()
    with folder, _threads(resolve_threads(config.threads)), peer_failure_as_error(), failure_as_error():
        state = State(gan_config, config, prepared.spec, seed=seed, scored_by=judge.score.__module__)
        if not process.first:
            process.wait()
        resumed = state.restore(directory)
        if process.first:
            process.wait()
        if resumed:
            listener.on_step(resumed)
        for row in state.rows:  # a trial that is tried again must report what its first attempt had seen
            if "validation/best" in row:
                listener.on_evaluation(int(row["step"]), row["validation/best"])
        _train(state, prepared, judge, directory, listener)
        if process.first:
            state.gan.generators.load_state_dict(state.best.tensors)
        state.gan.to("cpu", torch.float32)
        return Trained(state.gan.generators.eval(), state.gan, state.best, state.rows, resumed)


def _train(state: State, prepared: Prepared, judge: Judge, directory: Path, listener: Listener) -> None:
    config, steps, process = state.config, state.config.steps, this_process()
    evaluations = {math.ceil(steps * k / config.evaluations) for k in range(1, config.evaluations + 1)}
    steps_ahead = Steps(state, prepared)
    log_every, unread = _log_every(state), _Unread(state, {}, logged=False)
    if state.step == 0 and process.first:
        state.gan.set_progress(0.0)
        save_samples(state, judge, directory)
    stopped, due = False, state.step in evaluations and not state.evaluated
    with stop_requested() as stopping:
        while due or state.step < steps:
            if not due:  # else a stop broke off the evaluation of this step
                values = steps_ahead.take()
                listener.on_step(state.step)
                due = state.step in evaluations
                stopped = process.any(stopping.is_set())
                saved = due or stopped or state.step % config.checkpoint_every == 0
                logged = (state.step - 1) % log_every == 0
                if logged or saved:
                    unread.read()
                    unread = _Unread(state, values, logged=logged)
                if saved:
                    unread.read()
                    _check_weights(state)
                    _save(state, directory, listener)
            if due and not stopped:
                _evaluate(state, judge, directory, listener, stopping)
                stopped = process.any(stopping.is_set())
            due = False
            if stopped:
                raise TrainingInterrupted(state.step, steps, told=process.first)


def _log_every(state: State) -> int:
    """Space some two hundred points, on steps with a penalty, which would otherwise never be seen."""
    every, penalty = state.config.steps // LOG_POINTS, state.gan_config.penalty_every
    return 1 if every <= 1 else math.ceil(every / penalty) * penalty


class _Unread:
    """What a step has left to log. It is read at the next one to log: a device is waited for once an interval."""

    def __init__(self, state: State, values: Mapping[str, Tensor], *, logged: bool) -> None:
        self._state, self._logged = state, logged
        self._values = {name: value.clone() for name, value in values.items()}  # the next step may overwrite them
        self._step, self._time = state.step, time.time()

    def read(self) -> None:
        """Add it to the rows, once. Raises DivergedError."""
        self._state.finite.check()
        figures = [value.double() for value in self._values.values()]
        means = this_process().mean(torch.stack(figures)).tolist() if figures else []
        row = dict(zip(self._values, means, strict=True))
        check_finite(self._step, row)
        if self._logged:
            self._state.rows.append({"step": self._step, "time": self._time, **row})
        self._values, self._logged = {}, False


def _check_weights(state: State) -> None:
    """Raise DivergedError, before a save: finite gradients can still have spoilt a weight, or a norm's statistics."""
    if bad := [name for name, tensor in state.gan.state_dict().items() if not bool(tensor.isfinite().all())]:
        raise diverged(state.step, bad)


def _save(state: State, directory: Path, listener: Listener) -> None:
    if this_process().first:
        state.save(directory)
        listener.on_checkpoint(state.rows, directory / "samples")


def _evaluate(state: State, judge: Judge, directory: Path, listener: Listener, stopping: Flag) -> None:
    """Score and show a step that is saved already: a request to stop breaks it off, and the resumed run repeats it."""
    state.gan.set_progress(state.step / state.config.steps)
    if not this_process().first:
        return
    try:
        with stopping.at_once():
            score(state, judge)
            save_samples(state, judge, directory)
    except StoppedError:
        return
    _save(state, directory, listener)
    if state.best.step:
        listener.on_evaluation(state.step, state.best.score)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
