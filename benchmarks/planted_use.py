"""What the verdict on usefulness says of generators that are known to be useless or perfect -> results/planted-use.md.

    python -m benchmarks.planted_use [REPETITIONS]    # 20 of them: 8 CPU-hours

Phantom lesions, 100 real images a class. Planted in the place of a generator: noise; a copyist, which gives training
images again; a perfect one, which gives other patients' images; one that turns a class into another. And nothing:
classifiers of one regime against others of the same one. Every repetition draws its training images anew; validation
and test images stay. Fits are kept: one that was stopped goes on.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.drawers import by_patient
from benchmarks.fits import kept_fits
from benchmarks.judging import configuration, prepared
from benchmarks.tables import save
from benchmarks.use_plans import HARD_PHANTOMS
from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.imaging.arrays import quantised
from medgan.scores.classifying import Labelled, Lessons
from medgan.seeds import derive_seed, numpy_generator
from medgan.usefulness.classifiers import CLASSIFIERS, classifier
from medgan.usefulness.judging import judge
from medgan.usefulness.regimes import AUGMENTED, with_drawn
from medgan.usefulness.report import HARMED, HELPED, UNSEEN, Usefulness
from medgan.usefulness.study import HeldOut, Method, Pool, Study, learn, study

REAL, SEEDS = 100, 10  # images of a class
RATIOS = (1.0, 2.0)
_STEPS, _BATCH, _AUGMENT = 800, 32, ("translation",)  # with fewer, classifiers have not learnt to the end
_VALIDATION, _TEST = 500, 2000
_USELESS = (UNSEEN, HARMED)
# By the name of the plant: verdicts that are right.
PLANTS = {"noise": _USELESS, "copies": _USELESS, "perfect": (HELPED,), "classes turned": _USELESS, "nothing": _USELESS}
_TURNED = 1  # the class that is drawn as if it were the one before


@dataclass(frozen=True)
class Planted:
    """Of one plant: how often each verdict was given, and how far balanced accuracy rose in the mean.

    turned: how often the sentence tells that more of other classes are called _TURNED. sentence: of the first
    repetition.
    """

    plant: str
    verdicts: Mapping[str, int]
    gain: float
    turned: int
    sentence: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repetitions", type=int, nargs="?", default=20, help="20 unless told")
    repetitions = parser.parse_args().repetitions
    data = prepared(configuration("default", changes=HARD_PHANTOMS))
    rows = [planted(plant, data, repetitions) for plant in PLANTS]
    save("planted-use", [asdict(row) for row in rows], _lines(rows, repetitions))


def planted(plant: str, data: Prepared, repetitions: int) -> Planted:
    test = data.indices("test")[:_TEST]
    validation = _labelled(data, data.indices("validation")[:_VALIDATION])
    held_out = HeldOut(validation, _labelled(data, test), data.patients[test])
    found = []
    for repetition in range(repetitions):
        lessons = Lessons(_STEPS, _BATCH, CLASSIFIERS["cnn"], _AUGMENT)
        method = Method(partial(classifier, "cnn", data.spec), lessons, derive_seed(repetition, "planted"))
        pools = [_pool(plant, data, derive_seed(repetition, "subset", seed)) for seed in range(SEEDS)]
        made = _nothing(pools, held_out, method) if plant == "nothing" else _study(plant, pools, held_out, method)
        found.append(judge([made], held_out, data.label_names, classifier="cnn", steps=_STEPS, seed=repetition))
        print(f"{plant}, {repetition}: {found[-1].sentence}", flush=True)
    gains = [each.sizes[0].decisive[AUGMENTED.name].value for each in found]
    turned = sum(_tells(each, data.label_names[_TURNED]) for each in found)
    verdicts = dict(Counter(each.verdict for each in found))
    return Planted(plant, verdicts, float(np.mean(gains)), turned, found[0].sentence)


def _tells(found: Usefulness, name: str) -> bool:
    return found.sizes[0].type_1[name].adjusted_low > 0 and f" of others called {name}, " in found.sentence


def _study(plant: str, pools: Sequence[Pool], held_out: HeldOut, method: Method) -> Study:
    run = partial(kept_fits, title=plant)
    return study(pools, [with_drawn(ratio) for ratio in RATIOS], held_out, method, run)


def _nothing(pools: Sequence[Pool], held_out: HeldOut, method: Method) -> Study:
    """Three times the same regime, real images with as many others of their kind: no difference is there to be seen."""
    regime = with_drawn(1)
    tasks = {
        (name, number): partial(learn, regime, pool, held_out, method, seed=derive_seed(method.seed, name, number))
        for name in ("real", AUGMENTED.name, regime.name, regime.control.name)
        for number, pool in enumerate(pools)
    }
    found = kept_fits(tasks, title="nothing")
    names = dict.fromkeys(name for name, _ in tasks)
    outcomes = {name: [found[name, number] for number in range(len(pools))] for name in names}
    return Study(regime, pools[0].counts, outcomes)


def _pool(plant: str, data: Prepared, seed: int) -> Pool:
    """Some real images of each class, and in the place of drawn ones what this plant gives."""
    real, others = _subsets(data, seed)
    images, labels = StoredImages(data, others)[:], _labels(data)[others]
    rng = numpy_generator(seed, plant)
    if plant == "noise":
        images = quantised(rng.uniform(-1, 1, size=images.shape).astype(np.float32), data.levels)
    elif plant == "copies":
        own = np.concatenate(
            [np.resize(real[_labels(data)[real] == kind], (labels == kind).sum()) for kind in range(data.spec.classes)]
        )
        images, labels = StoredImages(data, own)[:], _labels(data)[own]
    elif plant == "classes turned":
        turned = labels == _TURNED
        images[turned] = images[np.resize(np.flatnonzero(labels == _TURNED - 1), turned.sum())]
    return Pool(_labelled(data, real), Labelled(images, labels))


def _subsets(data: Prepared, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of REAL training images of each class, and of twice as many of other patients."""
    of_class = by_patient(data, seed)
    real = np.concatenate([each[:REAL] for each in of_class])
    rest = [each[~np.isin(data.patients[each], data.patients[real])] for each in of_class]
    return real, np.concatenate([each[: int(max(RATIOS) * REAL)] for each in rest])


def _labelled(data: Prepared, indices: NDArray[np.int64]) -> Labelled:
    return Labelled(StoredImages(data, indices)[:], _labels(data)[indices])


def _labels(data: Prepared) -> NDArray[np.int64]:
    assert data.labels is not None
    return data.labels


def _lines(rows: Sequence[Planted], repetitions: int) -> list[str]:
    return [
        "# Verdicts on planted generators",
        "",
        f"`python -m benchmarks.planted_use {repetitions}`: phantom lesions, {REAL} real images a class, {SEEDS} "
        f"seeds, ratios {', '.join(f'{ratio:g}' for ratio in RATIOS)}, {_STEPS} steps of batches of {_BATCH}.",
        "",
        f"| plant | {' | '.join((HELPED, UNSEEN, HARMED))} | as expected | mean gain, points "
        "| told that more are called of the turned class |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(row) for row in rows),
        "",
        *(f"{row.plant}, the first time: {row.sentence}.\n" for row in rows),
    ]


def _row(row: Planted) -> str:
    counts = [row.verdicts.get(word, 0) for word in (HELPED, UNSEEN, HARMED)]
    right = sum(row.verdicts.get(word, 0) for word in PLANTS[row.plant])
    return f"| {row.plant} | {' | '.join(map(str, counts))} | {right} | {100 * row.gain:+.1f} | {row.turned} |"


if __name__ == "__main__":
    main()
