"""From the answers of classifiers to figures, differences and a verdict."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from medgan.usefulness.comparison import Answers, Chance, Difference
from medgan.usefulness.figures import FIGURES, Figure, balanced_accuracy, type_1, type_2
from medgan.usefulness.regimes import AUGMENTED, REAL
from medgan.usefulness.report import RegimeFigures, SizeFigures, Usefulness
from medgan.usefulness.study import HeldOut, Outcome, Study
from medgan.usefulness.verdict import verdict

_TARGET = 0.95


def judge(
    studies: Sequence[Study], held_out: HeldOut, names: Sequence[str], *, classifier: str, steps: int, seed: int
) -> Usefulness:
    """Judge studies of growing numbers of real images together: their decisive comparisons are one family.

    names: of the classes. seed: of the resamples.
    """
    seeds = len(studies[0].outcomes[REAL.name])
    chance = Chance(seeds, held_out.test.labels, held_out.patients, seed=seed)
    pairs = {
        (number, other.name): (balanced_accuracy, each.answers(each.chosen), each.answers(other))
        for number, each in enumerate(studies)
        for other in (AUGMENTED, each.chosen.control)
    }
    decisive = chance.differences(pairs)
    sizes = [
        _size(each, chance, names, {name: found for (of, name), found in decisive.items() if of == number})
        for number, each in enumerate(studies)
    ]
    word, sentence = verdict(sizes)
    return Usefulness(
        verdict=word,
        sentence=sentence,
        classifier=classifier,
        steps=steps,
        seeds=seeds,
        n=len(held_out.test),
        patients=len(np.unique(held_out.patients)),
        sizes=sizes,
    )


def _size(study: Study, chance: Chance, names: Sequence[str], decisive: Mapping[str, Difference]) -> SizeFigures:
    answers = {name: np.stack([each.answers for each in found]) for name, found in study.outcomes.items()}
    chosen, control, alone = study.chosen.name, study.chosen.control.name, AUGMENTED.name
    # Each pair once, and not those that decide.
    seen = {(chosen, alone), (chosen, control), (alone, control), (alone, REAL.name)}
    others = {
        f"{one} - {other}": (balanced_accuracy, answers[one], answers[other])
        for other in (alone, control, REAL.name)
        for one in answers
        if one != other and (one, other) not in seen and not (one == REAL.name and other == control)
    }
    target = _TARGET * float(np.mean([each.validation for each in study.outcomes[REAL.name]]))
    return SizeFigures(
        counts=dict(zip(names, study.counts.tolist(), strict=True)),
        chosen=chosen,
        control=control,
        regimes={name: _regime(found, answers[name], chance, names, target) for name, found in study.outcomes.items()},
        decisive=decisive,
        others=chance.differences(others),
        type_1=_changes(type_1, answers[chosen], answers[alone], chance, names),
        type_2=_changes(type_2, answers[chosen], answers[alone], chance, names),
    )


def _regime(
    found: Sequence[Outcome], answers: Answers, chance: Chance, names: Sequence[str], target: float
) -> RegimeFigures:
    errors = [
        {name: chance.estimate(of_type(kind), answers) for kind, name in enumerate(names)}
        for of_type in (type_1, type_2)
    ]
    return RegimeFigures(
        images=found[0].images,
        validation=float(np.mean([each.validation for each in found])),
        figures={name: chance.estimate(figure, answers) for name, figure in FIGURES.items()},
        type_1=errors[0],
        type_2=errors[1],
        steps=_steps_to(target, found),
        last_gain=float(np.mean([each.last_gain for each in found])),
    )


def _steps_to(target: float, found: Sequence[Outcome]) -> int | None:
    """In the median over classifiers, those that never get there counted as those that take longest."""
    first = sorted(next((step for step, value in each.course if value >= target), math.inf) for each in found)
    middle = first[(len(first) - 1) // 2]
    return None if math.isinf(middle) else int(middle)


def _changes(
    error: Callable[[int], Figure], ours: Answers, theirs: Answers, chance: Chance, names: Sequence[str]
) -> dict[str, Difference]:
    """By class, how an error differs; the classes are one family."""
    return chance.differences({name: (error(kind), ours, theirs) for kind, name in enumerate(names)})
