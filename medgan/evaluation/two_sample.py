"""Figures of two-sample tests, drawn images against real ones; numbers alone, no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measured:
    """A figure and its 95 % interval over images (over patients, where several are of one)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Answers:
    """What a network said of n images that it had not seen, half of them drawn; no figures where n is too small.

    accuracy: mean over both sides, 0.5 where nothing tells them apart. passing: share of drawn images that it takes for
    real where it takes 5 % of the real ones for drawn, 0.95 where nothing does. log_loss: in nats, ln 2 where nothing
    does; more than that of a network that is wrong and sure of it. It goes on falling where accuracy is at its end.
    """

    n: int
    accuracy: Measured | None = None
    passing: Measured | None = None
    log_loss: Measured | None = None


@dataclass(frozen=True)
class ToldApart:
    """Answers for all images, and by the name of their class. steps: of the training whose network answered."""

    overall: Answers
    classes: Mapping[str, Answers]
    steps: int


@dataclass(frozen=True)
class Neighbours:
    """Share of images whose nearest other image is of their own side: 0.5 is ideal, more where sides differ.

    Below 0.5 drawn images lie nearer to single real ones than real ones to each other, as copies do. drawn, real: of
    either side; a generator that repeats itself has a high one on drawn images.
    """

    accuracy: Measured
    drawn: Measured
    real: Measured


@dataclass(frozen=True)
class NearestNeighbours:
    """On features of the embedder, and on pixels."""

    features: Neighbours
    pixels: Neighbours


@dataclass(frozen=True)
class TwoSample:
    """Drawn images against real ones. told_apart: None where it was not asked for."""

    nearest: NearestNeighbours
    told_apart: ToldApart | None = None


@dataclass(frozen=True)
class TwoSamples:
    """Drawn images, and real training images, against those of the split that the report is about."""

    generated: TwoSample
    real: TwoSample


def two_samples(tree: Mapping[str, Any]) -> TwoSamples:
    """Read what `asdict` made. Raises KeyError or TypeError for anything else."""
    return TwoSamples(_two_sample(tree["generated"]), _two_sample(tree["real"]))


def _two_sample(tree: Mapping[str, Any]) -> TwoSample:
    nearest = {
        space: Neighbours(**{name: Measured(**figure) for name, figure in figures.items()})
        for space, figures in tree["nearest"].items()
    }
    told = tree["told_apart"]
    return TwoSample(
        nearest=NearestNeighbours(**nearest),
        told_apart=told
        and ToldApart(
            overall=_answers(told["overall"]),
            classes={name: _answers(answers) for name, answers in told["classes"].items()},
            steps=told["steps"],
        ),
    )


def _answers(tree: Mapping[str, Any]) -> Answers:
    figures = {name: figure and Measured(**figure) for name, figure in tree.items() if name != "n"}
    return Answers(n=tree["n"], **figures)
