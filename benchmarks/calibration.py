"""How far fid_domain puts damaged images, beside what a person sees of the damage -> results/calibration.md, docs.

MEDGAN_REAL_DATA=FOLDER python -m benchmarks.calibration       # some 15 minutes; see benchmarks/real_data.py
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.corruptions import HARDLY_SEEN, OTHERS, SEEN_AT_ONCE, Damaged, Pixels
from benchmarks.judging import ROOT, Subject, open_subject
from benchmarks.real_data import CHILDREN, configured
from benchmarks.tables import save
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.imaging.grids import grid, save_image
from medgan.scores.fidelity import measure
from medgan.scores.figures import Fidelity
from medgan.scores.images import ImageSet
from medgan.seeds import numpy_generator

_PICTURE_WIDTH = 640  # pixels of one channel: a picture in docs/ stays below a megabyte


@dataclass(frozen=True)
class Study:
    """A data set to damage. raw: its name among real data. changes: to the recipe of Medical MNIST."""

    title: str
    raw: str
    changes: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.title.lower().replace(" ", "-")


STUDIES = (
    Study("Medical MNIST", "medical-mnist", {}),
    Study(
        "Chest X-rays",
        "chest-xray",
        {"data.size": 128, "data.validation": 0.05, "data.test": 0.45, "data.options": {"patient": CHILDREN}},
    ),
    Study(
        "Skin lesions",
        "isic2017",
        {"data.size": 128, "data.channels": 3, "data.labels": False, "data.validation": 0.05, "data.test": 0.45},
    ),
)
SIGHTS = {"hardly seen": HARDLY_SEEN, "seen at once": SEEN_AT_ONCE, "": OTHERS}


@dataclass(frozen=True)
class Row:
    """What was done to the images, what a person says of it, and what the scores say."""

    name: str
    sight: str
    quality: Fidelity


def main() -> None:
    lines, figures = ["# Damaged images, by what a person sees of the damage and by fid_domain", ""], {}
    for study in STUDIES:
        rows, extractor = judge(study)
        lines += table(study, rows, extractor)
        figures[study.title] = [asdict(row) for row in rows]
    save("calibration", figures, lines)


def judge(study: Study) -> tuple[list[Row], str]:
    """Score one half of the test images, damaged in every way, against the other half; and make their picture."""
    subject = subject_of(study)
    if subject is None:
        raise MedganError(f"{study.title} cannot be calibrated; set MEDGAN_REAL_DATA to the folder of the archives")
    rows, shown, spec = [], [], subject.prepared.spec
    columns = max(2, _PICTURE_WIDTH // (spec.size * spec.channels))
    for row, images in judged(subject):
        chosen = np.linspace(0, len(images), columns, endpoint=False).astype(int)
        rows.append(row)
        shown.append(images[chosen])
        print(f"{study.title}: {row.name}: FID {row.quality.fid:.3f}", flush=True)
    save_image(ROOT / "docs" / f"calibration-{study.name}.png", grid(np.concatenate(shown), columns=columns))
    return rows, f"{subject.extractor.name} {subject.extractor.digest}"


def subject_of(study: Study) -> Subject | None:
    """None where its images are not at hand."""
    changes = {"data.raw": study.raw, "data.name": study.name, "evaluate.n": 30, **study.changes}
    config = configured("medical-mnist", changes)
    return None if config is None else open_subject(config)


def judged(subject: Subject) -> Iterator[tuple[Row, Pixels]]:
    """Each row with its images, real ones first."""
    data = subject.prepared
    held, other = halves(data)
    labels = np.zeros(len(data.splits), np.int64) if data.labels is None else data.labels
    damaged = Damaged(data.pictures(held), labels[held])
    yield Row("real", "", _scored(subject, held, other, damaged.images)), damaged.images
    for name, sight, images in _damages(damaged):
        yield Row(name, sight, _scored(subject, held, other, images)), images


def halves(data: Prepared) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of two sets of test images: as many images of each class, and of other patients but for one a class.

    Patients are shuffled: their names often follow places and years.
    """
    test = data.indices("test")
    labels = np.zeros(len(test), np.int64) if data.labels is None else data.labels[test]
    first, second = [], []
    for code in np.unique(labels):
        of_class = test[labels == code]
        _, patients = np.unique(data.patients[of_class], return_inverse=True)
        order = numpy_generator(0, "halves").permutation(patients.max() + 1)
        of_class = of_class[np.argsort(order[patients], kind="stable")]
        half = len(of_class) // 2
        first.append(of_class[:half])
        second.append(of_class[half : 2 * half])
    return np.concatenate(first), np.concatenate(second)


def table(study: Study, rows: list[Row], extractor: str) -> list[str]:
    floor = rows[0].quality
    lines = [
        f"## {study.title}",
        "",
        f"{extractor}, n = {floor.n:,} test images a side, {len(floor.groups)} group(s) judged apart. The rows of the "
        f"picture are those of the table.",
        "",
        "| images | a person | FID | FID ÷ floor | KID | precision | recall | density | coverage |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        score = row.quality
        lines.append(
            f"| {row.name} | {row.sight} | {score.fid:.3f} ± {score.fid_high - score.fid:.3f} "
            f"| {score.fid / floor.fid:.1f} | {score.kid:.5f} | {score.precision:.3f} | {score.recall:.3f} "
            f"| {score.density:.3f} | {score.coverage:.3f} |"
        )
    hardly = max(row.quality.fid for row in rows if row.sight == "hardly seen")
    wrong = [row.name for row in rows if row.sight == "seen at once" and row.quality.fid <= hardly]
    verdict = f"nearer, against the eye: {', '.join(wrong)}" if wrong else "no exception"
    lines += ["", f"All that is seen at once is farther than all that is hardly seen: {verdict}.", ""]
    return [*lines, f"![Rows as in the table](../../docs/calibration-{study.name}.png)", ""]


def _damages(damaged: Damaged) -> Iterator[tuple[str, str, Pixels]]:
    for sight, kinds in SIGHTS.items():
        for name, (damage, strength) in kinds.items():
            yield name, sight, damage(damaged, strength)


def _scored(subject: Subject, held: NDArray[np.int64], other: NDArray[np.int64], images: Pixels) -> Fidelity:
    data = subject.prepared
    real = ImageSet.stored(data, other)
    alike = ImageSet.stored(data, held)
    seen = ImageSet(
        (images.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2), labels=alike.labels, patients=alike.patients
    )
    return measure(
        subject.extractor, seen, real, alike=alike, names=data.label_names, split="test", resamples=50, seed=0
    )


if __name__ == "__main__":
    main()
