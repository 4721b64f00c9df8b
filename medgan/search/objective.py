"""What a trial trains: fresh networks of one candidate, on the budget of the search."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from medgan.config.schema import Config
from medgan.config.train import TrainConfig
from medgan.console import Bar
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.fingerprint import fingerprint
from medgan.search.space import trainable
from medgan.search.study import OUTSIDE
from medgan.search.worker import this_worker
from medgan.training.checkpoint import held
from medgan.training.identity import identity, training_fingerprint, training_parameters
from medgan.training.judge import Judge
from medgan.training.loop import Listener, Trained, fit


@dataclass(frozen=True)
class Attempt:
    """One training of a search. title: what it is, for people. told: of the score at a step; raises to end it there.

    measured: is told of `search.figures` once it has ended. steps: where they are others than `search.steps`.
    """

    title: str
    told: Callable[[int, float], None] = lambda step, score: None
    measured: Callable[[str, float], None] = lambda name, figure: None
    steps: int | None = None

    def __call__(self, step: int, score: float) -> None:
        self.told(step, score)


# Trains one candidate: (configuration, seed, attempt) -> score.
Objective = Callable[[Config, int, Attempt], float]


def trial_training(config: Config, steps: int | None = None) -> TrainConfig:
    """A trial's budget: that of the search, or so many steps, on the machine settings of train."""
    search = config.search
    steps = steps or search.steps
    return config.train.model_copy(
        update={
            "steps": steps,
            "evaluations": search.evaluations,
            "n": search.n,
            "score": config.search_score,
            "checkpoint_every": max(1, steps // search.evaluations),
            "restart": False,
        }
    )


@dataclass(frozen=True)
class TrialTraining:
    """The objective that is a training; its score is the best on validation.

    extractor: the digest of the one behind the score. checkpoints: each candidate has a folder of its own in there.
    figures: measures of a training that has ended, by the name of `search.figures`.
    progress: opens, for a title and a number of steps, what is told how many are done.
    """

    config: Config
    prepared: Prepared
    extractor: str
    judge: Judge
    checkpoints: Path
    figures: Mapping[str, Callable[[Trained], float]]
    progress: Callable[[str, int], AbstractContextManager[Bar]]

    @cached_property
    def identity(self) -> dict[str, str]:
        """Of all that decides what trials try and reach, by what people call it. How many there are may grow."""
        config, training = self.config, trial_training(self.config)
        space = config.search.model_dump(mode="json", exclude=OUTSIDE)
        machine = identity(trainable(config), training, self.prepared.spec, scored_by=self.judge.score.__module__)
        drawn = {"balance": self.prepared.balance, "direction": str(self.prepared.direction)}
        return {
            "data": self.prepared.md5,
            "extractor": self.extractor,
            "space": fingerprint(space),
            "parameters": fingerprint({**training_parameters(config.gan, training, config.seed), **drawn}),
            **{name: str(value) for name, value in machine.items()},
        }

    @cached_property
    def study(self) -> str:
        """The name of the study: processes with another one do not work on the same search."""
        return fingerprint(self.identity)

    def __call__(self, candidate: Config, seed: int, attempt: Attempt) -> float:
        gan, training, prepared = candidate.gan, trial_training(self.config, attempt.steps), self.prepared
        key = training_fingerprint(gan, training, seed, prepared, self.extractor)
        folder = _own(self.checkpoints / f"trial-{self.study}-{key}")
        with self.progress(attempt.title, training.steps) as done:

            def evaluated(step: int, score: float) -> None:
                done.note(f"{training.score} {score:.4g}")
                attempt(step, score)

            listener = Listener(on_step=done, on_evaluation=evaluated)
            trained = fit(gan, training, prepared, seed=seed, judge=self.judge, directory=folder, listener=listener)
        for name in self.config.search.figures:
            attempt.measured(name, trained.best.score if name == training.score else self.figures[name](trained))
        return trained.best.score


def _own(folder: Path) -> Path:
    """The folder, or one of this process where another still trains there: taken for dead, and cut off at best."""
    try:
        with held(folder):
            return folder
    except MedganError:
        return folder.with_name(f"{folder.name}-{this_worker()}")
