"""How long a pipeline takes on this machine, from a few steps of everything that it repeats, on blank images."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from medgan.config.schema import Config
from medgan.console import minutes
from medgan.data.loader import Batches
from medgan.data.spec import Direction, ImageSpec
from medgan.data.store import Prepared
from medgan.device import autocast, resolve_precision, resolve_threads
from medgan.gans.drawing import draw
from medgan.imaging.intensity import EIGHT_BITS
from medgan.scores.discerning import SIDE, Discerner
from medgan.scores.extractor import Extractor
from medgan.training.state import State
from medgan.training.steps import Steps
from medgan.usefulness.classifiers import classifier

_IMAGES = 64  # images that are drawn and looked at for a time
# Of an evaluation, in looks of the extractor an image: at copies under every transformation, by resampling, and so on.
_LOOKS = 60
_LONG = 3.0  # seconds beside which no setting up counts
_ALWAYS = 4  # regimes of classifiers, whatever is to be added to real images
_STARTS = 6.0  # seconds in which a stage imports, opens stores and writes
_LEARNING = 3.0  # looks that a training step of the extractor takes for each image


@dataclass(frozen=True)
class Costs:
    """Seconds: of a training step, of drawing an image, of a look at one, and of a step that tells images apart.

    classify: of a step of a classifier; 0 where nobody asks whether drawn images help one.
    """

    step: float
    draw: float
    look: float
    discern: float
    classify: float


def estimate(config: Config, spec: ImageSpec) -> dict[str, float]:
    """Seconds of each stage, if nothing of it has been done. spec: what the data dictate.

    How long raw files take to read nobody knows before: `prepare` stands for a start alone.
    """
    costs = _measured(config, spec)
    search, train, judged = config.search, config.train, config.evaluate

    def trained(steps: int, evaluations: int, n: int) -> float:
        return steps * costs.step + evaluations * n * (costs.draw + costs.look)

    again = (1 + search.finalists) * search.seeds if search.trials and search.finalists else 0
    told = 2 * judged.told_apart_steps * costs.discern if spec.source_channels == 0 else 0.0
    work = {
        "prepare": 0.0,
        "features": config.features.steps * config.features.batch * _LEARNING * costs.look,
        "search": search.trials * trained(search.steps, search.evaluations, search.n)
        + again * trained(search.finalist_steps or search.steps, search.evaluations, search.n),
        "train": trained(train.steps, train.evaluations, train.n),
        "evaluate": told + judged.n * (costs.draw + _LOOKS * costs.look),
        "utility": _classifiers(config) * config.utility.steps * costs.classify / resolve_threads("auto"),
        "export": 0.0,
        "register": 0.0,
        "report": 0.0,
    }
    return {stage: _STARTS + seconds for stage, seconds in work.items()}


def _classifiers(config: Config) -> int:
    """How many are trained, if the classes are not level."""
    utility = config.utility
    return utility.seeds * (_ALWAYS + len(utility.ratios) + utility.level)


def plan(config: Config, spec: ImageSpec, stages: Sequence[str]) -> str:
    """What is to run and about how long, in a line for people."""
    return in_words({stage: seconds for stage, seconds in estimate(config, spec).items() if stage in stages})


def in_words(seconds: Mapping[str, float]) -> str:
    """A line for people. seconds: of each stage."""
    parts = ", ".join(f"{name} {minutes(value)}" for name, value in seconds.items() if value > 2 * _STARTS)
    long = f" ({parts})" if parts else ""
    return f"to run: {', '.join(seconds)}; about {minutes(sum(seconds.values()))} on this machine{long}"


def _measured(config: Config, spec: ImageSpec) -> Costs:
    data = _blank(spec, max(config.gan.batch, _IMAGES))
    state = State(config.gan, config.train, spec, seed=0)
    seen = data.only(state.gan.spec)
    steps_ahead = Steps(state, data)
    # Networks that grow take longer and longer.
    moments = (1 / 6, 1 / 2, 5 / 6) if state.gan.grows else (0.0,)
    period = config.gan.penalty_every

    def steps() -> None:
        for moment in moments:
            state.step = int(moment * config.train.steps)
            for _ in range(period):
                steps_ahead.take()

    extractor, discerner = Extractor(spec.channels, spec.size, spec.classes), Discerner(spec.channels, spec.size)
    batch = Batches(seen, "train", batch=_IMAGES, seed=0).at(0)
    inputs = {"z": torch.zeros(_IMAGES, state.gan.latent_dim), **batch.conditions()}

    def look() -> None:
        with torch.no_grad():
            extractor.blocks(batch.image)

    utility = config.utility
    asked = utility.seeds and spec.classes > 1 and "label" in state.gan.inputs
    learner = classifier(utility.classifier if asked else "cnn", replace(spec, classes=max(2, spec.classes)))
    shown = batch.image.repeat(utility.batch // _IMAGES + 1, 1, 1, 1)[: utility.batch]

    def classify() -> None:
        with autocast(resolve_precision("auto")):
            learner(shown).mean().backward()

    def discern() -> None:
        with autocast(resolve_precision("auto")):
            discerner(batch.image[: 2 * SIDE]).mean().backward()

    return Costs(
        step=_seconds(steps) / (period * len(moments)),
        draw=_seconds(lambda: draw(state.gan, state.gan.generators, inputs)) / _IMAGES,
        look=_seconds(look) / _IMAGES,
        discern=_seconds(discern),
        classify=_seconds(classify) if asked else 0.0,
    )


def _blank(spec: ImageSpec, count: int) -> Prepared:
    """Grey images, all of them to train on, each of a patient of its own."""

    def planes(channels: int) -> NDArray[np.uint8]:
        return np.full((count, spec.size, spec.size, channels), 127, np.uint8)

    return Prepared(
        spec=spec,
        images=planes(spec.channels),
        sources=planes(spec.source_channels) if spec.source_channels else None,
        masks=planes(spec.mask_channels) // 127 if spec.mask_channels else None,
        labels=np.arange(count) % spec.classes if spec.classes else None,
        label_names=tuple(map(str, range(spec.classes))),
        patients=np.arange(count),
        splits=np.full(count, "train"),
        intensity=EIGHT_BITS,
        direction=Direction("source", "image") if spec.source_channels else None,
        md5="",
    )


def _seconds(work: Callable[[], object]) -> float:
    """Of the second time, since the first one sets up; of that one where it is long.

    On a CPU what other programs take from it does not count.
    """
    threads = torch.get_num_threads()
    times = [_now(threads)]
    for _ in range(2):
        work()
        times.append(_now(threads))
        if times[-1] - times[-2] > _LONG:
            break
    return times[-1] - times[-2]


def _now(threads: int) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time() / threads
