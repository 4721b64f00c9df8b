"""How often the 95 % interval of a score covers the mean of many fresh draws -> results/intervals.md.

python -m benchmarks.intervals [DRAWS]     # some 60 minutes for 200; Medical MNIST is left out where it is not at hand

Fresh phantoms of the default recipe, four slices a patient, are judged against fresh phantoms, and so is what a briefly
trained generator draws of fresh z. Of Medical MNIST, held-out images are judged against others, as they are and with
noise, in as many disjoint draws as there are. The mean over all draws stands for the truth at that n.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks import judging
from benchmarks.judging import Subject, configuration, open_subject, row_identity, train
from benchmarks.real_data import configured
from benchmarks.tables import save
from medgan.config.schema import Config
from medgan.console import progress
from medgan.data.spec import ImageSpec, Sample
from medgan.data.store import in_order_of_appearance
from medgan.gans.drawing import draw, latents
from medgan.imaging.arrays import quantised
from medgan.scores.fidelity import measure
from medgan.scores.figures import Fidelity
from medgan.scores.images import ImageSet
from medgan.seeds import derive_seed, numpy_generator
from medgan.sources.phantom.source import Phantom
from medgan.training.loop import Trained

SIZES = (500, 1000, 2000)
OTHERS = ("kid", "precision", "recall", "density", "coverage")  # figures that have a margin, beside FID
_STEPS = 1000
_NOISE = 16  # grey levels


@dataclass(frozen=True)
class Coverage:
    """Of the intervals of one n: of each figure the share that covers the mean, and that mean."""

    what: str
    n: int
    draws: int
    mean: Mapping[str, float]
    covered: Mapping[str, float]
    half_width: Mapping[str, float]
    deviation: Mapping[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("draws", type=int, nargs="?", default=200, help="200 unless told")
    draws = parser.parse_args().draws
    config = configuration("default", changes={"train.steps": _STEPS, "train.evaluations": 1})
    subject = open_subject(config)
    trained, _ = train("generator", config, subject, checkpoints(config, subject))
    scores = defaultdict[tuple[str, int], list[Fidelity]](list)
    with progress("draws", draws) as done:
        for number in range(draws):
            real = phantoms(config, subject, number=2 * number)
            judged = {
                "phantoms": phantoms(config, subject, number=2 * number + 1),
                "generator": drawn(trained, real, seed=derive_seed(number, "intervals")),
            }
            for what, images in judged.items():
                for n in SIZES:
                    scores[what, n].append(scored(images, real, judged["phantoms"], n, subject))
            done(number + 1)
    scores |= disjoint()
    rows = [coverage(what, n, of_draws) for (what, n), of_draws in scores.items()]
    lines = [
        "# 95 % intervals of scores",
        "",
        f"`python -m benchmarks.intervals {draws}`: {draws} fresh draws of both sides of phantoms, "
        f"{subject.extractor.name} {subject.extractor.digest}. The generator has learnt for {_STEPS:,} steps. Draws of "
        "Medical MNIST are disjoint.",
        "",
        "| images judged | n | draws | mean FID | intervals that cover it | mean half width | 1.96 deviations | "
        f"{' | '.join(f'covered: {name}' for name in OTHERS)} |",
        f"|{' --- |' * (7 + len(OTHERS))}",
        *(
            f"| {row.what} | {row.n:,} | {row.draws} | {row.mean['fid']:.4f} | {row.covered['fid']:.1%} "
            f"| {row.half_width['fid']:.4f} | {1.96 * row.deviation['fid']:.4f} "
            f"| {' | '.join(f'{row.covered[name]:.1%}' for name in OTHERS)} |"
            for row in rows
        ),
    ]
    save("intervals", [asdict(row) for row in rows], lines)


def checkpoints(config: Config, subject: Subject) -> Path:
    """Of the generator, by all that decides it: a checkpoint itself knows neither its data nor its learning rates."""
    return judging.WORK / f"train-{row_identity(config, subject)}"


def phantoms(config: Config, subject: Subject, *, number: int) -> ImageSet:
    """Fresh ones, of patients that no other number has."""
    options = {**config.data.options, "count": max(SIZES), "seed": derive_seed(number, "intervals") % 2**31}
    spec = ImageSpec(config.data.size, config.data.channels)
    samples = [s for s in Phantom(**options).samples(config.data.raw, spec) if isinstance(s, Sample)]
    pixels = np.stack([sample.image for sample in samples])
    return ImageSet(
        (pixels.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2),
        labels=np.array([subject.prepared.label_names.index(str(sample.label)) for sample in samples]),
        patients=in_order_of_appearance([sample.patient for sample in samples]),
    )


def disjoint() -> dict[tuple[str, int], list[Fidelity]]:
    """Scores of each draw of Medical MNIST, by what is judged and n; none where it is not there."""
    config = configured("medical-mnist", {"data.raw": "medical-mnist"})
    if config is None:
        return {}
    scores = defaultdict[tuple[str, int], list[Fidelity]](list)
    subject = open_subject(config)
    data = subject.prepared
    assert data.labels is not None
    order = numpy_generator(0, "disjoint").permutation(np.flatnonzero(np.isin(data.splits, ("validation", "test"))))
    by_class = [order[data.labels[order] == code] for code in range(len(data.label_names))]
    for n in SIZES:
        each = n // len(by_class)
        count = min(map(len, by_class)) // (2 * each)
        with progress(f"Medical MNIST, n = {n:,}", count) as done:
            for number in range(count):
                start = 2 * each * number
                one, other = (
                    ImageSet.stored(data, np.concatenate([rows[first : first + each] for rows in by_class]))
                    for first in (start, start + each)
                )
                noise = numpy_generator(0, "noise", number).normal(size=one.images[:].shape).astype(np.float32)
                noisy = quantised(one.images[:] + _NOISE / 127.5 * noise, data.levels)
                judged = {"Medical MNIST": one, f"the same, noise {_NOISE}": ImageSet(noisy, labels=one.labels)}
                for what, images in judged.items():
                    scores[what, n].append(scored(images, other, one, len(one), subject))
                done(number + 1)
    return scores


def drawn(trained: Trained, real: ImageSet, *, seed: int) -> ImageSet:
    """Images of fresh z, of the classes of these."""
    assert real.labels is not None
    z = latents(len(real), trained.gan.latent_dim, seed=seed)
    images = draw(trained.gan, trained.generators, {"z": z, "label": torch.from_numpy(real.labels)})
    return ImageSet(quantised(images, 256), labels=real.labels)


def scored(images: ImageSet, real: ImageSet, alike: ImageSet, n: int, subject: Subject) -> Fidelity:
    """Judge the first n of each; patients come in turn with the classes, so that these are whole."""
    first = [
        ImageSet(
            side.images[:n],
            labels=None if side.labels is None else side.labels[:n],
            patients=None if side.patients is None else side.patients[:n],
        )
        for side in (images, real, alike)
    ]
    names = subject.prepared.label_names
    return measure(
        subject.extractor, first[0], first[1], alike=first[2], names=names, split="fresh", resamples=50, seed=0
    )


def coverage(what: str, n: int, scores: Sequence[Fidelity]) -> Coverage:
    """Of the same images in each draw, or others of their kind."""
    figures = {
        "fid": [(score.fid, score.fid_high - score.fid) for score in scores],
        **{name: [(getattr(score, name), score.margins[name]) for score in scores] for name in OTHERS},
    }
    values, widths = ({name: np.array(of)[:, part] for name, of in figures.items()} for part in (0, 1))
    return Coverage(
        what=what,
        n=n,
        draws=len(scores),
        mean={name: float(of.mean()) for name, of in values.items()},
        covered={name: float((np.abs(of - of.mean()) <= widths[name]).mean()) for name, of in values.items()},
        half_width={name: float(of.mean()) for name, of in widths.items()},
        deviation={name: float(of.std(ddof=1)) for name, of in values.items()},
    )


if __name__ == "__main__":
    main()
