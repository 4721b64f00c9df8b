"""Can drawn images be told from real ones? Classifier two-sample test (Lopez-Paz and Oquab 2017)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medgan.evaluation.intervals import Units, mean_of, measured
from medgan.evaluation.two_sample import Answers, ToldApart
from medgan.scores.discerning import Rows, Sides, log_losses
from medgan.scores.examining import examine
from medgan.scores.images import ImageSet
from medgan.scores.passing import passing_of

_FEWEST = 50  # images a side behind the figures of a class


@dataclass(frozen=True)
class Outcome:
    """What came of a test. convincing: rows of the drawn images answered for, from the most to the least convincing."""

    figures: ToldApart
    convincing: Rows


def tell_apart(
    drawn: ImageSet,
    real: ImageSet,
    *,
    names: Sequence[str],
    steps: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """A network learns on one half of the images, for so many steps at most, and answers for the other.

    Without patients drawn images go with the real ones of their rows. names: of the classes.
    """
    answers = examine(drawn, real, steps=steps, seed=seed, progress=progress)
    logits, answering = (answers.drawn, answers.real), answers.rows
    patients = (real.patients if drawn.patients is None else drawn.patients, real.patients)
    units = Units.of(*patients, len(drawn), len(real)).at(answering.drawn, answering.real)
    figures = ToldApart(
        overall=_answers(*logits, units, seed=seed),
        classes=_by_class((drawn, real), answering, logits, units, names=names, seed=seed),
        steps=answers.steps,
    )
    return Outcome(figures, answering.drawn[np.argsort(answers.drawn, kind="stable")])


def _by_class(
    sets: tuple[ImageSet, ImageSet],
    answering: Sides,
    logits: tuple[NDArray[np.float64], NDArray[np.float64]],
    units: Units,
    *,
    names: Sequence[str],
    seed: int,
) -> dict[str, Answers]:
    drawn, real = (images.labels for images in sets)
    if drawn is None or real is None:
        return {}
    classes = {}
    for code, name in enumerate(names):
        ours, theirs = (np.flatnonzero(drawn[answering.drawn] == code), np.flatnonzero(real[answering.real] == code))
        if min(len(ours), len(theirs)) < _FEWEST:
            classes[name] = Answers(len(ours) + len(theirs))
        else:
            classes[name] = _answers(logits[0][ours], logits[1][theirs], units.at(ours, theirs), seed=seed)
    return classes


def _answers(drawn: NDArray[np.float64], real: NDArray[np.float64], units: Units, *, seed: int) -> Answers:
    """drawn, real: logits of being drawn."""
    losses = mean_of(log_losses(drawn, np.ones(len(drawn))), log_losses(real, np.zeros(len(real))))
    return Answers(
        n=len(drawn) + len(real),
        accuracy=measured(mean_of(drawn > 0, real <= 0), units, seed=seed),
        passing=measured(passing_of(drawn, real), units, seed=seed),
        log_loss=measured(losses, units, seed=seed, share=False),
    )
