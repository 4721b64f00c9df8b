"""Section search: how many trials, and of what."""

import math
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from medgan.config.checking import Section
from medgan.config.train import Score
from medgan.databases import shared_address

_NO_ROUND_PART = 0.381966
SQLITE = "sqlite"  # the study is a file of the clone
# What else is known of a trial that has ended, see medgan/workspace/trial_figures.py.
Figure = Literal["train_seconds", "parameters", "latency_ms", "copies"]


class Distribution(Section):
    """Either `choices`, or `low` and `high` with an optional `step` or `log`; whole ones give whole numbers.

    choices: may be whole lists and mappings, such as of gan.augment or gan.model. when: values of other searched
    parameters with which this one is searched. otherwise: its value with others; as in params.yaml where it is empty.
    """

    choices: tuple[Any, ...] | None = None
    low: int | float | None = None
    high: int | float | None = None
    step: Annotated[int | float, Field(gt=0)] | None = None
    log: bool = False
    when: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    otherwise: Any = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.choices is not None:
            if not self.choices or self.low is not None or self.high is not None or self.step is not None or self.log:
                raise ValueError("give either non-empty choices alone, or low and high with a step or log")
        elif self.low is None or self.high is None or self.low >= self.high:
            raise ValueError("give choices, or low < high")
        elif self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a log scale needs low > 0, and takes no step")
        elif self.step is not None and not self._on_grid(self.high):
            reached = self.low + self.step * math.floor((self.high - self.low) / self.step)
            raise ValueError(f"steps of {self.step:g} from {self.low:g} miss high: {self.high:g}; {reached:g} is one")
        if self.otherwise is not None and not self.when:
            raise ValueError("`otherwise` needs `when`: with which values of other parameters this one is searched")
        if empty := [path for path, allowed in self.when.items() if not allowed]:
            raise ValueError(f"`when` names no value of {empty[0]}")
        return self

    def examples(self) -> tuple[Any, ...]:
        """Values that must each be valid for the parameter that this distribution is for."""
        if self.choices is not None:
            return self.choices
        assert self.low is not None and self.high is not None  # checked above
        if self.whole:
            return self.low, self.high
        # Between them it draws fractions, which not every parameter takes.
        between = self.low + self.step if self.step else self.low + (self.high - self.low) * _NO_ROUND_PART
        return self.low, between, self.high

    @property
    def whole(self) -> bool:
        """Whether it draws whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int) and isinstance(self.step, int | None)

    def has(self, value: Any) -> bool:
        """Whether it may draw this value."""
        if self.choices is not None:
            return value in self.choices
        assert self.low is not None and self.high is not None  # checked above
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return self._on_grid(value) and (not self.whole or value == int(value))

    def _on_grid(self, value: float) -> bool:
        if self.step is None or self.low is None:
            return True
        steps = (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Whether it is searched beside these values of other parameters."""
        return self.when.keys() <= values.keys() and not self.excluded(values)

    def excluded(self, values: Mapping[str, Any]) -> bool:
        """Whether one of these values is such that it is not searched."""
        return any(path in values and values[path] not in allowed for path, allowed in self.when.items())


def check_storage(storage: str) -> str:
    """Raise ValueError for what is no place for studies, and for an address with a password in it."""
    if storage != SQLITE:
        shared_address(storage)
    return storage


class SearchConfig(Section):
    """trials: 0 skips the search. metric: what trials are scored by; as train.score where it is empty. steps: of one
    trial.

    metrics: several in its place, of which the first is a score and decides; `artifacts/search/front.csv` has what no
    other trial beats in all of them. constraints: the most that a figure or a score may be; nothing that breaks one is
    chosen. sampler: tpe, or random draws. pruner: ends a trial that is worse than the median at the same step, or that
    hyperband drops, or none.
    finalists: trained again before the choice, beside params.yaml as it is, on so many fresh `seeds` each and for
    `finalist_steps`, which are `steps` where it is empty. With 0 of them the best trial wins, though it may be luck.
    storage: where the study is kept: sqlite, for one process, or the URL of a PostgreSQL database without its password.
    grace: seconds after which a worker on another machine that gives no sign of life is taken for dead.
    """

    storage: Annotated[str, AfterValidator(check_storage)] = SQLITE
    grace: int = Field(default=120, ge=2)
    trials: int = Field(ge=0)
    metric: Score | None = None
    metrics: tuple[Score | Figure, ...] = ()
    constraints: dict[Score | Figure, float] = Field(default_factory=dict)
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"
    steps: int = Field(ge=1)
    evaluations: int = Field(ge=1)
    n: int = Field(ge=2)
    finalists: int = Field(ge=0)
    seeds: int = Field(ge=2)
    finalist_steps: int | None = Field(default=None, ge=1)
    space: dict[str, Distribution]

    @model_validator(mode="after")
    def _conditions_can_be_met(self) -> Self:
        for path, distribution in self.space.items():
            for other, allowed in distribution.when.items():
                if other not in self.space:
                    raise ValueError(f"space.{path}.when names {other}, which the space does not contain")
                for value in allowed:
                    if not self.space[other].has(value):
                        raise ValueError(f"space.{path}.when: {other} is never {value!r} in this space")
        if ring := _ring(self.space):
            raise ValueError(f"space: each of {', '.join(ring)} is searched only when another of them is known")
        return self

    @model_validator(mode="after")
    def _pruning_knows_constraints(self) -> Self:
        if self.pruner == "hyperband" and self.constraints:
            raise ValueError(
                "hyperband compares a trial with others that are under way, and which constraints these will break "
                "nobody knows; set pruner: median or none"
            )
        return self

    @model_validator(mode="after")
    def _metrics_go_together(self) -> Self:
        if not self.metrics:
            return self
        if self.metric is not None:
            raise ValueError("metric and metrics say the same; leave metric empty")
        if len(set(self.metrics)) != len(self.metrics) or len(self.metrics) == 1:
            raise ValueError("metrics are two or more, each once; a single one is `metric`")
        if self.metrics[0] not in get_args(Score):
            raise ValueError(f"metrics begin with a score, which decides: one of {', '.join(get_args(Score))}")
        if self.pruner != "none":
            raise ValueError("trials of several metrics cannot be pruned by one of them; set pruner: none")
        return self

    @property
    def figures(self) -> Sequence[str]:
        """What is measured of a trial that has ended, beside the score that it reports on the way."""
        return list(dict.fromkeys([*self.metrics[1:], *self.constraints]))

    @property
    def drawn(self) -> Mapping[str, Distribution]:
        """The space, each parameter after those that decide whether it is searched."""
        # In an order that does not hang on that of params.yaml, since it decides what is drawn.
        after = {path: sorted(distribution.when) for path, distribution in sorted(self.space.items())}
        return {path: self.space[path] for path in TopologicalSorter(after).static_order()}


def _ring(space: Mapping[str, Distribution]) -> Sequence[str]:
    """Parameters of which each waits for another; none where all can be drawn."""
    try:
        TopologicalSorter({path: distribution.when.keys() for path, distribution in space.items()}).prepare()
    except CycleError as error:
        return sorted(set(error.args[1]))
    return ()
