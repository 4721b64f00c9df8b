"""What a pipeline will take, said before it trains."""

import pytest
import yaml

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.imports import ROOT
from medgan.workspace.estimate import estimate, in_words

MASKED = {"name": "mscgan", "latent_dim": 8, "width": 4, "max_width": 8, "smallest": 8, "region_width": 4}


@pytest.mark.parametrize(
    ("changes", "spec"),
    [
        ({}, ImageSpec(16, 1, 3)),
        ({"data.labels": False, "gan.conditional": False}, ImageSpec(16, 3)),
        ({"gan.name": "multiscale", "gan.model": MASKED}, ImageSpec(16, 1, 3, mask_channels=1)),
        ({"gan.name": "translation", "gan.model": {"name": "unet", "width": 4}}, ImageSpec(16, 1, source_channels=1)),
        ({"gan.name": "cyclegan", "gan.model": {"name": "unet", "width": 4}}, ImageSpec(16, 1, source_channels=1)),
    ],
)
def test_every_system_is_measured(config: Config, changes: dict[str, object], spec: ImageSpec) -> None:
    small = config.override({**changes, "search.trials": 0})
    seconds = estimate(small, spec)
    assert list(seconds) == list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    longer = estimate(small.override({"train.steps": 10**6, "search.trials": 1000}), spec)
    assert longer["train"] > 10 * seconds["train"] > 0
    assert longer["search"] > 1.1 * seconds["search"] and longer["evaluate"] < 10 * seconds["evaluate"]


def test_it_is_said_in_words() -> None:
    said = in_words({"search": 8.0, "train": 600.0, "evaluate": 7000.0})
    assert said == "to run: search, train, evaluate; about 2.1 h on this machine (train 10 min, evaluate 1.9 h)"
