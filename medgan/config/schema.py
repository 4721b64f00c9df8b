"""params.yaml as a frozen, checked tree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medgan.config.checking import Options, Scalar, read_yaml, sentence, set_path
from medgan.errors import MedganError

# Behind a FID: with fewer, floor and interval are too wide to tell generators apart.
LEAST_IMAGES = 30


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(Section):
    """Which images, and how they are split. Options are those of the source; an export tells modality and licence.

    train_per_class: images of each class that generators may learn from, null for all. The rest of the training split
    is spare: real images for the judges (extractor, floor), never for a generator.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    source: str
    raw: Path
    size: Literal[16, 32, 64, 128, 256]
    channels: Literal[1, 3]
    labels: bool
    validation: float = Field(gt=0, lt=0.5)
    test: float = Field(gt=0, lt=0.5)
    train_per_class: Annotated[int, Field(ge=1)] | None
    modality: str
    licence: str
    options: Options = {}


class FeaturesConfig(Section):
    """Training of the extractor behind fid_domain: steps of the given batch size."""

    steps: int = Field(ge=1)
    batch: int = Field(ge=2)


class Distribution(Section):
    """Either `choices`, or `low` and `high` with an optional `step` or `log`; whole ones give whole numbers."""

    choices: tuple[Scalar, ...] | None = None
    low: int | float | None = None
    high: int | float | None = None
    step: Annotated[int | float, Field(gt=0)] | None = None
    log: bool = False

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.choices is not None:
            if not self.choices or self.low is not None or self.high is not None or self.step is not None:
                raise ValueError("give either non-empty choices, or low and high")
        elif self.low is None or self.high is None or self.low >= self.high:
            raise ValueError("give choices, or low < high")
        elif self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a log scale needs low > 0, and takes no step")
        return self

    def examples(self) -> tuple[Scalar, ...]:
        """Values that must each be valid for the parameter that this distribution is for."""
        return self.choices if self.choices is not None else tuple(v for v in (self.low, self.high) if v is not None)


class SearchConfig(Section):
    """trials: 0 skips the search. steps: of one trial. finalists: re-trained on a fresh seed before the choice."""

    trials: int = Field(ge=0)
    steps: int = Field(ge=1)
    evaluations: int = Field(ge=1)
    n: int = Field(ge=2)
    finalists: int = Field(ge=1)
    space: dict[str, Distribution]


class WeightsConfig(Section):
    """Of the terms of a translating generator's loss.

    adversarial: 0 for plain regression, without a discriminator (paired). pixel: L1 to the target (paired). cycle: L1
    of there and back again to the start. identity: L1 of a generator that is given an image of the kind that it draws,
    to that image (both unpaired).
    """

    adversarial: float = Field(ge=0)
    pixel: float = Field(ge=0)
    cycle: float = Field(ge=0)
    identity: float = Field(ge=0)


class GanConfig(Section):
    """Networks, losses and optimiser: what a trial may change.

    lr rises linearly over the first `warmup` of the budget, and decays by a cosine from decay_from to the end.

    loss: bce (the generator's term does not saturate), saturating, hinge or relativistic. label_smoothing: target of
    real images under bce and saturating. penalty_end: share of r1 and r2 that is left at the end of the budget, to
    which they fall geometrically. instance_noise: standard deviation of Gaussian noise on what the
    discriminator sees, falling linearly to none at instance_noise_until of the budget. augment: differentiable
    augmentations of what the discriminator sees. discriminator_steps: updates of it, each on a batch of its own, to
    one of the generator. betas: of Adam and AdamW; for sgd the first is the momentum, for rmsprop the second the
    smoothing. grow_until: share of the budget after which all scales of a multiscale GAN have faded in. buffer: drawn
    images that the discriminators of a cyclegan remember (Shrivastava 2017), 0 for none. jitter: pixels by which
    images, their sources and masks are moved together at random, for the generator too.
    """

    name: str
    model: Options
    conditional: bool
    loss: Literal["bce", "saturating", "hinge", "relativistic"]
    label_smoothing: float = Field(gt=0.5, le=1)
    r1: float = Field(ge=0)
    r2: float = Field(ge=0)
    penalty_every: int = Field(ge=1)
    penalty_end: float = Field(gt=0, le=1)
    instance_noise: float = Field(ge=0)
    instance_noise_until: float = Field(gt=0, le=1)
    augment: tuple[Literal["brightness", "contrast", "saturation", "translation", "cutout", "mirror"], ...]
    batch: int = Field(ge=2)
    discriminator_steps: int = Field(ge=1)
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"]
    lr: float = Field(gt=0)
    discriminator_lr_ratio: float = Field(gt=0)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]
    weight_decay: float = Field(ge=0)
    warmup: float = Field(ge=0, lt=1)
    decay_from: float = Field(ge=0, le=1)
    ema: float = Field(ge=0, lt=1)
    grow_until: float = Field(ge=0, le=0.9)
    weights: WeightsConfig
    buffer: int = Field(ge=0)
    jitter: int = Field(ge=0)

    @model_validator(mode="after")
    def _smoothing_has_a_target(self) -> Self:
        if self.label_smoothing < 1 and self.loss not in ("bce", "saturating"):
            raise ValueError(f"label_smoothing needs loss: bce or saturating, not {self.loss}; set it to 1.0")
        return self


class TrainConfig(Section):
    """The budget and the machine. evaluations: how often the validation score is taken on the way.

    score: what search and training choose weights by: fid, or for translation the mae or 1 - ssim of pairs. n: images
    behind it.
    init_from: a checkpoint whose networks training starts from, or data/from-scratch. DVC watches the file.
    """

    init_from: Path
    steps: int = Field(ge=1)
    score: Literal["fid", "mae", "ssim"]
    evaluations: int = Field(ge=1)
    n: int = Field(ge=2)
    checkpoint_every: int = Field(ge=1)
    precision: Literal["auto", "fp32", "bf16", "fp64"]
    threads: Literal["auto"] | Annotated[int, Field(ge=1)]
    restart: bool


class EvaluateConfig(Section):
    """n: images a side. bootstrap: resamples behind each interval. segmenter_steps: training of the judge of masks."""

    n: int = Field(ge=LEAST_IMAGES)
    bootstrap: int = Field(ge=2)
    segmenter_steps: int = Field(ge=1)


class RegisterConfig(Section):
    """Gates that a generator must pass to become champion."""

    parity: float = Field(gt=0)
    recall: float = Field(ge=0, le=1, description="least share of the real-against-real recall")
    copies: float = Field(
        ge=0, le=1, description="largest share of images nearer to a training image than real ones are"
    )


class Config(Section):
    seed: int = Field(ge=0)
    data: DataConfig
    features: FeaturesConfig
    search: SearchConfig
    gan: GanConfig
    train: TrainConfig
    evaluate: EvaluateConfig
    register_: RegisterConfig = Field(alias="register")

    @model_validator(mode="after")
    def _splits_leave_training_images(self) -> Self:
        if self.data.validation + self.data.test >= 0.8:
            raise ValueError("data.validation + data.test must be below 0.8")
        return self

    @model_validator(mode="after")
    def _fid_has_enough_images(self) -> Self:
        for name in ("search", "train") if self.train.score == "fid" else ():
            if (n := getattr(self, name).n) < LEAST_IMAGES:
                raise ValueError(f"{name}.n is {n} and train.score is fid, which needs at least {LEAST_IMAGES} images")
        return self

    def override(self, values: Mapping[str, Any]) -> "Config":
        """The same tree with dotted paths replaced and everything checked again.

        Raises MedganError for a path that does not exist or a value out of range.
        """
        tree = self.model_dump(mode="json", by_alias=True)
        for path, value in values.items():
            set_path(tree, path, value)
        return parse_config(tree)


def load_config(path: Path) -> Config:
    """Read and check params.yaml. Raises MedganError naming the file, the key and the remedy."""
    return parse_config(read_yaml(path), where=path.name)


def parse_config(tree: dict[str, Any], where: str = "params.yaml") -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise MedganError(f"{where}: {sentence(error, Config)}") from None
