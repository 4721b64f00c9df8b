"""Sections features, evaluate, utility and register: what generators are judged by."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from medgan.config.checking import Section
from medgan.config.gan import Augmentation

# Behind a FID: with fewer, floor and interval are too wide to tell generators apart.
LEAST_IMAGES = 15
CHECKS = 10  # looks at validation images in the training of a classifier


def _as_many(value: Any) -> Any:
    """One file needs no brackets, and none no word."""
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else value


class FeaturesConfig(Section):
    """Training of the extractor behind fid_domain: steps of the given batch size.

    weights: files of published extractors that judge beside it; none, one or several.
    """

    steps: int = Field(ge=1)
    batch: int = Field(ge=2)
    weights: Annotated[tuple[Path, ...], BeforeValidator(_as_many)] = ()


class EvaluateConfig(Section):
    """n: images a side. bootstrap: resamples behind each interval. segmenter_steps: training of the judge of masks.

    told_apart_steps: at most, of the network that tells drawn images from real ones.
    """

    n: int = Field(ge=LEAST_IMAGES)
    bootstrap: int = Field(ge=2)
    segmenter_steps: int = Field(ge=1)
    told_apart_steps: int = Field(ge=1)


class UtilityConfig(Section):
    """Whether drawn images help a classifier. seeds: classifiers of each regime; 0 leaves the question out.

    steps: of each of them, on batches of `batch`. ratios: drawn images to each real one; the best is chosen on
    validation images. level: another choice, as many drawn images as level the classes. augment: random changes of what
    classifiers are shown, in all regimes but one. n: test images at most; half as many validation images. weights: a
    file that torchvision publishes for this classifier, to start from.
    """

    classifier: Literal["cnn", "resnet18", "densenet121", "efficientnet_b0", "vgg16", "googlenet"] = "cnn"
    weights: Path | None = None
    seeds: int = Field(default=10, ge=0)
    steps: int = Field(default=150, ge=CHECKS)
    batch: int = Field(default=32, ge=2)
    ratios: tuple[Annotated[float, Field(gt=0)], ...] = (1.0,)
    level: bool = True
    augment: tuple[Augmentation, ...] = ("translation",)
    n: int = Field(default=1000, ge=LEAST_IMAGES)

    @model_validator(mode="after")
    def _seeds_vary(self) -> Self:
        if self.seeds == 1:
            raise ValueError("one seed says nothing of chance; set seeds to 10, or to 0 to leave the question out")
        if self.seeds and not self.ratios and not self.level:
            raise ValueError("nothing is to be added; give ratios, or set level: true")
        return self


class RegisterConfig(Section):
    """Gates that a generator must pass to become champion."""

    parity: float = Field(gt=0)
    recall: float = Field(ge=0, le=1, description="least share of the real-against-real recall, in each class")
    coverage: float = Field(ge=0, le=1, description="least share of the real-against-real coverage, in each class")
    passing: float = Field(ge=0, le=1, description="least share of images that pass for real")
    copies: float = Field(
        ge=0, le=1, description="largest share of images that copy a training image, beyond false alarms"
    )


class ReportConfig(Section):
    """seen: what a person sees in the pictures that no figure says; it stands in the report and the model card."""

    seen: str = ""
