"""params.yaml as a frozen, checked tree. Unknown keys are errors that name the nearest key."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from medgan.errors import MedganError

Scalar = bool | int | float | str
Options = dict[str, Any]
T = TypeVar("T")

# Hyperparameter dataclasses (models, sources) are built with this: a misspelt option is an error, not a default.
STRICT = ConfigDict(extra="forbid")


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(Section):
    """Which images, and how they are split. Options are those of the source."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    source: str
    raw: Path
    size: Literal[16, 32, 64, 128, 256]
    channels: Literal[1, 3]
    labels: bool
    validation: float = Field(gt=0, lt=0.5)
    test: float = Field(gt=0, lt=0.5)
    licence: str
    options: Options = {}


class FeaturesConfig(Section):
    """Training of the extractor behind fid_domain: steps of the given batch size."""

    steps: int = Field(ge=1)
    batch: int = Field(ge=2)


class Distribution(Section):
    """Either `choices`, or `low` and `high` with an optional `log`; whole-numbered bounds give whole numbers."""

    choices: tuple[Scalar, ...] | None = None
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.choices is not None:
            if not self.choices or self.low is not None or self.high is not None:
                raise ValueError("give either non-empty choices, or low and high")
        elif self.low is None or self.high is None or self.low >= self.high:
            raise ValueError("give choices, or low < high")
        elif self.log and self.low <= 0:
            raise ValueError("a log scale needs low > 0")
        return self

    def examples(self) -> tuple[Scalar, ...]:
        """Values that must each be valid for the parameter that this distribution is for."""
        return self.choices if self.choices is not None else tuple(v for v in (self.low, self.high) if v is not None)


class SearchConfig(Section):
    """trials: 0 skips the search. steps: of one trial. finalists: re-trained on a fresh seed before the choice."""

    trials: int = Field(ge=0)
    steps: int = Field(ge=1)
    evaluations: int = Field(ge=1)
    n: int = Field(ge=100)
    finalists: int = Field(ge=1)
    space: dict[str, Distribution]


class GanConfig(Section):
    """Networks, losses and optimiser: what a trial may change. lr decays by a cosine from decay_from to the end."""

    name: str
    model: Options
    conditional: bool
    loss: Literal["bce", "relativistic"]
    label_smoothing: float = Field(gt=0.5, le=1)
    r1: float = Field(ge=0)
    r2: float = Field(ge=0)
    penalty_every: int = Field(ge=1)
    batch: int = Field(ge=2)
    lr: float = Field(gt=0)
    discriminator_lr_ratio: float = Field(gt=0)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]
    decay_from: float = Field(ge=0, le=1)
    ema: float = Field(ge=0, lt=1)


class TrainConfig(Section):
    """The budget and the machine. evaluations: how often the validation score is taken on the way."""

    steps: int = Field(ge=1)
    evaluations: int = Field(ge=1)
    n: int = Field(ge=100)
    checkpoint_every: int = Field(ge=1)
    precision: Literal["auto", "fp32", "bf16"]
    threads: Literal["auto"] | Annotated[int, Field(ge=1)]
    restart: bool


class EvaluateConfig(Section):
    """n: images a side. bootstrap: resamples behind each interval."""

    n: int = Field(ge=100)
    bootstrap: int = Field(ge=2)


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

    def override(self, values: Mapping[str, Any]) -> "Config":
        """The same tree with dotted paths replaced and everything checked again.

        Raises MedganError for a path that does not exist or a value out of range.
        """
        tree = self.model_dump(mode="json", by_alias=True)
        for path, value in values.items():
            set_path(tree, path, value)
        return parse_config(tree)


def set_path(tree: dict[str, Any], path: str, value: Any) -> None:
    """Replace one dotted path in place; a missing parent or leaf is an error that names the nearest key."""
    *parents, leaf = path.split(".")
    node: Any = tree
    for depth, key in enumerate([*parents, leaf]):
        # Options are checked by the model or source that they are for.
        open_ended = depth == len(parents) and parents in (["gan", "model"], ["data", "options"])
        if not isinstance(node, dict) or (key not in node and not open_ended):
            choices = list(node) if isinstance(node, dict) else []
            raise MedganError(f"unknown parameter '{path}'{nearest(key, choices)}")
        if depth < len(parents):
            node = node[key]
    node[leaf] = value


def nearest(word: str, choices: list[str]) -> str:
    """The end of an error sentence: the likeliest choice, then all of them."""
    listed = f"; choices: {', '.join(sorted(choices))}" if choices else ""
    close = difflib.get_close_matches(word, choices, n=1)
    return f" (did you mean '{close[0]}'?){listed}" if close else listed


def load_config(path: Path) -> Config:
    """Read and check params.yaml. Raises MedganError naming the file, the key and the remedy."""
    return parse_config(read_yaml(path), where=path.name)


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        raise MedganError(f"{path} does not exist; run this in a clone of the repository") from None
    except OSError as error:
        raise MedganError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise MedganError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise MedganError(f"{path} must hold a mapping of sections, not {type(tree).__name__}")
    return tree


def parse_config(tree: dict[str, Any], where: str = "params.yaml") -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise MedganError(f"{where}: {_sentence(error, Config)}") from None


def build(table: Mapping[str, type[T]], name: str, options: Options, where: str) -> T:
    """Make `table[name]` from its options, with the same errors as the rest of params.yaml.

    where: the dotted path of the options, for the error.
    """
    if name not in table:
        raise MedganError(f"{where}: unknown name '{name}'{nearest(name, list(table))}")
    try:
        return TypeAdapter(table[name]).validate_python(options)
    except ValidationError as error:
        raise MedganError(f"params.yaml: {_sentence(error, table[name], prefix=where)}") from None


def _sentence(error: ValidationError, root: type, prefix: str = "") -> str:
    parts = []
    for item in error.errors():
        path = ".".join(str(key) for key in (*filter(None, [prefix]), *item["loc"]))
        if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            key = str(item["loc"][-1])
            parts.append(f"unknown parameter '{path}'{nearest(key, _keys_at(root, item['loc'][:-1]))}")
        elif item["type"] in ("missing", "missing_argument"):
            parts.append(f"parameter '{path}' is missing")
        else:
            value = item["input"] if isinstance(item["input"], Scalar) else type(item["input"]).__name__
            parts.append(f"'{path}' = {value!r}: {item['msg'][0].lower()}{item['msg'][1:]}")
    return "; ".join(dict.fromkeys(parts))


def _keys_at(root: type, location: tuple[int | str, ...]) -> list[str]:
    """Field names of the (nested) pydantic class at a location."""
    cls: Any = root
    for key in location:
        fields = getattr(cls, "model_fields", {})
        named = {field.alias or name: field for name, field in fields.items()}
        if str(key) not in named:
            # A mapping (search.space) has free keys: its values' class follows.
            cls = next(_classes(cls), cls)
            continue
        cls = next(_classes(named[str(key)].annotation), named[str(key)].annotation)
    fields = getattr(cls, "model_fields", None) or getattr(cls, "__pydantic_fields__", {})
    return [field.alias or name for name, field in fields.items()]


def _classes(annotation: Any) -> Iterator[type]:
    if get_origin(annotation) in (Union, UnionType, dict, Annotated):
        for inner in get_args(annotation):
            yield from _classes(inner)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
