"""What evaluate and register measure on test images, of systems that draw from noise and of those that translate."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medgan.config import Config
from medgan.console import progress
from medgan.data.loader import conditions, gather
from medgan.data.store import Prepared, open_prepared
from medgan.evaluation.copying import copied_share
from medgan.evaluation.features import Extractor
from medgan.evaluation.fidelity import Fidelity, Reference, agreement, kid, measure, reference
from medgan.evaluation.lesions import judge_lesions
from medgan.evaluation.paired import Likeness, mae_interval, published, standard
from medgan.gans.base import Gan
from medgan.pictures import to_uint8
from medgan.randomness import derive_seed
from medgan.runtime import OnnxGenerator
from medgan.training.drawing import generate
from pipelines import PREPARED
from pipelines.scoring import load_extractor


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
    """quality, and what answers that look at nothing reach: the mean training image, and the source as it is.

    extractor: None where it knows other images than these; there is no KID then. floor: KID of real training images.
    """
    test = test_images(prepared, config)
    drawn = generate(gan, generators, len(test), conditions(prepared, test), seed=0)
    target = gather(prepared, test).image.numpy()
    mean = gather(prepared, prepared.learnable()).image.numpy().mean(axis=0)
    baselines = {"mean": published(np.broadcast_to(mean, target.shape), target).mae}
    source = conditions(prepared, test)["source"].numpy()
    if source.shape == target.shape:
        baselines["source"] = published(source, target).mae
    metrics: dict[str, Any] = {
        "quality": asdict(_likeness(config, extractor, drawn, prepared, test)),
        "baselines": baselines,
    }
    if extractor is not None:
        real = reference(extractor, prepared.pictures(test), split="test")
        train = prepared.pictures(_floor_images(prepared, config))
        metrics["floor"] = {"kid": kid(extractor, train, real, seed=config.seed)}
    return metrics


def score_onnx(path: Path, config: Config, *, reverse: bool) -> dict[str, Any] | str:
    """A champion's quality under today's protocol (test images, extractor, n, labels), or why it has none.

    reverse: of what translates images back into sources.
    """
    prepared, extractor = open_prepared(PREPARED), load_extractor()
    if reverse:
        prepared = prepared.reversed()
    test, generator, spec = test_images(prepared, config), OnnxGenerator(path), prepared.spec
    if generator.image_shape != (spec.channels, spec.size, spec.size):
        return f"the champion draws {generator.image_shape}, this data has {spec}; give it another data.name"
    if generator.conditional and generator.label_names != prepared.label_names:
        return f"the champion draws the classes {', '.join(generator.label_names)}; give this data another data.name"
    given = {name: tensor.numpy() for name, tensor in conditions(prepared, test).items()}
    if missing := generator.inputs.keys() - given.keys() - {"z"}:
        return f"the champion needs {', '.join(sorted(missing))}, which this data has not; give it another data.name"
    if "source" in generator.inputs:
        if generator.metadata.get("direction") != prepared.direction:
            return f"the champion translates {generator.metadata.get('direction')}; give it another data.name"
        drawn = generator.translate(given["source"])
        return asdict(_likeness(config, None if reverse else extractor, drawn, prepared, test))
    labels, masks = (given.get(name) if name in generator.inputs else None for name in ("label", "mask"))
    drawn = generator.draw(len(test), seed=derive_seed(config.seed, "test"), labels=labels, masks=masks)
    return asdict(
        _fidelity(config, extractor, to_uint8(drawn), reference(extractor, prepared.pictures(test), split="test"))
    )


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
    patients = prepared.patients[test]
    near = published(drawn, target)
    interval = mae_interval(drawn, target, patients, bootstrap=bootstrap, seed=config.seed)
    distance = None
    if extractor is not None:
        real = reference(extractor, prepared.pictures(test), split="test")
        distance = kid(extractor, to_uint8(drawn), real, seed=config.seed)
    return Likeness(
        mae=near.mae,
        mae_low=interval[0],
        mae_high=interval[1],
        psnr=near.psnr,
        ssim=near.ssim,
        standard=standard(drawn, target),
        kid=distance,
        extractor=extractor.name if extractor else "none",
        digest=extractor.digest if extractor else "none",
        n=len(test),
        split="test",
    )
