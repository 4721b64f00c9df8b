"""Studies of usefulness: which images, generators, classifiers and numbers of real images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.judging import WORK, judge, open_subject
from benchmarks.real_data import CHILDREN, configured
from medgan.config.schema import Config
from medgan.sources.phantom.lesions import LESIONS

_START_SECONDS = 300


@dataclass(frozen=True)
class Plan:
    """One study. recipe, changes: of the generators. sizes: real images of a class, at most.

    n: test images at most. ratios, level: drawn images that are tried. start: whether generators start from networks
    that have learnt other chest X-rays. group: studies of one group are of the same images. cut: what is smaller or
    fewer than it might be. title: for people.
    """

    title: str
    group: str
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
    cut: str = ""


_CHILDREN: dict[str, Any] = {
    "data.source": "folder",
    "data.raw": "chest-xray",
    "data.options": {"patient": CHILDREN},
    "data.train_per_class": None,
    "data.test": 0.3,
    "gan.augment": ["translation"],
    "train.steps": 1000,
    "train.evaluations": 2,
    "evaluate.n": 700,  # so many that either class is judged by itself
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
# Ten kinds in much noise: of fewer, or clearer ones, a classifier learns all that there is from 100 of each.
HARD_PHANTOMS: dict[str, Any] = {"data.options.lesions": list(LESIONS), "data.options.noise": 0.12}
_PHANTOMS = HARD_PHANTOMS | {"train.steps": 1500, "train.evaluations": 2, "gan.augment": ["translation"]}
_MELANOMA = {
    "data.name": "isic-melanoma",
    "data.source": "folder",
    "data.raw": "isic2017-with-table",
    "data.size": 128,
    "data.channels": 3,
    "data.test": 0.36,  # 135 melanomas, so many that they are judged by themselves
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
    "evaluate.n": 700,
}
_SHORT = "generators of {:,} steps, a few minutes each"
PLANS: Mapping[str, Plan] = {
    "phantom": Plan(
        "ten kinds of phantom in much noise, 32x32",
        "phantom",
        "default",
        _PHANTOMS,
        (50, 200, 500),
        steps=1900,  # four times all images of the largest regime
        n=2000,
        cut=f"100 and 1,000 images a class; {_SHORT.format(1500)}",
    ),
    "chest-xray": Plan(
        "chest X-rays of children, normal or pneumonia, 64x64",
        "chest-xray",
        "chest-xray",
        _CHILDREN,
        (50, 100, 200),
        cut=f"500 and 1,000 images a class, which there are not; {_SHORT.format(1000)}",
    ),
    **{
        f"chest-xray-200-{name}": Plan(
            f"200 chest X-rays of children, generators {title}",
            "chest-xray-200",
            "chest-xray-200",
            _CHILDREN | {"gan.augment": augment},
            (100,),
            start=name == "transfer",
            cut=_SHORT.format(1000),
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
            "isic",
            recipe,
            _MELANOMA,
            (2000,),
            seeds=5,
            classifier="efficientnet_b0",
            ratios=(),
            level=True,
            cut=f"one size, one classifier from scratch; {_SHORT.format(800)}",
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
