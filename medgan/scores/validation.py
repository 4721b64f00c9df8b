"""The validation score by which search and training choose weights, and what stands for a split in pictures."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from medgan.config.gan import GanConfig
from medgan.data.loader import conditions, gather
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.gans import check_gan
from medgan.gans.drawing import GRID_COLUMNS
from medgan.imaging.arrays import to_uint8
from medgan.imaging.grids import by_class
from medgan.randomness import derive_seed
from medgan.scores.features import Extractor
from medgan.scores.fidelity import reference
from medgan.scores.fidelity import score as fid
from medgan.scores.paired import absolute_errors, check_paired, windowed_ssim
from medgan.training.judge import Judge
from medgan.training.state import Best

SCORES = {"fid": "FID", "mae": "MAE", "ssim": "1 - SSIM"}  # by the value of train.score; lower is better
# Enough for a mean; more would cost the discriminator's time at each evaluation.
_HELD_OUT = 500


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


def describe_best(best: Best, score: str) -> str:
    """The best weights and their score, for people."""
    return f"{best.weights} weights of step {best.step}, {SCORES[score]} {best.score:.4g}"


def check_score(gan: GanConfig, score: str, spec: ImageSpec) -> None:
    """Raise MedganError where pairs are to be scored and this GAN has none."""
    if score != "fid":
        check_paired("source" in check_gan(gan, spec).inputs)


def shown(prepared: Prepared, split: str) -> NDArray[np.int64]:
    """Images that stand for a split in pictures: a row a class, or four rows."""
    classes = len(prepared.label_names)
    return np.array(by_class(prepared.labels, prepared.splits == split, classes=classes, columns=GRID_COLUMNS))
