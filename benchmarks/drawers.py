"""Generators that have seen some real images alone, what they draw, and how good it is: each kept when it is done."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import judging
from benchmarks.judging import Subject, row_identity
from medgan.config.schema import Config
from medgan.console import progress
from medgan.data.store import Prepared
from medgan.device import resolve_threads, use_cpu
from medgan.evaluation.evaluate import evaluate
from medgan.evaluation.generators import TorchGenerator
from medgan.evaluation.report import SynthesisReport
from medgan.files import write_atomically
from medgan.fingerprint import code_digest, fingerprint
from medgan.gans.drawing import generate
from medgan.scores.classifying import Labelled
from medgan.scores.learning import extractor_of
from medgan.scores.validation import validation_judge
from medgan.seeds import derive_seed, numpy_generator
from medgan.training.loop import fit
from medgan.usefulness.material import labelled, pool
from medgan.usefulness.regimes import Regime, candidates
from medgan.usefulness.running import on_cores
from medgan.usefulness.study import Pool

_HALF = 127.5  # of 8 bits
_SHARE = 0.8  # of a class, at most, that one seed learns from; with all of it no two seeds would differ


@dataclass(frozen=True)
class Quality:
    """Of a generator on test images, by the judges of all real training images.

    validation_fid, validation_utility: what a search sees of it: on validation images, by an extractor that has learnt
    from its own training images.
    """

    validation_fid: float
    validation_utility: float
    fid: float
    precision: float
    recall: float
    density: float
    coverage: float
    told_apart: float
    passing: float
    agreement: float
    copied: float


@dataclass(frozen=True)
class Drawer:
    """A generator that learns from so many real images of each class; seed: of which ones, and of its training."""

    config: Config
    images: int
    seed: int

    def learn(self, subject: Subject, ratios: Sequence[float], *, level: bool, looks: int) -> tuple[Pool, Quality]:
        """Train it, or find what it drew: the images that it has seen, and those that it drew for all candidates."""
        use_cpu(1)
        data = subset(subject.prepared, self.images, self.seed)
        real = labelled(data, data.indices("train"))
        regimes = candidates(ratios, np.bincount(real.labels), level=level)
        folder = judging.WORK / "drawers" / self._key(subject, regimes, looks)
        if not (folder / "quality.json").exists():
            made, figures = self._made(data, subject, regimes, looks, folder / "training")
            folder.mkdir(parents=True, exist_ok=True)
            codes = np.rint((made.drawn.images[:] + 1) * _HALF).astype(np.uint8)
            np.savez(folder / "drawn.npz", codes=codes, labels=made.drawn.labels)
            write_atomically(folder / "quality.json", json.dumps(asdict(figures)).encode())
            shutil.rmtree(folder / "training")
        with np.load(folder / "drawn.npz") as saved:
            drawn = Labelled(saved["codes"].astype(np.float32) / np.float32(_HALF) - 1, saved["labels"])
        real = labelled(data, data.indices("train"))
        return Pool(Labelled(real.images[:], real.labels), drawn), Quality(
            **json.loads((folder / "quality.json").read_text())
        )

    def _key(self, subject: Subject, regimes: list[Regime], looks: int) -> str:
        parts: dict[str, Any] = {"row": row_identity(self.config, subject), "images": self.images, "seed": self.seed}
        parts["code"] = code_digest(["medgan.usefulness.material"])
        return fingerprint({**parts, "regimes": [asdict(regime) for regime in regimes], "looks": looks})

    def _made(
        self, data: Prepared, subject: Subject, regimes: list[Regime], looks: int, folder: Path
    ) -> tuple[Pool, Quality]:
        config, seed = self.config, derive_seed(self.seed, "drawer", self.images)
        extractor = extractor_of(data, config.features, seed=seed)
        judge = validation_judge(config.gan, config.train, data, extractor, seed=seed)
        trained = fit(config.gan, config.train, data, seed=seed, judge=judge, directory=folder)
        useful = validation_judge(
            config.gan, config.train.model_copy(update={"score": "utility"}), data, extractor, seed=seed
        )
        drawn = generate(trained.gan, trained.generators, useful.n, useful.conditions, seed=seed)
        generator = TorchGenerator(trained.gan, trained.generators)
        report = evaluate(generator, subject.prepared, subject.protocol(config))
        assert isinstance(report, SynthesisReport) and report.two_sample and report.agreement and report.copying
        told = report.two_sample.generated.told_apart
        assert told and told.overall.accuracy and told.overall.passing
        figures = {
            name: getattr(report.quality, name) for name in ("fid", "precision", "recall", "density", "coverage")
        }
        quality = Quality(
            validation_fid=trained.best.score,
            validation_utility=useful.score(drawn),
            **figures,
            told_apart=told.overall.accuracy.value,
            passing=told.overall.passing.value,
            agreement=report.agreement.generated,
            copied=report.copying.found.share,
        )
        return pool(generator, data, data.indices("train"), regimes, looks=looks, seed=seed), quality


def learn_all(
    drawers: Sequence[Drawer], subject: Subject, plan: tuple[Sequence[float], bool, int], *, title: str
) -> list[tuple[Pool, Quality]]:
    """As many at a time as there are cores. plan: `ratios`, `level` and `looks` of `Drawer.learn`."""
    ratios, level, looks = plan
    learn = [partial(each.learn, subject, ratios, level=level, looks=looks) for each in drawers]
    with progress(title, len(drawers)) as done:
        return list(on_cores(dict(enumerate(learn)), processes=resolve_threads("auto"), progress=done).values())


def subset(data: Prepared, images: int, seed: int) -> Prepared:
    """The same data with so many training images of each class, or most of them, patient by patient.

    All others that might be learnt from are in no split.
    """
    splits: NDArray[np.str_] = np.where(np.isin(data.splits, ("validation", "test")), data.splits, "")
    kept = [of_class[: min(images, round(_SHARE * len(of_class)))] for of_class in by_patient(data, seed)]
    splits[np.concatenate(kept)] = "train"
    return replace(data, splits=splits)


def shared(data: Prepared, images: int, seeds: int) -> float:
    """Which share of their training images two subsets have in common, in the mean."""
    found = [set(subset(data, images, seed).indices("train").tolist()) for seed in range(seeds)]
    return float(np.mean([len(one & other) / len(one) for one, other in combinations(found, 2)]))


def by_patient(data: Prepared, seed: int) -> list[NDArray[np.int64]]:
    """Indices of the training images of each class, those of one patient one after the other, patients shuffled."""
    assert data.labels is not None
    rng, indices = numpy_generator(seed, "subset"), data.indices("train")
    place = rng.permutation(int(data.patients.max()) + 1)[data.patients[indices]]
    shuffled = indices[np.argsort(place, kind="stable")]
    return [shuffled[data.labels[shuffled] == kind] for kind in range(data.spec.classes)]
