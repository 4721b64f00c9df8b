"""Is the generator with the best FID the most useful one? -> results/use_search-DATA.*

    python -m benchmarks.use_search phantom        # or chest-xray; 1 or 3 CPU-hours

Random configurations learn from the same few real images. What chooses by FID on validation images, and what chooses by
`utility`, learn on fresh seeds beside params.yaml as it is; then classifiers on test images say what each is good for.
Generators and classifiers are kept: a benchmark that was stopped goes on.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import optuna
from scipy import stats

from benchmarks.drawers import Drawer, learn_all
from benchmarks.fits import kept_fits
from benchmarks.judging import Subject, open_subject
from benchmarks.real_data import configured
from benchmarks.search_gain import DATA, SPACE
from benchmarks.tables import save
from benchmarks.use_tables import Used, figures, predictors
from benchmarks.usefulness import uses
from medgan.config.schema import Config
from medgan.scores.classifying import Lessons
from medgan.search.space import Values
from medgan.search.suggestion import draw_values
from medgan.usefulness.classifiers import CLASSIFIERS, classifier
from medgan.usefulness.comparison import Answers, Chance
from medgan.usefulness.figures import balanced_accuracy
from medgan.usefulness.material import held_out
from medgan.usefulness.regimes import ALONE, candidates
from medgan.usefulness.study import HeldOut, Method, study

CONFIGURATIONS, FRESH, IMAGES = 16, 5, 200
_RATIOS, _STEPS, _BATCH, _N = (1.0,), 300, 32, 1000
_AUGMENT = ("translation", "contrast")
PRESENT, BY_FID, BY_USE = "params.yaml as it is", "best FID", "best utility"


@dataclass(frozen=True)
class Chosen:
    """A configuration, and what came of it on each fresh seed.

    answers: to test images, of classifiers that have learnt from drawn images alone.
    """

    name: str
    values: Values
    used: Sequence[Used]
    answers: Answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=list(DATA))
    data = parser.parse_args().data
    recipe, changes = DATA[data]
    base = configured(recipe, {**changes, "search.space": SPACE, "train.evaluations": 3})
    if base is None:
        return
    subject = open_subject(base, told_apart=True, by_class=True)
    tried = _configurations(base)
    images = held_out(subject.prepared, _N, base.seed)
    first, _ = _used([Drawer(base.override(values), IMAGES, 0) for values in tried], subject, images, "configurations")
    winners = {
        PRESENT: tried[0],
        BY_FID: tried[int(np.argmin([quality.validation_fid for quality, _, _ in first]))],
        BY_USE: tried[int(np.argmin([quality.validation_utility for quality, _, _ in first]))],
    }
    seeds = range(1, 1 + FRESH)
    fresh = [
        Chosen(name, values, *_used([Drawer(base.override(values), IMAGES, n) for n in seeds], subject, images, name))
        for name, values in winners.items()
    ]
    chance = Chance(FRESH, images.test.labels, images.patients, seed=base.seed)
    tree = {
        "configurations": [{"values": values, **figures(used)} for values, used in zip(tried, first, strict=True)],
        "chosen": [
            {"name": each.name, "values": each.values, "seeds": [figures(used) for used in each.used]} for each in fresh
        ],
    }
    save(f"use_search-{data}", tree, _lines(data, base, first, fresh, chance))


def _configurations(base: Config) -> list[Values]:
    """params.yaml as it is, then random draws."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    random = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=base.seed))
    return [{}, *(draw_values(random.ask(), base.search.drawn) for _ in range(CONFIGURATIONS - 1))]


def _used(drawers: Sequence[Drawer], subject: Subject, images: HeldOut, title: str) -> tuple[list[Used], Answers]:
    """What generators reach, what their images are good for, and the answers of those that learn from them alone."""
    config, data = drawers[0].config, subject.prepared
    learnt = learn_all(drawers, subject, (_RATIOS, False, _STEPS * _BATCH), title=title)
    pools = [pool for pool, _ in learnt]
    lessons = Lessons(_STEPS, _BATCH, CLASSIFIERS["cnn"], _AUGMENT)
    method = Method(partial(classifier, "cnn", data.spec), lessons, config.seed)
    regimes = candidates(_RATIOS, pools[0].counts, level=False)
    found = study(pools, regimes, images, method, partial(kept_fits, title=f"{title}: classifiers"))
    used = [(quality, *use) for (_, quality), use in zip(learnt, uses(found, images), strict=True)]
    return used, found.answers(ALONE)


def _lines(data: str, base: Config, first: Sequence[Used], fresh: Sequence[Chosen], chance: Chance) -> list[str]:
    by = {each.name: each for each in fresh}
    same = by[BY_FID].values == by[BY_USE].values
    pair = {"": (balanced_accuracy, by[BY_USE].answers, by[BY_FID].answers)}
    difference = chance.differences(pair)[""]
    value, low, high = (100 * bound for bound in (difference.value, difference.low, difference.high))
    return [
        f"# Chosen by FID, or by use: {data}",
        "",
        f"`python -m benchmarks.use_search {data}`: {CONFIGURATIONS} configurations of {base.train.steps:,} steps "
        f"learn from {IMAGES} real images a class; those that "
        f"are chosen on validation images learn on {FRESH} fresh seeds, "
        "which are judged on test images: FID, and the balanced accuracy of a small classifier that has learnt from "
        "drawn images alone, and by how many points as many drawn images raise that of one with real ones.",
        "",
        "| chosen by | values | FID, mean ± sd | with drawn images alone | gain, points |",
        "| --- | --- | --- | --- | --- |",
        *(_row(each) for each in fresh),
        "",
        "Both choose the same."
        if same
        else f"The choice by utility less that by FID, with drawn images alone: {value:+.1f} [{low:+.1f}, {high:+.1f}] "
        "points, over seeds and patients.",
        *predictors([[figures(used) for used in first]], f"{CONFIGURATIONS} configurations"),
    ]


def _row(chosen: Chosen) -> str:
    fids = [quality.fid for quality, _, _ in chosen.used]
    values = ", ".join(f"{path} {value:.3g}" for path, value in chosen.values.items()) or "as it is"
    alone, gain = [100 * use for _, use, _ in chosen.used], [100 * use for _, _, use in chosen.used]
    cells = [chosen.name, values, f"{np.mean(fids):.2f} ± {np.std(fids, ddof=1):.2f}", _interval(alone, "")]
    return f"| {' | '.join([*cells, _interval(gain)])} |"


def _interval(values: Sequence[float], sign: str = "+") -> str:
    """Mean with 95 % interval, by Student's t."""
    mean, half = float(np.mean(values)), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return f"{mean:{sign}.1f} [{mean - half:{sign}.1f}, {mean + half:{sign}.1f}]"


if __name__ == "__main__":
    main()
