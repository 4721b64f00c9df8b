"""What a trial trains: fresh networks of one candidate, on the budget of the search."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from medgan.config.schema import Config
from medgan.config.train import TrainConfig
from medgan.console import Bar
from medgan.data.store import Prepared
from medgan.fingerprint import fingerprint
from medgan.search.space import candidates
from medgan.training.identity import identity, training_fingerprint
from medgan.training.judge import Judge
from medgan.training.loop import Listener, fit


@dataclass(frozen=True)
class Attempt:
    """One training of a search. title: what it is, for people. told: of the score at a step; raises to end it there."""

    title: str
    told: Callable[[int, float], None] = lambda step, score: None

    def __call__(self, step: int, score: float) -> None:
        self.told(step, score)


# Trains one candidate: (configuration, seed, attempt) -> score.
Objective = Callable[[Config, int, Attempt], float]


def trial_training(config: Config) -> TrainConfig:
    """A trial's budget: that of the search, on the machine settings of train."""
    search = config.search
    return config.train.model_copy(
        update={
            "steps": search.steps,
            "evaluations": search.evaluations,
            "n": search.n,
            "score": config.search_score,
            "checkpoint_every": max(1, search.steps // search.evaluations),
            "restart": False,
        }
    )


@dataclass(frozen=True)
class TrialTraining:
    """The objective that is a training; its score is the best on validation.

    extractor: the digest of the one behind the score. checkpoints: each candidate has a folder of its own in there.
    progress: opens, for a title and a number of steps, what is told how many are done.
    """

    config: Config
    prepared: Prepared
    extractor: str
    judge: Judge
    checkpoints: Path
    progress: Callable[[str, int], AbstractContextManager[Bar]]

    @cached_property
    def study(self) -> str:
        """The digest of all that decides what trials try and reach; their number may grow within one study."""
        config, training = self.config, trial_training(self.config)
        space = config.search.model_dump(mode="json", exclude={"trials", "finalists", "seeds"})
        code = identity(candidates(config), training, self.prepared.spec, scored_by=self.judge.score.__module__)
        base = training_fingerprint(config.gan, training, config.seed, self.prepared, self.extractor)
        return fingerprint({"base": base, "space": space, **code})

    def __call__(self, candidate: Config, seed: int, attempt: Attempt) -> float:
        gan, training, prepared = candidate.gan, trial_training(self.config), self.prepared
        key = training_fingerprint(gan, training, seed, prepared, self.extractor)
        folder = self.checkpoints / f"trial-{self.study}-{key}"
        with self.progress(attempt.title, training.steps) as done:

            def evaluated(step: int, score: float) -> None:
                done.note(f"{training.score} {score:.4g}")
                attempt(step, score)

            listener = Listener(on_step=done, on_evaluation=evaluated)
            trained = fit(gan, training, prepared, seed=seed, judge=self.judge, directory=folder, listener=listener)
        return trained.best.score
