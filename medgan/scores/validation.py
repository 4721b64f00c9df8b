"""The validation scores by which search and training choose weights, by the value of train.score; lower is better.

A score's own module imports what it needs and nothing else: its closure belongs to the identity of a training.
"""

from collections.abc import Callable
from dataclasses import dataclass

from medgan.config.gan import GanConfig
from medgan.config.train import TrainConfig
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared
from medgan.gans import check_gan
from medgan.scores.extractor import Extractor
from medgan.scores.paired import check_paired
from medgan.scores.validation_fid import fid_judge
from medgan.scores.validation_pairs import mae_judge, ssim_judge
from medgan.scores.validation_passing import passing_judge
from medgan.scores.validation_utility import check_classes, utility_judge
from medgan.training.judge import Judge
from medgan.training.state import Best


@dataclass(frozen=True)
class ValidationScore:
    """title: for people. judge: makes the judge of n validation images."""

    title: str
    judge: Callable[[Prepared, Extractor, int, int], Judge]

    @property
    def module(self) -> str:
        """The dotted module whose closure decides what the score says."""
        return self.judge.__module__


SCORES = {
    "fid": ValidationScore("FID", fid_judge),
    "mae": ValidationScore("MAE", mae_judge),
    "ssim": ValidationScore("1 - SSIM", ssim_judge),
    "passing": ValidationScore("1 - passing", passing_judge),
    "utility": ValidationScore("errors of classifiers", utility_judge),
}


def validation_judge(
    gan: GanConfig, train: TrainConfig, prepared: Prepared, extractor: Extractor, *, seed: int
) -> Judge:
    """Make the judge of train.n validation images, by train.score, as far as the GAN looks at them."""
    seen = prepared.only(check_gan(gan, prepared.spec).spec)
    return SCORES[train.score].judge(seen, extractor, train.n, seed)


def describe_best(best: Best, score: str) -> str:
    """The best weights and their score, for people."""
    return f"{best.weights} weights of step {best.step}, {SCORES[score].title} {best.score:.4g}"


def check_score(gan: GanConfig, score: str, spec: ImageSpec) -> None:
    """Raise MedganError where pairs, or classes, are to be scored and this GAN has none."""
    inputs = check_gan(gan, spec).inputs
    if score == "utility":
        check_classes("label" in inputs)
    elif score in ("mae", "ssim"):
        check_paired("source" in inputs)
