"""The one place where generators are judged, whoever asks: stages, registry and benchmarks."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medgan.data.loader import conditions, gather
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.evaluation.copying.audit import audit, queries
from medgan.evaluation.generators import Generator, TorchGenerator, drawn_images
from medgan.evaluation.lesions import judge_lesions
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import Agreement, Report, SynthesisReport, TranslationFloor, TranslationReport
from medgan.gans.base import Gan
from medgan.imaging.arrays import Images, quantised
from medgan.scores.fidelity import agreement, kid, measure
from medgan.scores.figures import Fidelity
from medgan.scores.images import Embedder, ImageSet
from medgan.scores.paired import absolute_errors, difference_margin, likeness

# A title and how many steps there are -> a context that yields what to tell of the steps that are done.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def _silent(_title: str, _total: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda done: None)


def evaluate(
    generator: Generator, data: Prepared, protocol: EvaluationProtocol, *, progress: Progress = _silent
) -> Report:
    """Draw under the conditions of the held-out images and judge what comes of it.

    A generator that takes sources is judged by pairs, any other one as a set of images. Each set of images passes the
    embedder once. progress: shows trainings of judges, such as that of the judge of masks (`medgan.console.progress`).
    Raises MedganError where the data lack what the generator draws from, or have fewer images than the protocol wants.
    """
    if "source" in generator.inputs:
        return _translation(generator, data, protocol)
    return _synthesis(generator, data, protocol, progress)


def evaluate_ways(
    gan: Gan, generators: nn.ModuleDict, data: Prepared, protocol: EvaluationProtocol, *, progress: Progress = _silent
) -> dict[str, Report]:
    """Evaluate each way in which a GAN draws; reports by its name."""
    return {
        way.name: evaluate(
            TorchGenerator(way.gan, generators), way.view(data), protocol.seen_from(way), progress=progress
        )
        for way in gan.ways()
    }


def fidelity_floor(data: Prepared, protocol: EvaluationProtocol) -> Fidelity:
    """Measure real training images in the place of generated ones."""
    return _fidelity(ImageSet.stored(data, protocol.training(data)), _held_out(data, protocol), protocol)


def mae_margin(one: Generator, other: Generator, data: Prepared, protocol: EvaluationProtocol) -> float:
    """Return by how much the MAEs of two translators must differ on the held-out images (see `difference_margin`)."""
    chosen = protocol.held_out(data)
    ours, theirs = (drawn_images(generator, data, chosen, seed=protocol.seed) for generator in (one, other))
    target, patients = gather(data, chosen).image.numpy(), data.patients[chosen]
    return difference_margin(ours, theirs, target, patients, bootstrap=protocol.bootstrap, seed=protocol.seed)


def _synthesis(
    generator: Generator, data: Prepared, protocol: EvaluationProtocol, progress: Progress
) -> SynthesisReport:
    chosen, real = protocol.held_out(data), _held_out(data, protocol)
    images = quantised(drawn_images(generator, data, chosen, seed=protocol.seed), data.levels)
    generated = ImageSet(images, labels=real.labels)
    agreed = lesion = copying = None
    if "label" in generator.inputs and (classifier := protocol.classifier) is not None:
        agreed = Agreement(generated=agreement(classifier, generated), real=agreement(classifier, real))
    if "mask" in generator.inputs and (steps := protocol.segmenter_steps):
        with progress("segmenter", steps) as done:
            lesion = judge_lesions(data, images, chosen, steps=steps, seed=protocol.seed, progress=done)
    if protocol.copying:
        with progress("copies", queries(data, len(images), len(chosen))) as done:
            copying = audit(images, chosen, data, seed=protocol.seed, done=done)
    return SynthesisReport(
        quality=_fidelity(generated, real, protocol),
        floor=_fidelity(ImageSet.stored(data, protocol.training(data)), real, protocol),
        copying=copying,
        agreement=agreed,
        lesion=lesion,
    )


def _translation(generator: Generator, data: Prepared, protocol: EvaluationProtocol) -> TranslationReport:
    chosen, embedder = protocol.held_out(data), protocol.embedder
    images, target = drawn_images(generator, data, chosen, seed=protocol.seed), gather(data, chosen).image.numpy()
    bootstrap, seed = protocol.bootstrap, protocol.seed
    scores = likeness(images, target, data.patients[chosen], bootstrap=bootstrap, seed=seed, split=protocol.split)
    if embedder is None:
        return TranslationReport(scores, _baselines(data, chosen, target))
    real, generated = _held_out(data, protocol), ImageSet(quantised(images, data.levels))
    distance = kid(embedder, generated, real, seed=seed)
    return TranslationReport(
        quality=replace(scores, kid=distance, extractor=embedder.name, digest=embedder.digest),
        baselines=_baselines(data, chosen, target),
        floor=TranslationFloor(kid(embedder, ImageSet.stored(data, protocol.training(data)), real, seed=seed)),
    )


def _baselines(data: Prepared, chosen: NDArray[np.int64], target: Images) -> dict[str, float]:
    """MAE of answers that look at nothing: the mean training image, and the source as it is, where it has its shape."""
    answers = {"mean": np.broadcast_to(data.mean(), target.shape), "source": conditions(data, chosen)["source"].numpy()}
    return {
        name: float(absolute_errors(images, target).mean())
        for name, images in answers.items()
        if images.shape == target.shape
    }


def _held_out(data: Prepared, protocol: EvaluationProtocol) -> ImageSet:
    return ImageSet.stored(data, protocol.held_out(data))


def _fidelity(images: ImageSet, real: ImageSet, protocol: EvaluationProtocol) -> Fidelity:
    split, bootstrap, seed = protocol.split, protocol.bootstrap, protocol.seed
    return measure(_embedder(protocol), images, real, split=split, bootstrap=bootstrap, seed=seed)


def _embedder(protocol: EvaluationProtocol) -> Embedder:
    if protocol.embedder is None:
        raise MedganError("sets of images are compared by features: this protocol has no embedder; name one")
    return protocol.embedder
