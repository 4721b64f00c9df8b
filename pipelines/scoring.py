"""What stages share: the extractor, the validation score, the fingerprint of a training, a champion's score."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medgan.config import Config, GanConfig, TrainConfig
from medgan.data.loader import conditions, gather
from medgan.data.store import Prepared, open_prepared
from medgan.evaluation.features import Extractor
from medgan.evaluation.fidelity import Fidelity, measure, reference, score
from medgan.fingerprint import file_digest, fingerprint
from medgan.pictures import by_class, to_uint8
from medgan.randomness import derive_seed
from medgan.runtime import OnnxGenerator
from medgan.training.drawing import GRID_COLUMNS
from medgan.training.loop import Judge
from pipelines import FEATURES, PREPARED

# These change how a training runs, not what it gives.
_WITHOUT_EFFECT = {"restart", "checkpoint_every", "init_from"}
# Enough for a mean; more would cost the discriminator's time at each evaluation.
_HELD_OUT = 500


def load_extractor() -> Extractor:
    return Extractor.load(FEATURES / "extractor.safetensors")


def validation_judge(prepared: Prepared, extractor: Extractor, n: int, seed: int) -> Judge:
    """FID against n validation images, generated under their conditions, as far as the networks look at them."""
    chosen = prepared.take("validation", n, derive_seed(seed, "judge"))
    real = reference(extractor, prepared.pictures(chosen), split="validation")
    return Judge(
        n,
        conditions(prepared, chosen),
        lambda images: score(extractor, to_uint8(images), real),
        conditions(prepared, shown(prepared, "validation")),
        gather(prepared, chosen[:_HELD_OUT]),
    )


def shown(prepared: Prepared, split: str) -> NDArray[np.int64]:
    """Images that stand for a split in pictures: a row a class, or four rows."""
    classes = len(prepared.label_names)
    return np.array(by_class(prepared.labels, prepared.splits == split, classes=classes, columns=GRID_COLUMNS))


def training_fingerprint(
    gan: GanConfig, train: TrainConfig, seed: int, prepared: Prepared, extractor: Extractor
) -> str:
    """Of everything that decides a training's result but the code, which a checkpoint checks for itself."""
    return fingerprint(
        {
            "gan": gan.model_dump(mode="json"),
            "train": train.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
            "seed": seed,
            "init": file_digest(train.init_from),
            "data": prepared.md5,
            "extractor": extractor.digest,
        }
    )


def trial_training(config: Config) -> TrainConfig:
    """A trial's budget: that of the search, on the machine settings of train."""
    search = config.search
    return config.train.model_copy(
        update={
            "steps": search.steps,
            "evaluations": search.evaluations,
            "n": search.n,
            "checkpoint_every": max(1, search.steps // search.evaluations),
            "restart": False,
        }
    )


def score_onnx(path: Path, config: Config) -> Fidelity | str:
    """A champion's figures under today's protocol (test images, extractor, n, labels), or why it has none."""
    prepared, extractor, n = open_prepared(PREPARED), load_extractor(), config.evaluate.n
    test = prepared.take("test", n, derive_seed(config.seed, "evaluate"))
    generator, spec = OnnxGenerator(path), prepared.spec
    if generator.image_shape != (spec.channels, spec.size, spec.size):
        return f"the champion draws {generator.image_shape}, this data has {spec}; give it another data.name"
    if generator.conditional and generator.label_names != prepared.label_names:
        return f"the champion draws the classes {', '.join(generator.label_names)}; give this data another data.name"
    given = {name: tensor.numpy() for name, tensor in conditions(prepared, test).items()}
    if missing := generator.inputs.keys() - given.keys() - {"z"}:
        return f"the champion needs {', '.join(sorted(missing))}, which this data has not; give it another data.name"
    labels, masks = (given.get(name) if name in generator.inputs else None for name in ("label", "mask"))
    drawn = to_uint8(generator.draw(n, seed=derive_seed(config.seed, "test"), labels=labels, masks=masks))
    real = reference(extractor, prepared.pictures(test), split="test")
    return measure(extractor, drawn, real, bootstrap=config.evaluate.bootstrap, seed=config.seed)
