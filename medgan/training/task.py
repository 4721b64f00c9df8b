"""One training with all that decides it: by what it is found again, and how it is run."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medgan.config.gan import GanConfig
from medgan.config.train import TrainConfig
from medgan.data.store import Prepared
from medgan.fingerprint import fingerprint
from medgan.training.identity import identity, training_fingerprint
from medgan.training.judge import Judge
from medgan.training.loop import Listener, Trained, fit


@dataclass(frozen=True)
class Task:
    """extractor: the digest of the one behind the validation score. checkpoints: where each training has a folder."""

    gan: GanConfig
    train: TrainConfig
    seed: int
    prepared: Prepared
    judge: Judge
    extractor: str
    checkpoints: Path

    @cached_property
    def folder(self) -> Path:
        """The folder of its checkpoints, named by all that decides its result but code and machine, which they hold."""
        key = training_fingerprint(self.gan, self.train, self.seed, self.prepared, self.extractor)
        return self.checkpoints / f"train-{key}"

    @cached_property
    def fingerprint(self) -> str:
        """The digest of all that decides its bits."""
        code = identity([self.gan], self.train, self.prepared.spec, scored_by=self.judge.score.__module__)
        return fingerprint({"training": self.folder.name, **code})

    @property
    def sections(self) -> dict[str, Any]:
        """The effective configuration, as it is recorded."""
        sections = {"gan": self.gan.model_dump(mode="json"), "train": self.train.model_dump(mode="json")}
        return {**sections, "seed": self.seed, **({"balance": True} if self.prepared.balance else {})}

    def fit(self, listener: Listener | None = None) -> Trained:
        """Train, or go on from the last checkpoint. Raises as `loop.fit` does."""
        return fit(
            self.gan,
            self.train,
            self.prepared,
            seed=self.seed,
            judge=self.judge,
            directory=self.folder,
            listener=listener,
        )
