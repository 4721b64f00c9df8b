"""Told apart where nothing is to tell, two halves of real images, and where little is -> results/halves.md.

    python -m benchmarks.halves [ROUNDS]    # some 30 minutes for 20; Medical MNIST is left out where it is not at hand

Each round chooses two sets of real images at random, patients never in both. One of them takes the place of drawn
images: as it is in every round, and in the first one damaged too.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.corruptions import Damage, Damaged, noisy, shifted
from benchmarks.judging import prepared
from benchmarks.keeping import kept
from benchmarks.real_data import configured
from benchmarks.tables import rounds, save
from medgan.config.schema import Config
from medgan.console import progress
from medgan.data.store import Prepared
from medgan.device import use_cpu
from medgan.evaluation.told_apart import tell_apart
from medgan.fingerprint import code_digest
from medgan.scores.images import ImageSet
from medgan.seeds import derive_seed, numpy_generator

SIDE = 5500  # images: half of either side is answered for, less those of which the other side has fewer of a class
NEAR = (0.47, 0.53)
# By name: a recipe, and what its data are replaced by.
SETS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "phantoms 32 px": ("default", {"data.options.count": 24_000}),
    "Medical MNIST 64 px": ("medical-mnist", {"data.raw": "medical-mnist"}),
}
DAMAGES: Mapping[str, tuple[Damage, float]] = {
    "noise 8": (noisy, 8),
    "noise 4": (noisy, 4),
    "shifted 1 px": (shifted, 1),
}


@dataclass(frozen=True)
class Told:
    """What a network said of n images that it had not seen.

    images: what was done to those in the place of drawn ones. low, high: 95 % interval of the accuracy. steps: of the
    training whose network answered. seconds: CPU time of the whole.
    """

    images: str
    round: int
    n: int
    accuracy: float
    low: float
    high: float
    passing: float
    log_loss: float
    steps: int
    seconds: float


def main() -> None:
    count = rounds(__doc__, default=20)
    use_cpu(1)
    figures, lines = {}, ["# Two halves of real images, told apart", ""]
    lines += [f"`python -m benchmarks.halves {count}`: {SIDE:,} images a side, others in each round.", ""]
    for name, (recipe, changes) in SETS.items():
        config = configured(recipe, changes)
        if config is not None:
            rows = told(name, prepared(config), config, count)
            figures[name] = [asdict(row) for row in rows]
            lines += table(name, rows)
            print("\n".join(table(name, rows)), flush=True)
    save("halves", figures, lines)


def told(name: str, data: Prepared, config: Config, count: int) -> list[Told]:
    """Two halves in so many rounds, and those of the first one with one half damaged."""
    plans = [*((number, "real") for number in range(count)), *((0, damage) for damage in DAMAGES)]
    steps, rows = config.evaluate.told_apart_steps, []
    with progress(name, len(plans) * steps) as done:
        for place, (number, images) in enumerate(plans):
            done(place * steps)
            rows.append(_told(data, number, images, steps, _after(place * steps, done)))
        done(len(plans) * steps)
    return rows


def halves(data: Prepared, *, side: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of two sets of so many images at random, of whatever split; patients in one of them at most."""
    patients = np.unique(data.patients, return_inverse=True)[1]
    place = numpy_generator(seed, "halves").permutation(patients.max() + 1)[patients]
    order = np.argsort(place, kind="stable")
    first = order[:side]
    second = order[place[order] > place[first[-1]]][:side]
    return np.sort(first), np.sort(second)


def _after(before: int, done: Callable[[int], None]) -> Callable[[int], None]:
    return lambda step: done(before + step)


def _told(data: Prepared, number: int, images: str, steps: int, done: Callable[[int], None]) -> Told:
    parts = {"data": data.md5, "round": number, "images": images, "side": SIDE, "steps": steps}
    parts["code"] = code_digest(["medgan.evaluation.told_apart"])
    return Told(**kept("halves", parts, lambda: asdict(_answered(data, number, images, steps, done))))


def _answered(data: Prepared, number: int, images: str, steps: int, done: Callable[[int], None]) -> Told:
    before = time.process_time()
    first, second = halves(data, side=SIDE, seed=number)
    ours, theirs = (ImageSet.stored(data, half) for half in (first, second))
    if images in DAMAGES:
        ours = _damaged(data, first, *DAMAGES[images])
    seed = derive_seed(number, "told apart")
    figures = tell_apart(ours, theirs, names=data.label_names, steps=steps, seed=seed, progress=done).figures
    overall = figures.overall
    assert overall.accuracy and overall.passing and overall.log_loss, "thousands of images are enough for figures"
    return Told(
        images=images,
        round=number,
        n=overall.n,
        accuracy=overall.accuracy.value,
        low=overall.accuracy.low,
        high=overall.accuracy.high,
        passing=overall.passing.value,
        log_loss=overall.log_loss.value,
        steps=figures.steps,
        seconds=time.process_time() - before,
    )


def _damaged(data: Prepared, indices: NDArray[np.int64], damage: Damage, strength: float) -> ImageSet:
    like = ImageSet.stored(data, indices)
    pixels = damage(Damaged(data.pictures(indices), np.zeros(len(indices), np.int64)), strength)
    images = (pixels.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)
    return ImageSet(images, labels=like.labels, patients=like.patients)


def table(name: str, rows: Sequence[Told]) -> list[str]:
    real = [row for row in rows if row.images == "real"]
    accuracies = np.array([row.accuracy for row in real])
    near = np.sum((NEAR[0] <= accuracies) & (accuracies <= NEAR[1]))
    covered = sum(row.low <= 0.5 <= row.high for row in real)
    return [
        f"## {name}",
        "",
        f"Two halves in {len(real)} rounds, at least {min(row.n for row in rows):,} images answered for: accuracy from "
        f"{NEAR[0]} to {NEAR[1]} in {near}, .5 in the 95 % interval in {covered}, mean {accuracies.mean():.4f}, from "
        f"{accuracies.min():.4f} to {accuracies.max():.4f}.",
        "",
        "| images | round | answered for | accuracy | passing | log-loss | steps | CPU seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row.images} | {row.round + 1} | {row.n:,} | {row.accuracy:.4f} ({row.low:.4f} to {row.high:.4f}) "
            f"| {row.passing:.3f} | {row.log_loss:.4f} | {row.steps:,} | {row.seconds:.0f} |"
            for row in rows
        ),
        "",
    ]


if __name__ == "__main__":
    main()
