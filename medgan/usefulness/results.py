"""The files of a study of one trained generator: figures, verdict and picture."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medgan.config.judging import UtilityConfig
from medgan.data.store import Prepared
from medgan.device import resolve_device, resolve_threads
from medgan.evaluation.generators import TorchGenerator
from medgan.evaluation.watching import Progress
from medgan.fingerprint import code_digest, file_digest, fingerprint
from medgan.gans.base import Gan
from medgan.scores.classifying import Lessons
from medgan.usefulness.classifiers import CLASSIFIERS, classifier
from medgan.usefulness.judging import judge
from medgan.usefulness.material import held_out, pool, too_few
from medgan.usefulness.picture import save_picture
from medgan.usefulness.regimes import candidates
from medgan.usefulness.report import Usefulness, to_tree
from medgan.usefulness.running import on_cores
from medgan.usefulness.study import Key, Method, Outcome, Task, study

VERDICT_NAME = "utility.json"
# A folder, with a picture and all figures where the question was asked.
DETAILS_NAME, PICTURE_NAME, FIGURES_NAME = "utility", "classifiers.png", "figures.json"
NOT_ASKED = "not asked"


def why_not_asked(config: UtilityConfig, gan: Gan, data: Prepared) -> str:
    """Say why nobody can, or wants to, know whether what is drawn helps a classifier; "" where it is asked."""
    if not config.seeds:
        return "utility.seeds is 0"
    if data.spec.classes < 2 or data.labels is None:
        return "these images are of one kind, and a classifier has nothing to learn"
    if "label" not in gan.inputs:
        return "its generator is not told the class, so nobody knows what it has drawn"
    counts = _counts(data)
    if absent := [name for name, count in zip(data.label_names, counts, strict=True) if not count]:
        return f"there is no training image of {', '.join(absent)}"
    if few := too_few(data):
        return f"there are only {', '.join(few)}"
    nothing = not candidates(config.ratios, counts, level=config.level)
    return "utility.ratios names none, and the classes are level already" if nothing else ""


def write_usefulness(
    folder: Path,
    *,
    gan: Gan,
    generators: nn.ModuleDict,
    data: Prepared,
    config: UtilityConfig,
    seed: int,
    progress: Progress,
) -> None:
    """Ask whether images of this generator help a classifier, into a folder that is not there yet."""
    details = folder / DETAILS_NAME
    details.mkdir(parents=True)
    if reason := why_not_asked(config, gan, data):
        verdict: dict[str, Any] = {"verdict": NOT_ASKED, "sentence": f"{NOT_ASKED}: {reason}"}
    else:
        found = _asked(TorchGenerator(gan, generators), data, config, seed, progress)
        save_picture(details / PICTURE_NAME, found)
        (details / FIGURES_NAME).write_text(json.dumps(to_tree(found), indent=2) + "\n")
        verdict = _in_short(found)
    (folder / VERDICT_NAME).write_text(json.dumps(verdict, indent=2) + "\n")


def usefulness_fingerprint(gan: Gan, weights: Path, data: Prepared, config: UtilityConfig, seed: int) -> str:
    """Digest all that decides what `write_usefulness` writes. weights: the file of the trained generators."""
    networks = {type(module).__module__ for module in gan.modules()}
    return fingerprint(
        {
            "weights": file_digest(weights),
            "data": data.md5,
            "config": config.model_dump(mode="json", exclude={"weights"}),
            "start": config.weights and file_digest(config.weights),
            "seed": seed,
            "code": code_digest({__name__, *networks}),
        }
    )


def _asked(
    generator: TorchGenerator, data: Prepared, config: UtilityConfig, seed: int, progress: Progress
) -> Usefulness:
    """On all images that the generator has learnt from: of fewer it would know more than the classifiers beside it."""
    regimes = candidates(config.ratios, _counts(data), level=config.level)
    material = pool(generator, data, data.indices("train"), regimes, looks=config.steps * config.batch, seed=seed)
    images = held_out(data, config.n, seed)
    lessons = Lessons(config.steps, config.batch, CLASSIFIERS[config.classifier], config.augment)
    method = Method(partial(classifier, config.classifier, data.spec, config.weights), lessons, seed)

    # Of several processes on one GPU each would hold half a gigabyte of it.
    processes = resolve_threads("auto") if resolve_device().type == "cpu" else 1

    def run(tasks: Mapping[Key, Task]) -> Mapping[Key, Outcome]:
        with progress("classifiers", len(tasks)) as done:
            return on_cores(tasks, processes=processes, progress=done)

    found = study([material] * config.seeds, regimes, images, method, run)
    return judge([found], images, data.label_names, classifier=config.classifier, steps=config.steps, seed=seed)


def _counts(data: Prepared) -> NDArray[np.int64]:
    """Of the training images of each class."""
    assert data.labels is not None
    return np.bincount(data.labels[data.indices("train")], minlength=data.spec.classes)


def _in_short(found: Usefulness) -> dict[str, Any]:
    """The verdict, and the balanced accuracies and the gain that it rests on."""
    (size,) = found.sizes
    reached = {
        key: size.regimes[name].figures["balanced_accuracy"].value
        for key, name in (("drawn", size.chosen), ("augmented", "augmented"), ("copies", size.control))
    }
    gain = size.decisive["augmented"]
    return {
        "verdict": found.verdict,
        "sentence": found.sentence,
        "balanced_accuracy": reached,
        "gain": {"value": gain.value, "low": gain.adjusted_low, "high": gain.adjusted_high},
    }
