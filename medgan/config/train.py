"""Section train: the budget and the machine."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medgan.config.checking import Section

# By what weights are chosen, see medgan/scores/validation.py.
Score = Literal["fid", "mae", "ssim", "passing", "utility"]


class TrainConfig(Section):
    """The budget and the machine. evaluations: how often the validation score is taken on the way.

    score: what search and training choose weights by: fid; passing, by which a fresh network tells drawn images from
    real ones; utility, the errors of classifiers that learn from drawn images; or for translation the mae or 1 - ssim
    of pairs. n: images behind it.
    capture: on a GPU, replay steps from graphs, which is several times as fast.
    init_from: a checkpoint whose networks training starts from, or data/from-scratch. DVC watches the file.
    """

    init_from: Path
    steps: int = Field(ge=1)
    score: Score
    evaluations: int = Field(ge=1)
    n: int = Field(ge=2)
    checkpoint_every: int = Field(ge=1)
    precision: Literal["auto", "fp32", "bf16", "fp64"]
    threads: Literal["auto"] | Annotated[int, Field(ge=1)]
    restart: bool
    capture: bool = True
