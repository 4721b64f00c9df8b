"""By what a training is found again."""

from medgan.config.gan import GanConfig
from medgan.config.train import TrainConfig
from medgan.data.store import Prepared
from medgan.fingerprint import file_digest, fingerprint

# What changes how a training runs, not what it gives; what a checkpoint compares for itself, and says so; and a file,
# whose content counts instead.
_LEFT_OUT = {"restart", "checkpoint_every", "precision", "threads", "init_from"}


def training_fingerprint(gan: GanConfig, train: TrainConfig, seed: int, prepared: Prepared, extractor: str) -> str:
    """Of everything that decides a training's result, but for `medgan.training.state.identity`.

    extractor: the digest of the one behind the validation score.
    """
    return fingerprint(
        {
            "gan": gan.model_dump(mode="json"),
            "train": train.model_dump(mode="json", exclude=_LEFT_OUT),
            "seed": seed,
            "init": file_digest(train.init_from),
            "data": prepared.md5,
            "extractor": extractor,
        }
    )
