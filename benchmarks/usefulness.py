"""From how many real images on drawn ones help a classifier, if they do -> results/usefulness-STUDY.md and a picture.

    python -m benchmarks.usefulness phantom        # or chest-xray, isic-residual, isic-sngan; hours on one core

For each number of real images and each seed a generator learns from these alone, then classifiers learn in every regime
(see docs/usefulness.md). Generators and classifiers are kept: a study that was stopped goes on.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from joblib import delayed

from benchmarks.drawers import Drawer, Quality
from benchmarks.fits import kept_fits
from benchmarks.judging import ROOT, Subject, open_subject
from benchmarks.real_data import CHILDREN, configured
from benchmarks.tables import save
from benchmarks.use_tables import Used, head, predictors, tables
from medgan.config.schema import Config
from medgan.console import progress
from medgan.device import resolve_threads
from medgan.scores.classifying import Lessons, balanced
from medgan.usefulness.classifiers import CLASSIFIERS, classifier
from medgan.usefulness.judging import judge
from medgan.usefulness.material import held_out
from medgan.usefulness.picture import save_picture
from medgan.usefulness.regimes import ALONE, AUGMENTED, Regime, candidates
from medgan.usefulness.report import to_tree
from medgan.usefulness.running import one_thread
from medgan.usefulness.study import HeldOut, Method, Pool, Study, study
from medgan.workers import workers


@dataclass(frozen=True)
class Plan:
    """One study. recipe, changes: of the generators. sizes: real images of a class, at most.

    n: test images at most. ratios, level: drawn images that are tried. title: for people.
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


_CHILDREN = {
    "data.source": "folder",
    "data.raw": "chest-xray",
    "data.options": {"patient": CHILDREN},
    "gan.augment": ["translation"],
    "train.steps": 1000,
    "train.evaluations": 2,
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
    "chest-xray": Plan("chest X-rays of children, normal or pneumonia, 64x64", "chest-xray", _CHILDREN, (50, 200, 500)),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=list(PLANS))
    name = parser.parse_args().study
    plan = PLANS[name]
    config = configured(plan.recipe, plan.changes)
    if config is None:
        return
    subject = open_subject(config, told_apart=True, by_class=True)
    data, images, studies, used = subject.prepared, held_out(subject.prepared, plan.n, config.seed), [], list[Used]()
    lessons = Lessons(plan.steps, plan.batch, CLASSIFIERS[plan.classifier], plan.augment)
    method = Method(partial(classifier, plan.classifier, data.spec), lessons, config.seed)
    for size in plan.sizes:
        learnt = _learnt(plan, config, subject, size)
        pools = [pool for pool, _ in learnt]
        regimes = candidates(plan.ratios, pools[0].counts, level=plan.level)
        studies.append(study(pools, regimes, images, method, partial(kept_fits, title=f"{size} real: classifiers")))
        used += [(quality, *use) for (_, quality), use in zip(learnt, _uses(studies[-1], images), strict=True)]
    found = judge(studies, images, data.label_names, classifier=plan.classifier, steps=plan.steps, seed=config.seed)
    picture = ROOT / "docs" / f"usefulness-{name}.png"
    save_picture(picture, found)
    generators = [{**asdict(quality), "alone": alone, "gain": gain} for quality, alone, gain in used]
    about = f"recipe `{plan.recipe}`, {config.train.steps:,} steps"
    lines = [
        *head(f"python -m benchmarks.usefulness {name}", plan.title, about, lessons, found),
        *tables(found),
        *predictors(used),
        "",
        f"![{plan.title}](../../docs/{picture.name})",
    ]
    save(f"usefulness-{name}", {**to_tree(found), "generators": generators}, lines)


def _learnt(plan: Plan, config: Config, subject: Subject, size: int) -> list[tuple[Pool, Quality]]:
    """A generator for each seed, as many at a time as there are cores."""
    found = []
    drawers = [Drawer(config, size, seed) for seed in range(plan.seeds)]
    with (
        progress(f"{size} real: generators", len(drawers)) as done,
        workers(resolve_threads("auto"), first=one_thread, return_as="generator") as parallel,
    ):
        looks = plan.steps * plan.batch
        for made in parallel(
            delayed(each.learn)(subject, plan.ratios, level=plan.level, looks=looks) for each in drawers
        ):
            found.append(made)
            done(len(found))
    return found


def _uses(found: Study, images: HeldOut) -> list[tuple[float, float]]:
    """Of each seed: balanced accuracy with drawn images alone, and the gain of the chosen regime on augmentation."""

    def reached(regime: Regime) -> list[float]:
        return [balanced(each.argmax(axis=1), images.test.labels) for each in found.answers(regime)]

    alone, ours, augmented = (reached(regime) for regime in (ALONE, found.chosen, AUGMENTED))
    return [(a, b - c) for a, b, c in zip(alone, ours, augmented, strict=True)]


if __name__ == "__main__":
    main()
