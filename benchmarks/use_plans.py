"""Studies of usefulness: which images, generators, classifiers and numbers of real images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.judging import WORK, judge, open_subject
from benchmarks.real_data import CHILDREN, configured
from medgan.config.schema import Config

_START_SECONDS = 300


@dataclass(frozen=True)
class Plan:
    """One study. recipe, changes: of the generators. sizes: real images of a class, at most.

    n: test images at most. ratios, level: drawn images that are tried. start: whether generators start from networks
    that have learnt other chest X-rays. title: for people.
    """

    title: str
    recipe: str
    changes: Mapping[str, Any]
    sizes: Sequence[int]
    seeds: int = 10
    classifier: str = "cnn"
    steps: int = 300
    ratios: Sequence[float] = (0.25, 0.5, 1.0, 2.0)
    level: bool = False
    batch: int = 32
    augment: Sequence[str] = ("translation", "contrast")
    n: int = 1000
    start: bool = False


_CHILDREN: dict[str, Any] = {
    "data.source": "folder",
    "data.raw": "chest-xray",
    "data.options": {"patient": CHILDREN},
    "data.train_per_class": None,
    "data.test": 0.3,
    "gan.augment": ["translation"],
    "train.steps": 1000,
    "train.evaluations": 2,
}
_ADULTS: dict[str, Any] = {
    "data.name": "chest-x-rays-of-adults",
    "data.raw": "medical-mnist",
    "data.train_per_class": None,
    "data.options": {"classes": ["CXR"]},
    "gan.augment": [],
    "train.n": 1000,
    "evaluate.n": 1000,
}
_PHANTOMS = {"train.steps": 1500, "train.evaluations": 2, "gan.augment": ["translation"]}
_MELANOMA = {
    "data.name": "isic-melanoma",
    "data.source": "folder",
    "data.raw": "isic2017-with-table",
    "data.size": 128,
    "data.channels": 3,
    "data.options": {
        "files": "^images/",
        "table": {
            "path": "ISIC-2017_Training_Part3_GroundTruth.csv",
            "file": "image_id",
            "label": ["melanoma"],
            "label_else": "other",
        },
    },
    "gan.conditional": True,
    "train.steps": 800,
    "train.evaluations": 2,
    "train.n": 300,
    "evaluate.n": 300,
}
PLANS: Mapping[str, Plan] = {
    "phantom": Plan("four kinds of phantom, 32x32", "default", _PHANTOMS, (50, 200, 1000)),
    "chest-xray": Plan("chest X-rays of children, normal or pneumonia, 64x64", "chest-xray", _CHILDREN, (50, 200, 450)),
    **{
        f"chest-xray-200-{name}": Plan(
            f"200 chest X-rays of children, generators {title}",
            "chest-xray-200",
            _CHILDREN | {"gan.augment": augment},
            (100,),
            start=name == "transfer",
        )
        for name, title, augment in (
            ("scratch", "from scratch", []),
            ("augmented", "with DiffAugment", ["translation"]),
            ("transfer", "from one of adults' chest X-rays, with DiffAugment", ["translation"]),
        )
    },
    **{
        f"isic-{recipe.split('-')[0]}": Plan(
            f"melanoma against other lesions, 128x128, {recipe}",
            recipe,
            _MELANOMA,
            (2000,),
            seeds=5,
            classifier="efficientnet_b0",
            ratios=(),
            level=True,
        )
        for recipe in ("residual", "sngan-colour")
    },
}


def planned(plan: Plan) -> Config | None:
    """The configuration of its generators; None where its images, or those of its start, are not at hand."""
    changes = dict(plan.changes)
    if plan.start:
        start = _adults()
        if start is None:
            return None
        changes["train.init_from"] = str(start)
    return configured(plan.recipe, changes)


def _adults() -> Path | None:
    """Networks that have learnt the chest X-rays of Medical MNIST for five CPU-minutes."""
    config = configured("chest-xray-200", _ADULTS)
    if config is None:
        return None
    checkpoint = WORK / f"adults-chest-x-rays-{_START_SECONDS}.checkpoint"
    judge("chest X-rays of adults", config, open_subject(config), cpu_seconds=_START_SECONDS, checkpoint=checkpoint)
    return checkpoint
