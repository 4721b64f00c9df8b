"""Section data: which images, and how they are split."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medgan.config.checking import Options, Section

Fit = Literal["crop", "letterbox", "pad"]


class DataConfig(Section):
    """Which images, and how they are split. Options are those of the source; an export tells modality and licence.

    fit: of images that are no squares: crop (the longer side loses its ends), letterbox (the shorter side gains black
    ones) or pad (the same, and nothing is enlarged).
    train_per_class: images of each class that generators may learn from, null for all. The rest of the training split
    is spare: real images for the judges (extractor, floor), never for a generator.
    balance: training draws every class equally often, however many images it has.
    direction: two classes, source and image, of which there are no pairs: the first are translated into the second.
    max_rejected: share of all raw files; where more of them cannot be used, nothing is prepared.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    source: str
    raw: Path
    size: Literal[16, 32, 64, 128, 256]
    channels: Literal[1, 3]
    labels: bool
    fit: Fit = "crop"
    validation: float = Field(default=0.17, gt=0, lt=0.5)
    test: float = Field(default=0.17, gt=0, lt=0.5)
    train_per_class: Annotated[int, Field(ge=1)] | None = None
    balance: bool = False
    direction: tuple[str, str] | None = None
    max_rejected: float = Field(default=0.01, ge=0, le=1)
    modality: str = "unknown"
    licence: str = "unknown"
    options: Options = Field(default_factory=dict)

    @model_validator(mode="after")
    def _balance_has_classes(self) -> Self:
        if self.balance and not self.labels:
            raise ValueError("balance is true, which draws every class equally often, and labels is false")
        return self

    @model_validator(mode="after")
    def _direction_has_classes(self) -> Self:
        if self.direction and not (self.labels and not self.balance and self.direction[0] != self.direction[1]):
            raise ValueError(
                f"direction is {list(self.direction)}: name two classes, with labels: true and balance: false"
            )
        return self
