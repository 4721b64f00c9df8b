"""From how many real images on drawn ones help a classifier, if they do -> results/usefulness-STUDY.md and a picture.

    python -m benchmarks.usefulness phantom        # or another of benchmarks/use_plans.py; hours on one core

For each number of real images and each seed a generator learns from these alone, then classifiers learn in every regime
(see docs/usefulness.md). Generators and classifiers are kept: a study that was stopped goes on.
"""

import argparse
from functools import partial
from itertools import chain

from benchmarks.drawers import Drawer, learn_all, shared
from benchmarks.fits import kept_fits
from benchmarks.judging import ROOT, open_subject
from benchmarks.tables import save
from benchmarks.use_plans import PLANS, planned
from benchmarks.use_tables import Used, figures, head, predictors, tables
from medgan.scores.classifying import Lessons, balanced
from medgan.usefulness.classifiers import CLASSIFIERS, classifier
from medgan.usefulness.judging import judge
from medgan.usefulness.material import held_out
from medgan.usefulness.picture import save_picture
from medgan.usefulness.regimes import ALONE, AUGMENTED, Regime, candidates
from medgan.usefulness.report import to_tree
from medgan.usefulness.study import HeldOut, Method, Study, study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=list(PLANS))
    name = parser.parse_args().study
    plan = PLANS[name]
    config = planned(plan)
    if config is None:
        return
    subject = open_subject(config, told_apart=True, by_class=True)
    data, images, studies = subject.prepared, held_out(subject.prepared, plan.n, config.seed), []
    used: dict[int, list[Used]] = {}
    lessons = Lessons(plan.steps, plan.batch, CLASSIFIERS[plan.classifier], plan.augment)
    method = Method(partial(classifier, plan.classifier, data.spec), lessons, config.seed)
    for size in plan.sizes:
        drawers = [Drawer(config, size, seed) for seed in range(plan.seeds)]
        wanted = (plan.ratios, plan.level, plan.steps * plan.batch)
        learnt = learn_all(drawers, subject, wanted, title=f"{size} real: generators")
        pools = [pool for pool, _ in learnt]
        regimes = candidates(plan.ratios, pools[0].counts, level=plan.level)
        studies.append(study(pools, regimes, images, method, partial(kept_fits, title=f"{size} real: classifiers")))
        used[size] = [(quality, *use) for (_, quality), use in zip(learnt, uses(studies[-1], images), strict=True)]
    found = judge(studies, images, data.label_names, classifier=plan.classifier, steps=plan.steps, seed=config.seed)
    picture = ROOT / "docs" / f"usefulness-{name}.png"
    save_picture(picture, found)
    generators = [
        [{"images": size, "group": plan.group, **figures(each)} for each in used[size]] for size in plan.sizes
    ]
    start = "begun from networks that have seen others" if plan.start else "which has seen no others"
    about = f"recipe `{plan.recipe}`, {config.train.steps:,} steps, {start}"
    common = [shared(data, size, plan.seeds) for size in plan.sizes]
    lines = [
        *head(f"python -m benchmarks.usefulness {name}", plan.title, about, lessons, found),
        "",
        f"Generators are judged on {subject.floor.n:,} test images by an extractor that has learnt from all training "
        f"images ({subject.extractor.digest[:8]}); real training images have an FID of {subject.floor.fid:.3g}. Cut: "
        f"{plan.cut}.",
        *tables(found, list(used.values()), common),
        *predictors(generators, f"{sum(map(len, generators))} generators, among those of as many real images"),
        "",
        f"![{plan.title}](../../docs/{picture.name})",
    ]
    save(f"usefulness-{name}", {**to_tree(found), "generators": [*chain(*generators)]}, lines)


def uses(found: Study, images: HeldOut) -> list[tuple[float, float]]:
    """Of each seed: balanced accuracy with drawn images alone, and the gain of the chosen regime on augmentation."""

    def reached(regime: Regime) -> list[float]:
        return [balanced(each.argmax(axis=1), images.test.labels) for each in found.answers(regime)]

    alone, ours, augmented = (reached(regime) for regime in (ALONE, found.chosen, AUGMENTED))
    return [(a, b - c) for a, b, c in zip(alone, ours, augmented, strict=True)]


if __name__ == "__main__":
    main()
