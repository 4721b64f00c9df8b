"""Section search: how many trials, and of what."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from medgan.config.checking import Scalar, Section
from medgan.config.train import Score

SQLITE = "sqlite"  # the study is a file of the clone


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
    """trials: 0 skips the search. metric: what trials are scored by; as train.score where it is empty. steps: of one
    trial.

    finalists: trained again before the choice, beside params.yaml as it is, on so many fresh `seeds` each and for
    `finalist_steps`, which are `steps` where it is empty. With 0 of them the best trial wins, though it may be luck.
    storage: where the study is kept: sqlite, for one process, or the URL of a PostgreSQL database without its password.
    grace: seconds after which a worker on another machine that gives no sign of life is taken for dead.
    """

    storage: str = SQLITE
    grace: int = Field(default=120, ge=2)
    trials: int = Field(ge=0)
    metric: Score | None = None
    steps: int = Field(ge=1)
    evaluations: int = Field(ge=1)
    n: int = Field(ge=2)
    finalists: int = Field(ge=0)
    seeds: int = Field(ge=2)
    finalist_steps: int | None = Field(default=None, ge=1)
    space: dict[str, Distribution]
