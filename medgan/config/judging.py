"""Sections features, evaluate and register: what generators are judged by."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from medgan.config.checking import Section

# Behind a FID: with fewer, floor and interval are too wide to tell generators apart.
LEAST_IMAGES = 15


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


class RegisterConfig(Section):
    """Gates that a generator must pass to become champion."""

    parity: float = Field(gt=0)
    recall: float = Field(ge=0, le=1, description="least share of the real-against-real recall, in each class")
    coverage: float = Field(ge=0, le=1, description="least share of the real-against-real coverage, in each class")
    passing: float = Field(ge=0, le=1, description="least share of images that pass for real")
    copies: float = Field(
        ge=0, le=1, description="largest share of images that copy a training image, beyond false alarms"
    )
