"""params.yaml as a frozen, checked tree: a section a stage, each in a module of its own."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import Field, ValidationError, model_validator

from medgan.config.checking import Section, foreign, sentence
from medgan.config.data import DataConfig
from medgan.config.gan import GanConfig, switched
from medgan.config.judging import (
    LEAST_IMAGES,
    EvaluateConfig,
    FeaturesConfig,
    RegisterConfig,
    ReportConfig,
    UtilityConfig,
)
from medgan.config.search import SearchConfig
from medgan.config.train import Score, TrainConfig
from medgan.config.trees import read_yaml, set_path
from medgan.errors import MedganError


class Config(Section):
    seed: int = Field(ge=0)
    data: DataConfig
    features: FeaturesConfig
    search: SearchConfig
    gan: GanConfig
    train: TrainConfig
    evaluate: EvaluateConfig
    utility: UtilityConfig = Field(default_factory=UtilityConfig)
    register_: RegisterConfig = Field(alias="register")
    report: ReportConfig = Field(default_factory=ReportConfig)

    @model_validator(mode="after")
    def _splits_leave_training_images(self) -> Self:
        if self.data.validation + self.data.test >= 0.8:
            raise ValueError("data.validation + data.test must be below 0.8")
        return self

    @model_validator(mode="after")
    def _unpaired_images_suit(self) -> Self:
        if self.data.direction and (self.gan.name, self.train.score) != ("cyclegan", "fid"):
            raise ValueError(
                f"data.direction names two classes without pairs, gan.name is {self.gan.name} and train.score "
                f"{self.train.score}; set gan.name: cyclegan and train.score: fid"
            )
        return self

    @model_validator(mode="after")
    def _fid_has_enough_images(self) -> Self:
        key = "search.metrics" if self.search.metrics else "search.metric" if self.search.metric else "train.score"
        scores = [("search", key, score) for score in self.search_scores] + [("train", "train.score", self.train.score)]
        for name, key, score in scores:
            if score == "fid" and (n := getattr(self, name).n) < LEAST_IMAGES:
                raise ValueError(f"{name}.n is {n} and {key} is fid, which needs at least {LEAST_IMAGES} images")
        return self

    @property
    def search_score(self) -> Score:
        """What trials are scored by."""
        first: Any = self.search.metrics[0] if self.search.metrics else self.search.metric  # a score: it is checked
        return first or self.train.score

    @property
    def search_scores(self) -> list[Score]:
        """It, and all others that a search takes."""
        others: list[Any] = [name for name in self.search.figures if name in get_args(Score)]
        return list(dict.fromkeys([self.search_score, *others]))

    def override(self, values: Mapping[str, Any]) -> "Config":
        """The same tree with dotted paths replaced, the outer ones first, and everything checked again.

        With another gan.name the knobs that both GANs have keep their values, and its own ones stand at their defaults
        where `values` holds none.
        Raises MedganError for a path that does not exist or a value out of range.
        """
        tree = self.model_dump(mode="json", by_alias=True)
        if (name := values.get("gan.name", self.gan.name)) != self.gan.name:
            tree["gan"] = switched(tree["gan"], name)
        for path in sorted(values, key=lambda path: path.count(".")):
            if message := foreign(Config, tree, path.split(".")):
                raise MedganError(message)
            # A copy, since a further path may lie inside of it: it may be a choice of search.space.
            set_path(tree, path, deepcopy(values[path]))
        return parse_config(tree)


def load_config(path: Path) -> Config:
    """Read and check params.yaml. Raises MedganError naming the file, the key and the remedy."""
    return parse_config(read_yaml(path), where=path.name)


def parse_config(tree: dict[str, Any], where: str = "params.yaml") -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise MedganError(f"{where}: {sentence(error, Config, tree)}") from None
