"""What search and train share: the validation score, and the fingerprint of a training."""

import numpy as np

from medgan.config import Config, GanConfig, TrainConfig
from medgan.data.store import Prepared
from medgan.evaluation.features import Extractor
from medgan.evaluation.fidelity import reference, score
from medgan.fingerprint import fingerprint
from medgan.randomness import derive_seed
from medgan.training.loop import Judge
from pipelines import FEATURES

# These change how a training runs, not what it gives.
_WITHOUT_EFFECT = {"restart", "checkpoint_every"}


def load_extractor() -> Extractor:
    return Extractor.load(FEATURES / "extractor.safetensors")


def validation_judge(prepared: Prepared, extractor: Extractor, n: int, seed: int) -> Judge:
    """FID against n validation images, generated with their labels, which unconditional networks ignore."""
    chosen = prepared.take("validation", n, derive_seed(seed, "judge"))
    real = reference(extractor, prepared.images[chosen], split="validation")
    labels = np.asarray(prepared.labels[chosen]) if prepared.labels is not None else None
    return Judge(n, labels, lambda images: score(extractor, images, real))


def training_fingerprint(
    gan: GanConfig, train: TrainConfig, seed: int, prepared: Prepared, extractor: Extractor
) -> str:
    """Of everything that decides a training's result but the code, which a checkpoint checks for itself."""
    return fingerprint(
        {
            "gan": gan.model_dump(mode="json"),
            "train": train.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
            "seed": seed,
            "data": prepared.md5,
            "extractor": extractor.digest,
        }
    )


def trial_training(config: Config) -> TrainConfig:
    """A trial's budget: that of the search, on the machine settings of train."""
    search = config.search
    return config.train.model_copy(
        update={
            "steps": search.steps,
            "evaluations": search.evaluations,
            "n": search.n,
            "checkpoint_every": max(1, search.steps // search.evaluations),
            "restart": False,
        }
    )
