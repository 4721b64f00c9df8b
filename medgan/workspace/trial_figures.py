"""What a search measures of a trial that has ended, by the names of `search.metrics` and `search.constraints`."""

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np

from medgan.config.schema import Config
from medgan.config.search import Figure
from medgan.data.loader import conditions
from medgan.data.store import Prepared
from medgan.evaluation.copying.audit import audit
from medgan.export.onnx_file import export
from medgan.gans.drawing import generate
from medgan.imaging.arrays import quantised
from medgan.runtime.generator import OnnxGenerator
from medgan.scores.extractor import Extractor
from medgan.scores.validation import validation_judge
from medgan.search.objective import trial_training
from medgan.training.loop import Trained

_WARMING, _TIMED = 5, 30  # images

Measure = Callable[[Trained], float]


def trial_figures(config: Config, prepared: Prepared, extractor: Extractor) -> dict[str, Measure]:
    """Measures of `search.figures`; scores and copies are of validation images."""
    others = [name for name in config.search.figures if name not in get_args(Figure)]
    own: dict[str, Measure] = {
        "train_seconds": _train_seconds,
        "parameters": lambda trained: float(sum(tensor.numel() for tensor in trained.generators.parameters())),
        "latency_ms": _latency,
        "copies": lambda trained: _copies(trained, config, prepared),
    }
    return own | {name: _score(name, config, prepared, extractor) for name in others}


def _train_seconds(trained: Trained) -> float:
    """Steps times the median seconds of one, without evaluations: a stop on the way does not count."""
    points = [(row["step"], row["time"]) for row in trained.rows if "validation/raw" not in row]
    each = [(later - earlier) / (b - a) for (a, earlier), (b, later) in pairwise(points) if b > a]
    return statistics.median(each) * points[-1][0] if each else float("nan")


def _latency(trained: Trained) -> float:
    """Median milliseconds of onnxruntime for one image, on one thread."""
    with TemporaryDirectory() as folder:
        exported = export(trained.gan, trained.generators, Path(folder), {"label_names": "[]", "name": "trial"})
        generator = OnnxGenerator(exported.path, threads=1)
        with np.load(exported.path.with_name("golden.npz")) as golden:
            inputs = {name: golden[name][:1] for name in trained.gan.inputs}
        spent = []
        for _ in range(_WARMING + _TIMED):
            before = time.perf_counter()
            generator.run(**inputs)
            spent.append(time.perf_counter() - before)
    return 1000 * statistics.median(spent[_WARMING:])


def _copies(trained: Trained, config: Config, prepared: Prepared) -> float:
    """Share of drawn images that copy a training image, as the audit of the report finds it."""
    chosen = prepared.take("validation", config.search.n, config.seed)
    drawn = generate(trained.gan, trained.generators, len(chosen), conditions(prepared, chosen), seed=config.seed)
    return audit(quantised(drawn, prepared.levels), chosen, prepared, seed=config.seed).found.share


def _score(name: str, config: Config, prepared: Prepared, extractor: Extractor) -> Measure:
    training = trial_training(config).model_copy(update={"score": name})
    judge = validation_judge(config.gan, training, prepared, extractor, seed=config.seed)

    def measure(trained: Trained) -> float:
        drawn = generate(trained.gan, trained.generators, judge.n, judge.conditions, seed=config.seed)
        return judge.score(drawn)

    return measure
