"""The one place where generators are judged, whoever asks: stages, registry and benchmarks."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medgan.data.loader import conditions, gather
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.evaluation.comparison import compare
from medgan.evaluation.copying.audit import audit, queries
from medgan.evaluation.copying.picture import closest_pairs
from medgan.evaluation.generators import Generator, TorchGenerator, drawn_images
from medgan.evaluation.lesions import judge_lesions
from medgan.evaluation.opinions import opinions
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import Agreement, Report, SynthesisReport, TranslationFloor, TranslationReport
from medgan.evaluation.two_sample import TwoSamples
from medgan.evaluation.watching import Progress, Show, silent, unseen
from medgan.gans.base import Gan, Way
from medgan.imaging.arrays import Images, quantised
from medgan.scores.fidelity import agreement, inception_score, kid, margin_between, measure
from medgan.scores.figures import Fidelity
from medgan.scores.images import Embedder, ImageSet
from medgan.scores.paired import absolute_errors, difference_margin, likeness
from medgan.scores.unpaired import pair_figures


def evaluate(
    generator: Generator,
    data: Prepared,
    protocol: EvaluationProtocol,
    *,
    progress: Progress = silent,
    show: Show = unseen,
) -> Report:
    """Draw under the conditions of the held-out images and judge what comes of it.

    A generator that takes sources is judged by pairs where there are any, and else as a set of images, as any other
    one. Each set of images passes the embedder once. progress: shows trainings of judges, such as that of the judge of
    masks (`medgan.console.progress`).
    show: is given images that are worth a look.
    Raises MedganError where the data lack what the generator draws from, or have fewer images than the protocol wants.
    """
    if "source" in generator.inputs and data.paired:
        return _translation(generator, data, protocol)
    return _synthesis(generator, data, protocol, progress, show)


def evaluate_ways(
    gan: Gan,
    generators: nn.ModuleDict,
    data: Prepared,
    protocol: EvaluationProtocol,
    *,
    progress: Progress = silent,
    show: Show = unseen,
) -> dict[str, Report]:
    """Evaluate each way in which a GAN draws; reports by its name, which ends the names of its pictures too."""

    def shown_of(way: Way) -> Show:
        return lambda name, rows: show(f"{name}{way.suffix}", rows)

    return {
        way.name: evaluate(
            TorchGenerator(way.gan, generators),
            way.view(data),
            protocol.seen_from(way, data),
            progress=progress,
            show=shown_of(way),
        )
        for way in gan.ways()
    }


def fidelity_floor(data: Prepared, protocol: EvaluationProtocol) -> Fidelity:
    """Measure real training images in the place of those of a generator that takes what it can."""
    real, train = _held_out(data, protocol), ImageSet.stored(data, protocol.training(data))
    return _fidelity(train, train, real, data, protocol)


def mae_margin(one: Generator, other: Generator, data: Prepared, protocol: EvaluationProtocol) -> float:
    """Return by how much the MAEs of two translators must differ on the held-out images (see `difference_margin`)."""
    chosen = protocol.held_out(data)
    ours, theirs = (drawn_images(generator, data, chosen, seed=protocol.seed) for generator in (one, other))
    target, patients = gather(data, chosen).image.numpy(), data.patients[chosen]
    return difference_margin(ours, theirs, target, patients, bootstrap=protocol.bootstrap, seed=protocol.seed)


def fid_margin(one: Generator, other: Generator, data: Prepared, protocol: EvaluationProtocol) -> float:
    """Return by how much the FIDs of two generators must differ on the held-out images (see `margin_between`)."""
    chosen = protocol.held_out(data)
    asked = data if _are_told(one, other) else replace(data, labels=None)
    real, embedder = ImageSet.stored(asked, chosen), _embedder(protocol)
    ours, theirs = (
        ImageSet(quantised(drawn_images(generator, data, chosen, seed=protocol.seed), data.levels), labels=real.labels)
        for generator in (one, other)
    )
    names = data.label_names if protocol.by_class else ()
    resamples, seed = protocol.bootstrap, protocol.seed
    return margin_between(embedder, ours, theirs, real, names=names, resamples=resamples, seed=seed)


def _are_told(*generators: Generator) -> bool:
    """Whether all of these generators are told the class; what is drawn otherwise is of no class that was asked for."""
    return all("label" in generator.inputs for generator in generators)


def _synthesis(
    generator: Generator, data: Prepared, protocol: EvaluationProtocol, progress: Progress, show: Show
) -> SynthesisReport:
    chosen, training = protocol.held_out(data), protocol.training(data)
    asked = data if _are_told(generator) else replace(data, labels=None)
    real, trained_on, embedder = ImageSet.stored(asked, chosen), ImageSet.stored(asked, training), _embedder(protocol)
    images = quantised(drawn_images(generator, data, chosen, seed=protocol.seed), data.levels)
    generated = ImageSet(images, labels=real.labels)
    agreed = inception = lesion = copying = None
    if real.labels is not None and (classifier := protocol.classifier) is not None:
        agreed = Agreement(generated=agreement(classifier, generated), real=agreement(classifier, real))
        scores = [inception_score(classifier, images, seed=protocol.seed) for images in (generated, real)]
        inception = Agreement(generated=scores[0], real=scores[1])
    if "mask" in generator.inputs and (steps := protocol.segmenter_steps):
        with progress("segmenter", steps) as done:
            lesion = judge_lesions(data, images, chosen, steps=steps, seed=protocol.seed, progress=done)
    if protocol.copying:
        with progress("copies", queries(data, len(images), len(chosen))) as done:
            copying = audit(images, chosen, data, seed=protocol.seed, done=done)
        show("closest", closest_pairs(copying, images, data))
    pairs = two_sample = None
    if protocol.companions:
        pairs = pair_figures(embedder, generated, trained_on, real, seed=protocol.seed)
        two_sample = _two_samples(generated, trained_on, real, data, protocol, progress, show)
    return SynthesisReport(
        quality=_fidelity(generated, trained_on, real, asked, protocol),
        floor=_fidelity(trained_on, trained_on, real, asked, protocol),
        copying=copying,
        agreement=agreed,
        inception=inception,
        lesion=lesion,
        pairs=pairs,
        two_sample=two_sample,
        opinions=opinions(
            protocol.others,
            generated,
            trained_on,
            real,
            split=protocol.split,
            resamples=protocol.bootstrap,
            seed=protocol.seed,
            progress=progress,
        ),
    )


def _two_samples(  # noqa: PLR0917 (what `_synthesis` has)
    generated: ImageSet,
    trained_on: ImageSet,
    real: ImageSet,
    data: Prepared,
    protocol: EvaluationProtocol,
    progress: Progress,
    show: Show,
) -> TwoSamples:
    return compare(
        generated,
        trained_on,
        real,
        names=data.label_names,
        embedder=_embedder(protocol),
        steps=protocol.told_apart_steps,
        seed=protocol.seed,
        progress=progress,
        show=show,
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


def _fidelity(
    images: ImageSet, trained_on: ImageSet, real: ImageSet, data: Prepared, protocol: EvaluationProtocol
) -> Fidelity:
    return measure(
        _embedder(protocol),
        images,
        real,
        alike=trained_on,
        names=data.label_names if protocol.by_class else (),
        split=protocol.split,
        resamples=protocol.bootstrap,
        seed=protocol.seed,
    )


def _embedder(protocol: EvaluationProtocol) -> Embedder:
    if protocol.embedder is None:
        raise MedganError("sets of images are compared by features: this protocol has no embedder; name one")
    return protocol.embedder
