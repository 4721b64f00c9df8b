"""What evaluate and register measure on test images, of systems that draw from noise and of those that translate."""

from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medgan.config.schema import Config
from medgan.console import progress
from medgan.data.loader import conditions, gather
from medgan.data.store import Prepared, open_prepared
from medgan.evaluation.copying import copied_share
from medgan.evaluation.lesions import judge_lesions
from medgan.gans.base import Gan
from medgan.gans.drawing import generate
from medgan.imaging.arrays import to_uint8
from medgan.randomness import derive_seed
from medgan.runtime.generator import OnnxGenerator
from medgan.scores.features import Extractor
from medgan.scores.fidelity import Fidelity, Reference, agreement, check_comparable, kid, measure, reference
from medgan.scores.paired import DIRECTIONS, Likeness, absolute_errors, difference_margin, likeness
from medgan.workspace.places import EXTRACTOR, PREPARED


def test_images(prepared: Prepared, config: Config) -> NDArray[np.int64]:
    return prepared.take("test", config.evaluate.n, derive_seed(config.seed, "evaluate"))


def synthesis_metrics(
    config: Config, prepared: Prepared, extractor: Extractor, gan: Gan, generators: nn.ModuleDict
) -> dict[str, Any]:
    """quality, the floor of real training images, copied; agreement with labels and lesions with masks."""
    test, floor = test_images(prepared, config), prepared.pictures(_floor_images(prepared, config))
    given = conditions(prepared, test)
    drawn = to_uint8(generate(gan, generators, len(test), given, seed=derive_seed(config.seed, "test")))
    real = reference(extractor, prepared.pictures(test), split="test")
    train_features = extractor.features(prepared.pictures(prepared.indices("train")))
    metrics: dict[str, Any] = {
        "quality": asdict(_fidelity(config, extractor, drawn, real)),
        "floor": asdict(_fidelity(config, extractor, floor, real)),
        "copied": copied_share(extractor.features(drawn), real.features, train_features),
    }
    if prepared.labels is not None and gan.spec.classes:
        labels = np.asarray(prepared.labels[test])
        metrics["agreement"] = {
            "generated": agreement(extractor, drawn, labels),
            "real": agreement(extractor, prepared.pictures(test), labels),
        }
    if "mask" in gan.inputs:
        steps = config.evaluate.segmenter_steps
        with progress("segmenter", steps) as done:
            metrics["lesion"] = judge_lesions(prepared, drawn, test, steps=steps, seed=config.seed, progress=done)
    return metrics


def translation_metrics(
    config: Config, prepared: Prepared, extractor: Extractor | None, gan: Gan, generators: nn.ModuleDict
) -> dict[str, Any]:
    """quality, which way each score gets better, and the MAE of answers that look at nothing.

    baselines: the mean training image, and the source as it is.
    extractor: None where it knows other images than these; there is no KID then. floor: KID of real training images.
    """
    test = test_images(prepared, config)
    target, given = gather(prepared, test).image.numpy(), conditions(prepared, test)
    mean = np.broadcast_to(prepared.mean(), target.shape)
    baselines = {"mean": float(absolute_errors(mean, target).mean())}
    if given["source"].shape == target.shape:
        baselines["source"] = float(absolute_errors(given["source"].numpy(), target).mean())
    drawn = generate(gan, generators, len(test), given, seed=0)
    metrics: dict[str, Any] = {
        "quality": asdict(_likeness(config, extractor, drawn, prepared, test)),
        "baselines": baselines,
        "better": {**DIRECTIONS, "kid": "lower"},
    }
    if extractor is not None:
        real = reference(extractor, prepared.pictures(test), split="test")
        train = prepared.pictures(_floor_images(prepared, config))
        metrics["floor"] = {"kid": kid(extractor, train, real, seed=config.seed)}
    return metrics


def against(
    champion: Path, challenger: Path, quality: dict[str, Any], config: Config, *, reverse: bool
) -> tuple[dict[str, Any] | str, float | None]:
    """The champion's quality, or why it has none; and where pairs decide, by how much the two must differ."""
    rival = score_onnx(champion, config, reverse=reverse)
    if isinstance(rival, str):
        return rival, None
    check_comparable(quality, rival)
    return rival, translation_margin(challenger, champion, config, reverse=reverse) if "mae" in quality else None


def score_onnx(path: Path, config: Config, *, reverse: bool) -> dict[str, Any] | str:
    """A champion's quality under today's protocol (test images, extractor, n, labels), or why it has none.

    reverse: of what translates images back into sources.
    """
    prepared, extractor, generator = _of(reverse), Extractor.load(EXTRACTOR), OnnxGenerator(path)
    test = test_images(prepared, config)
    given = {name: tensor.numpy() for name, tensor in conditions(prepared, test).items()}
    if (obstacle := _obstacle(generator, prepared, given.keys())) is not None:
        return obstacle
    if "source" in generator.inputs:
        drawn = generator.translate(given["source"])
        return asdict(_likeness(config, None if reverse else extractor, drawn, prepared, test))
    labels, masks = (given.get(name) if name in generator.inputs else None for name in ("label", "mask"))
    drawn = generator.draw(len(test), seed=derive_seed(config.seed, "test"), labels=labels, masks=masks)
    real = reference(extractor, prepared.pictures(test), split="test")
    return asdict(_fidelity(config, extractor, to_uint8(drawn), real))


def translation_margin(one: Path, other: Path, config: Config, *, reverse: bool) -> float:
    """By how much the MAEs of two exported translators must differ on the test images (see `difference_margin`)."""
    prepared = _of(reverse)
    test = test_images(prepared, config)
    source, target = conditions(prepared, test)["source"].numpy(), gather(prepared, test).image.numpy()
    here, there = (OnnxGenerator(path).translate(source) for path in (one, other))
    patients, bootstrap = prepared.patients[test], config.evaluate.bootstrap
    return difference_margin(here, there, target, patients, bootstrap=bootstrap, seed=config.seed)


def _obstacle(generator: OnnxGenerator, prepared: Prepared, given: Collection[str]) -> str | None:
    """Why a champion cannot be scored on these data."""
    spec, metadata = prepared.spec, generator.metadata
    missing = generator.inputs.keys() - set(given) - {"z"}
    found = (
        (
            generator.image_shape != (spec.channels, spec.size, spec.size),
            f"draws images {generator.image_shape} and these are {(spec.channels, spec.size, spec.size)}",
        ),
        (
            generator.conditional and generator.label_names != prepared.label_names,
            f"draws the classes {', '.join(generator.label_names)}",
        ),
        (bool(missing), f"needs {', '.join(sorted(missing))}, which these data have not"),
        (
            "source" in generator.inputs and metadata.get("direction") != prepared.direction,
            f"translates {metadata.get('direction')}",
        ),
        (
            metadata.get("data_md5") != prepared.md5,
            "learnt from other data or another split, which may hold today's test images",
        ),
    )
    return next((f"the champion {what}; give these data another data.name" for holds, what in found if holds), None)


def _of(reverse: bool) -> Prepared:
    prepared = open_prepared(PREPARED)
    return prepared.reversed() if reverse else prepared


def _floor_images(prepared: Prepared, config: Config) -> NDArray[np.int64]:
    return prepared.take("train", config.evaluate.n, derive_seed(config.seed, "floor"))


def _fidelity(config: Config, extractor: Extractor, images: NDArray[np.uint8], real: Reference) -> Fidelity:
    return measure(extractor, images, real, bootstrap=config.evaluate.bootstrap, seed=config.seed)


def _likeness(
    config: Config,
    extractor: Extractor | None,
    drawn: NDArray[np.float32],
    prepared: Prepared,
    test: NDArray[np.int64],
) -> Likeness:
    target, bootstrap = gather(prepared, test).image.numpy(), config.evaluate.bootstrap
    found = likeness(drawn, target, prepared.patients[test], bootstrap=bootstrap, seed=config.seed, split="test")
    if extractor is None:
        return found
    real = reference(extractor, prepared.pictures(test), split="test")
    distance = kid(extractor, to_uint8(drawn), real, seed=config.seed)
    return replace(found, kid=distance, extractor=extractor.name, digest=extractor.digest)
