"""Whom the audit of copies catches: copies hidden in each way, alone and among honest images -> results/copyists.md.

    python -m benchmarks.copyists           # some 15 minutes; real data that are not at hand are left out

Real images that no training saw are halved at random, patients never in both: one half sets the thresholds, the other
one is the set under audit, as it is, or with copies of training images in the place of a tenth or of all of them.
Then two generators of phantoms, one of which has seen 100 images very often, are audited as any other one is. Rows and
trainings are kept: one that was stopped goes on.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.judging import prepared
from benchmarks.keeping import kept
from benchmarks.overtrained import GENERATORS, Overtrained, overtrained
from benchmarks.overtrained import table as table_of_generators
from benchmarks.real_data import CHILDREN, configured
from benchmarks.tables import save
from medgan.console import progress
from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.device import use_cpu
from medgan.evaluation.copying.audit import audit, queries
from medgan.evaluation.copying.counting import alarm
from medgan.evaluation.copying.halving import Scored, halves
from medgan.evaluation.copying.matching import Library
from medgan.evaluation.copying.planted import WAYS
from medgan.fingerprint import code_digest
from medgan.imaging.arrays import quantised
from medgan.seeds import numpy_generator

PLANTED = 1000
RESAMPLINGS = 50

# Some 3,200 images that no training sees: of 128 patients, and of 48.
_HALF = {"data.options.count": 6400, "data.validation": 0.1, "data.test": 0.4}

# By name: a recipe, what its data are replaced by, and how many held-out images there are, None for all. data.raw is a
# name of real data.
SETS: Mapping[str, tuple[str, dict[str, Any], int | None]] = {
    "phantoms 32 px": ("default", {}, None),
    "phantoms 32 px, few": ("default", {}, 200),
    "phantoms 32 px, 25 slices a patient": ("default", {**_HALF, "data.options.slices": 25}, None),
    "phantoms 32 px, 64 slices a patient": ("default", {**_HALF, "data.options.slices": 64}, None),
    "Medical MNIST 64 px": ("medical-mnist", {"data.raw": "medical-mnist"}, None),
    "chest X-rays 128 px": (
        "default",
        {
            "data.source": "folder",
            "data.raw": "chest-xray",
            "data.size": 128,
            "data.test": 0.3,
            "data.options": {"patient": CHILDREN},
        },
        None,
    ),
    "skin lesions 64 px, colour, no classes": (
        "default",
        {
            "data.source": "folder",
            "data.raw": "isic2017",
            "data.size": 64,
            "data.channels": 3,
            "data.labels": False,
            "data.test": 0.3,
            "data.options": {},
            "gan.conditional": False,
        },
        None,
    ),
}


@dataclass(frozen=True)
class Caught:
    """Of one data set. n: images a side. false_alarms: honest sets with an alarm.

    power: share of copies found, by the way of hiding; alone, mixed: sets caught of RESAMPLINGS. seconds: of one audit
    of `audited` images on one thread.
    """

    name: str
    train: int
    n: int
    honest: int
    power: Mapping[str, float]
    alone: Mapping[str, int]
    mixed: Mapping[str, int]
    audited: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    use_cpu(1)
    rows = []
    for name, (recipe, changes, most) in SETS.items():
        config = configured(recipe, changes)
        if config is not None:
            rows.append(_kept(name, prepared(config), most))
            print("\n".join(_table(rows[-1])), flush=True)
    generators = [overtrained(name) for name in GENERATORS]
    figures = {"sets": [asdict(row) for row in rows], "generators": [asdict(row) for row in generators]}
    save("copyists", figures, _lines(rows, generators))


def _kept(name: str, data: Prepared, most: int | None) -> Caught:
    parts = {"data": data.md5, "most": most, "sets": [PLANTED, RESAMPLINGS]}
    parts["code"] = code_digest(["medgan.evaluation.copying.audit"])
    return Caught(
        **{**kept("copyists", parts, lambda: asdict(caught(name, data, _held_out(data, most)))), "name": name}
    )


def _held_out(data: Prepared, most: int | None) -> NDArray[np.int64]:
    """Nothing is trained here, so validation images are as good as test images."""
    indices = np.concatenate([data.indices("validation"), data.indices("test")])
    return np.sort(numpy_generator(0, "held out").permutation(indices)[:most])


@torch.no_grad()
def caught(name: str, data: Prepared, held_out: NDArray[np.int64]) -> Caught:
    learnt = data.indices("train")
    labels = data.labels[learnt] if data.labels is not None else np.zeros(len(learnt), np.int64)
    library, rng = Library(StoredImages(data, learnt)), numpy_generator(0, "copyists")
    sources = StoredImages(data, np.sort(rng.permutation(learnt)[:PLANTED]))[:]
    copies: dict[str, Scored] = {}
    with progress(name, len(held_out) + len(WAYS) * len(sources)) as done:
        honest = _scores(library, StoredImages(data, held_out), labels)
        for way, hide in WAYS.items():
            done(len(held_out) + len(copies) * len(sources))
            copies[way] = _scores(library, quantised(hide(sources, rng), data.levels), labels)
    alarms, power, alone, mixed = _resampled(honest, copies, data.patients[held_out], max(1, len(data.label_names)))
    audited, seconds = _timed(data, held_out)
    return Caught(name, len(learnt), len(held_out) // 2, alarms, power, alone, mixed, audited, seconds)


def _resampled(
    honest: Scored, copies: Mapping[str, Scored], patients: NDArray[np.int64], kinds: int
) -> tuple[int, dict[str, float], dict[str, int], dict[str, int]]:
    """Return what `Caught` names honest, power, alone and mixed."""
    alarms, power = 0, dict[str, list[float]]((way, []) for way in copies)
    alone, mixed = dict.fromkeys(copies, 0), dict.fromkeys(copies, 0)
    for half in halves(honest, patients, kinds, times=RESAMPLINGS, seed=0):
        alarms += alarm(half.honest.counted(half.thresholds))
        for way, hidden in copies.items():
            whole = hidden[half.rng.permutation(len(hidden))[: len(half.honest)]]
            power[way].append(whole.below(half.thresholds))
            alone[way] += alarm(whole.counted(half.thresholds))
            mixed[way] += alarm(half.mixed(hidden).counted(half.thresholds))
    return alarms, {way: float(np.mean(shares)) for way, shares in power.items()}, alone, mixed


def _scores(library: Library, images: Any, labels: NDArray[np.int64]) -> Scored:
    matches = library.match(images)
    return Scored(matches.score, labels[matches.index])


def _timed(data: Prepared, held_out: NDArray[np.int64]) -> tuple[int, float]:
    """How many images were looked at as drawn ones, and the CPU seconds of their audit."""
    count = min(5000, len(held_out) // 2)
    images, before = StoredImages(data, held_out[:count])[:], time.process_time()
    with progress("an audit", queries(data, count, count)) as done:
        audit(np.ascontiguousarray(images), held_out[-count:], data, seed=0, done=done)
    return count, time.process_time() - before


def _lines(rows: list[Caught], generators: list[Overtrained]) -> list[str]:
    return [
        "# Copyists",
        "",
        f"`python -m benchmarks.copyists`: {RESAMPLINGS} resamplings of each set, one seed. Caught alone, caught where "
        f"they are a tenth of a set, and the share of copies that is found at 1 % false alarms.",
        *(line for row in rows for line in _table(row)),
        *table_of_generators(generators),
    ]


def _table(row: Caught) -> list[str]:
    return [
        "",
        f"## {row.name}",
        "",
        f"{row.train:,} training images, {row.n:,} a side. Alarms in honest sets: {row.honest} of {RESAMPLINGS}. "
        f"An audit of {row.audited:,} images: {row.seconds:.0f} CPU seconds.",
        "",
        "| copies | alone | a tenth | found |",
        "| --- | --- | --- | --- |",
        *(f"| {way} | {row.alone[way]} | {row.mixed[way]} | {row.power[way]:.2f} |" for way in row.power),
    ]


if __name__ == "__main__":
    main()
