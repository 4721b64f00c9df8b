"""Section gan: networks, losses and optimiser. Each GAN has its own knobs beside those that all have."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from medgan.config.checking import Options, Section, sentence
from medgan.errors import MedganError

# Random changes of images, see medgan/gans/augment.py.
Augmentation = Literal["brightness", "contrast", "saturation", "translation", "cutout", "mirror"]


class _Shared(Section):
    """What every GAN has.

    lr rises linearly over the first `warmup` of the budget, and decays by a cosine from decay_from to the end.

    loss: bce (the generator's term does not saturate), saturating, hinge or relativistic. label_smoothing: target of
    real images under bce and saturating. penalty_end: share of r1 and r2 that is left at the end of the budget, to
    which they fall geometrically. instance_noise: standard deviation of Gaussian noise on what the
    discriminator sees, falling linearly to none at instance_noise_until of the budget. augment: differentiable
    augmentations of what the discriminator sees. discriminator_steps: updates of it, each on a batch of its own, to
    one of the generator. betas: of Adam and AdamW; for sgd the first is the momentum, for rmsprop the second the
    smoothing. jitter: pixels by which images, their sources and masks are moved together at random, for the generator
    too.
    """

    name: str
    model: Options
    loss: Literal["bce", "saturating", "hinge", "relativistic"]
    label_smoothing: float = Field(gt=0.5, le=1)
    r1: float = Field(ge=0)
    r2: float = Field(ge=0)
    penalty_every: int = Field(ge=1)
    penalty_end: float = Field(gt=0, le=1)
    instance_noise: float = Field(ge=0)
    instance_noise_until: float = Field(gt=0, le=1)
    augment: tuple[Augmentation, ...]
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
    jitter: int = Field(ge=0)

    @model_validator(mode="after")
    def _smoothing_has_a_target(self) -> Self:
        if self.label_smoothing < 1 and self.loss not in ("bce", "saturating"):
            raise ValueError(f"label_smoothing needs loss: bce or saturating, not {self.loss}; set it to 1.0")
        return self


class SynthesisConfig(_Shared):
    """conditional: networks are told the label of the image."""

    name: Literal["synthesis"]
    conditional: bool = True


class MultiscaleConfig(_Shared):
    """conditional: networks are told the label beside the mask. grow_until: share of the budget after which all scales
    have faded in.
    """

    name: Literal["multiscale"]
    conditional: bool = True
    grow_until: float = Field(default=0.5, ge=0, le=0.9)


class PairedWeights(Section):
    """Weights of the terms of the generator's loss.

    adversarial: 0 for plain regression, without a discriminator. pixel: L1 to the target.
    """

    adversarial: float = Field(default=1.0, ge=0)
    pixel: float = Field(default=1.0, ge=0)


class TranslationConfig(_Shared):
    name: Literal["translation"]
    weights: PairedWeights = PairedWeights()


class CycleWeights(Section):
    """Weights of the terms of the generators' loss.

    cycle: L1 of there and back again to the start. identity: L1 of a generator that is given an image of the kind that
    it draws, to that image.
    """

    adversarial: float = Field(default=1.0, ge=0)
    cycle: float = Field(default=1.0, ge=0)
    identity: float = Field(default=0.0, ge=0)


class CycleGanConfig(_Shared):
    """buffer: drawn images that the discriminators remember (Shrivastava 2017), 0 for none."""

    name: Literal["cyclegan"]
    weights: CycleWeights = CycleWeights()
    buffer: int = Field(default=0, ge=0)


GanConfig = Annotated[
    SynthesisConfig | MultiscaleConfig | TranslationConfig | CycleGanConfig, Field(discriminator="name")
]
_CLASSES: dict[str, type[_Shared]] = {
    "synthesis": SynthesisConfig,
    "multiscale": MultiscaleConfig,
    "translation": TranslationConfig,
    "cyclegan": CycleGanConfig,
}


class _Tree(Section):
    gan: GanConfig


def parse_gan(section: Mapping[str, Any], where: str) -> GanConfig:
    """The section as its GAN's own class. Raises MedganError, whose sentence begins with `where`."""
    tree = {"gan": section}
    try:
        return _Tree.model_validate(tree).gan
    except ValidationError as error:
        raise MedganError(f"{where}: {sentence(error, _Tree, tree)}") from None


def switched(section: Mapping[str, Any], name: Any) -> dict[str, Any]:
    """The section for another GAN: knobs that both have keep their values, its own ones stand at their defaults.

    Where there is no GAN of this name all of it stays, for the error that follows.
    """
    if not isinstance(name, str) or name not in _CLASSES:
        return {**section, "name": name}
    return _fitted(_CLASSES[name], {**section, "name": name})


def _fitted(cls: type[Section], values: Mapping[str, Any]) -> dict[str, Any]:
    fitted: dict[str, Any] = {}
    for key, field in cls.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            fitted[key] = _fitted(field.annotation, values.get(key, {}))
        elif key in values:
            fitted[key] = values[key]
        elif not field.is_required():
            fitted[key] = field.get_default()
    return fitted
