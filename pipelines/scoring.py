"""What search and train share: the extractor, the validation score, the fingerprint of a training."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medgan.config import Config, GanConfig, TrainConfig
from medgan.data.loader import conditions, gather
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.evaluation.features import Extractor
from medgan.evaluation.fidelity import reference
from medgan.evaluation.fidelity import score as fid
from medgan.evaluation.paired import absolute_errors, check_paired, windowed_ssim
from medgan.fingerprint import file_digest, fingerprint
from medgan.gans import check_gan
from medgan.pictures import by_class, to_uint8
from medgan.randomness import derive_seed
from medgan.training.drawing import GRID_COLUMNS
from medgan.training.judge import Judge
from pipelines import FEATURES

# What changes how a training runs, not what it gives; what a checkpoint compares for itself, and says so; and a file,
# whose content counts instead.
_LEFT_OUT = {"restart", "checkpoint_every", "precision", "threads", "init_from"}
SCORES = {"fid": "FID", "mae": "MAE", "ssim": "1 - SSIM"}  # by the value of train.score; lower is better
# Enough for a mean; more would cost the discriminator's time at each evaluation.
_HELD_OUT = 500


def load_extractor() -> Extractor:
    return Extractor.load(FEATURES / "extractor.safetensors")


def validation_judge(prepared: Prepared, extractor: Extractor, n: int, seed: int, score: str = "fid") -> Judge:
    """Of n validation images, generated under their conditions, as far as the networks look at them."""
    chosen = prepared.take("validation", n, derive_seed(seed, "judge"))
    real = reference(extractor, prepared.pictures(chosen), split="validation")
    targets = gather(prepared, chosen).image.numpy() if score != "fid" else None

    def scored(images: NDArray[np.float32]) -> float:
        if targets is None:
            return fid(extractor, to_uint8(images), real)
        return float(absolute_errors(images, targets).mean()) if score == "mae" else 1 - windowed_ssim(images, targets)

    return Judge(
        n,
        conditions(prepared, chosen),
        scored,
        pictured(prepared, "validation"),
        gather(prepared, chosen[:_HELD_OUT]),
    )


def pictured(prepared: Prepared, split: str) -> dict[str, Tensor]:
    """Conditions of the images that stand for a split in pictures, and where they have a source their targets."""
    examples = shown(prepared, split)
    found = conditions(prepared, examples)
    return found | ({"target": gather(prepared, examples).image} if "source" in found else {})


def check_score(gan: GanConfig, score: str, spec: ImageSpec) -> None:
    """Raise MedganError where pairs are to be scored and this GAN has none."""
    if score != "fid":
        check_paired("source" in check_gan(gan, spec).inputs)


def shown(prepared: Prepared, split: str) -> NDArray[np.int64]:
    """Images that stand for a split in pictures: a row a class, or four rows."""
    classes = len(prepared.label_names)
    return np.array(by_class(prepared.labels, prepared.splits == split, classes=classes, columns=GRID_COLUMNS))


def training_fingerprint(
    gan: GanConfig, train: TrainConfig, seed: int, prepared: Prepared, extractor: Extractor
) -> str:
    """Of everything that decides a training's result, but for `medgan.training.state.identity`."""
    return fingerprint(
        {
            "gan": gan.model_dump(mode="json"),
            "train": train.model_dump(mode="json", exclude=_LEFT_OUT),
            "seed": seed,
            "init": file_digest(train.init_from),
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
