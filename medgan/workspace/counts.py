"""Whether the prepared data have as many images as later stages ask for."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medgan.config.judging import LEAST_IMAGES
from medgan.config.schema import Config
from medgan.data.spec import FEWEST_OF_A_CLASS
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.seeds import derive_seed

_LEAST_BATCH = 2
_LARGEST_SHARE = 0.4  # of the images, that both validation and test may be


@dataclass(frozen=True)
class _Asked:
    """A parameter that asks for images: for how many, how many there are, and how many are the least it can ask for.

    sentence: of what is asked for in vain, and the remedy.
    """

    name: str
    asked: int
    fits: int
    least: int
    sentence: str


def check_counts(config: Config, prepared: Prepared) -> None:
    """Raise MedganError, with a sentence for each parameter, where later stages ask for more images than there are."""
    obstacles = dict.fromkeys(asked.sentence for asked in _all_asked(config, prepared) if asked.asked > asked.fits)
    if obstacles:
        raise MedganError("; ".join(obstacles))


def fitting(config: Config, prepared: Prepared) -> dict[str, int]:
    """What `check_counts` looks at, by dotted path, lowered to the images that there are; also for searches to come.

    Raises MedganError, with a sentence for each parameter, where there are fewer than the least.
    """
    asked = _all_asked(config.override({"search.trials": max(1, config.search.trials)}), prepared)
    if short := [part.sentence for part in asked if part.fits < part.least]:
        raise MedganError("; ".join(short))
    values: dict[str, int] = {}
    for part in asked:
        values[part.name] = min(values.get(part.name, part.asked), part.fits)
    return values


def doubts(config: Config, prepared: Prepared) -> Iterator[str]:
    """Yield what works, but will end in no champion: sentences.

    Raises MedganError where there are fewer images than evaluate.n.
    """
    gates = [key for key in ("recall", "coverage", "passing") if getattr(config.register_, key)]
    told = getattr(config.gan, "conditional", None)
    if told is None or not gates:  # translation has no such gates
        return
    judged = _judged(config, prepared, config.evaluate.n)
    labels = prepared.labels if told and prepared.spec.classes > 1 else None
    names = prepared.label_names if labels is not None else ("all images",)
    of_class = np.bincount(labels[judged], minlength=len(names)) if labels is not None else np.array([len(judged)])
    if few := [f"{count} of {name}" for name, count in zip(names, of_class, strict=True) if count < FEWEST_OF_A_CLASS]:
        asked = " and ".join(f"register.{key}" for key in gates)
        yield (
            f"evaluate.n = {config.evaluate.n} judges {', '.join(few)}, and a class that is judged apart needs "
            f"{FEWEST_OF_A_CLASS} images for a champion; raise evaluate.n or data.test, add images, or set {asked} to 0"
        )


def _all_asked(config: Config, prepared: Prepared) -> list[_Asked]:
    """Of both ways, where two classes are translated into one another. Raises MedganError where they are pairs."""
    if config.data.direction and prepared.sources is not None and prepared.paired:
        raise MedganError(
            "data.direction is for images without pairs, and these have sources; set data.direction: null"
        )
    seen = prepared.towards(config.data.direction)
    ways = [seen] if seen.paired else [seen, seen.opposite()]
    return [
        asked for way in ways for asked in (*_validation(config, way), _judging(config, way), _training(config, way))
    ]


def _validation(config: Config, prepared: Prepared) -> Iterator[_Asked]:
    available = len(prepared.indices("validation"))
    searched = config.search.n if config.search.trials else 0
    for name, n, score in (
        ("search.n", searched, config.search_score),
        ("train.n", config.train.n, config.train.score),
    ):
        least = LEAST_IMAGES if score == "fid" else 2
        remedy = _remedy(name, available, least, _number(prepared))
        sentence = f"{name} is {n:,} and there are {available:,} validation images{remedy}"
        yield _Asked(name, n, available, least, sentence)


def _number(prepared: Prepared) -> int:
    """Of images in any split: of two classes that are no pairs, those of one are in none."""
    return int(np.count_nonzero(prepared.splits))


def _judging(config: Config, prepared: Prepared) -> _Asked:
    """Test images, and as many training images of the same classes for the floor."""
    available, n, fits = len(prepared.indices("test")), config.evaluate.n, _most_judged(config, prepared)
    there = f"{available:,} test images"
    if fits < available:
        there += f" and training images of their classes for {fits:,}"
    remedy = _remedy("evaluate.n", fits, LEAST_IMAGES, _number(prepared))
    return _Asked("evaluate.n", n, fits, LEAST_IMAGES, f"evaluate.n is {n:,} and there are {there}{remedy}")


def _training(config: Config, prepared: Prepared) -> _Asked:
    available, batch = len(prepared.indices("train")), config.gan.batch
    sentence = f"gan.batch is {batch:,} and there are {available:,} training images: set gan.batch: {available}"
    return _Asked("gan.batch", batch, available, _LEAST_BATCH, sentence)


def _most_judged(config: Config, prepared: Prepared) -> int:
    """The largest evaluate.n for which there are test images, and training images of the same classes."""
    every, learnable = _judged(config, prepared, len(prepared.indices("test"))), prepared.learnable()
    if prepared.labels is None:
        return min(len(every), len(learnable))
    there = np.bincount(prepared.labels[learnable], minlength=len(prepared.label_names))
    low, high = 0, len(every)
    while low < high:
        middle = (low + high + 1) // 2
        chosen = prepared.labels[_judged(config, prepared, middle)]
        if (np.bincount(chosen, minlength=len(there)) <= there).all():
            low = middle
        else:
            high = middle - 1
    return low


def _judged(config: Config, prepared: Prepared, n: int) -> NDArray[np.int64]:
    """The images that `EvaluationProtocol` takes."""
    return prepared.take("test", n, derive_seed(config.seed, "evaluate"))


def _remedy(name: str, fits: int, least: int, total: int) -> str:
    """What to set. Where not even the least number fits, the share of the split, if that can be enough."""
    share = "data.test" if name == "evaluate.n" else "data.validation"
    if fits >= least:
        return f": set {name}: {fits}, or raise {share} (a published split stays as it is)"
    wanted = math.ceil(100 * least / total) / 100
    enough = f"set {share}: {wanted:g} (a published split stays as it is), or " if wanted <= _LARGEST_SHARE else ""
    return f", of {least} at least: {enough}add images"
