"""Can drawn images be told from real ones? Classifier two-sample test (Lopez-Paz and Oquab 2017)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medgan.evaluation.intervals import Units, mean_of, measured
from medgan.evaluation.two_sample import Answers, ToldApart
from medgan.scores.discerning import Material, Rows, Sides, learn_to_discern, log_losses
from medgan.scores.images import ImageSet
from medgan.scores.parting import parted
from medgan.scores.passing import passing_of

_KEPT, _MOST_KEPT = 0.2, 500  # share of the learning half, and images a side
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

    Images of one patient stay in one half. Drawn images, which have no patients, go with the real ones of their rows,
    under whose labels and masks they were drawn. names: of the classes.
    """
    sets = (drawn, real) if drawn.patients is not None else (_with_patients_of(drawn, real), real)
    everything = Sides(*(np.arange(len(images)) for images in sets))
    learning, answering = parted(*sets, everything, share=0.5, seed=seed)
    share = min(_KEPT, 2 * _MOST_KEPT / len(learning))
    kept, learning = parted(*sets, learning, share=share, seed=seed)
    material = Material(drawn.images, real.images, learning, kept)
    discerned = learn_to_discern(material, steps=steps, seed=seed, progress=progress)
    logits = (discerned.logits(drawn.images, answering.drawn), discerned.logits(real.images, answering.real))
    units = Units.of(drawn.patients, real.patients, len(drawn), len(real)).at(answering.drawn, answering.real)
    figures = ToldApart(
        overall=_answers(*logits, units, seed=seed),
        classes=_by_class(sets, answering, logits, units, names=names, seed=seed),
        steps=discerned.steps,
    )
    return Outcome(figures, answering.drawn[np.argsort(logits[0], kind="stable")])


def _with_patients_of(drawn: ImageSet, real: ImageSet) -> ImageSet:
    return ImageSet(drawn.images, labels=drawn.labels, patients=real.patients)


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
