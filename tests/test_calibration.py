"""fid_domain must grow with every fault that a generator can have, and see each one well above its floor.

And it must put faults in the order that a person gives them: what is seen at once is farther than what is hardly seen.
Code that changes the features must pass this test; test_extractor.py notices that they have changed.
"""

import os
import tarfile
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pixels import seen

from benchmarks import calibration, judging
from benchmarks.corruptions import (
    HARDLY_SEEN,
    SEEN_AT_ONCE,
    Damage,
    Damaged,
    Labels,
    Pixels,
    blurred,
    checkered,
    collapsed,
    noisy,
    speckled,
)
from medgan.data.spec import ImageSpec, Sample
from medgan.scores.extractor import DIMENSIONS, Extractor
from medgan.scores.fidelity import agreement
from medgan.scores.frechet import Statistics, group_statistics, mean_distance
from medgan.scores.groups import groups
from medgan.scores.images import ImageSet
from medgan.scores.learning import train_extractor
from medgan.seeds import numpy_generator
from medgan.sources.phantom.source import Phantom

pytestmark = pytest.mark.slow  # an extractor is trained for each kind of data

TABLE = Path(__file__).parents[1] / "data" / "phantom.yaml"
LESIONS = ("healthy", "tumour", "plaques", "infarct")
N = 600


@dataclass(frozen=True)
class Judged:
    """Two disjoint held-out sets of real images, with as many images of each class: one is scored against the other."""

    extractor: Extractor
    held: Damaged
    real: list[Statistics]
    labelled: bool

    def distance(self, images: Pixels) -> float:
        """Of images in the place of the held ones."""
        return mean_distance(self._statistics(images), self.real)

    def _statistics(self, images: Pixels) -> list[Statistics]:
        return moments(self.extractor, images, self.held.labels if self.labelled else None)


def judged(images: Pixels, labels: Labels, *, labelled: bool, steps: int, n: int) -> Judged:
    """The held-out images are the last 2 n, every second one of each class."""
    order = np.argsort(labels[-2 * n :], kind="stable") + len(images) - 2 * n
    held, other = order[::2], order[1::2]
    extractor = train_extractor(
        seen(images[: -2 * n]),
        labels[: -2 * n] if labelled else None,
        classes=int(labels.max()) + 1,
        steps=steps,
        batch=64,
        seed=0,
    )
    real = moments(extractor, images[other], labels[other] if labelled else None)
    return Judged(extractor, Damaged(images[held], labels[held]), real, labelled)


def moments(extractor: Extractor, images: Pixels, labels: Labels | None) -> list[Statistics]:
    names = [] if labels is None else [str(code) for code in range(int(labels.max()) + 1)]
    rows = groups(labels, names, n=len(images), dimensions=DIMENSIONS)
    return group_statistics(extractor.observe(seen(images)).features, rows.values())


@cache
def phantoms() -> tuple[Pixels, Labels]:
    """One slice a patient, so that images are independent: 3,000 to train, twice N held out."""
    source = Phantom(count=3000 + 2 * N, slices=1, lesions=LESIONS)
    samples = [s for s in source.samples(TABLE, ImageSpec(32, 1, classes=4)) if isinstance(s, Sample)]
    images = np.stack([sample.image for sample in samples]).astype(np.uint8)
    return images, np.array([LESIONS.index(sample.label or "") for sample in samples])


@pytest.fixture(scope="module", params=[True, False], ids=["labelled", "unlabelled"])
def phantom(request: pytest.FixtureRequest) -> Judged:
    return judged(*phantoms(), labelled=request.param, steps=150, n=N)


@pytest.fixture(scope="module")
def medical_mnist() -> Judged:
    """Every fifth image of each class, shuffled, under the shipped budget: at N the floor hides the weakest noise."""
    archive = Path(os.environ["MEDGAN_REAL_DATA"]) / "medical-mnist.tar.xz"
    images, names = [], []
    with tarfile.open(archive, "r|xz") as tar:  # read in memory: nothing is unpacked
        for member in tar:
            content = tar.extractfile(member) if member.name.endswith(("0.jpeg", "5.jpeg")) else None
            if content is not None:
                images.append(np.asarray(Image.open(BytesIO(content.read())))[..., None])
                names.append(Path(member.name).parent.name)
    order = numpy_generator(0, "order").permutation(len(images))
    labels = np.unique(names, return_inverse=True)[1]
    return judged(np.stack(images)[order], labels[order], labelled=True, steps=300, n=2000)


def without_classes(of: Damaged, missing: float) -> Pixels:
    """Images of the other classes in the place of those of the last ones."""
    there = of.labels <= of.labels.max() - missing
    rows = np.arange(len(there))
    rows[~there] = np.resize(rows[there], int((~there).sum()))
    return of.images[rows]


# Grey levels of 255 where the strength is one; the weakest is one that a person can just see.
FAULTS: dict[str, tuple[Damage, tuple[float, float, float]]] = {
    "blur": (blurred, (0.6, 0.8, 1.2)),
    "noise": (noisy, (8, 16, 32)),
    "speckle": (speckled, (0.1, 0.2, 0.4)),
    "checkerboard": (checkered, (6, 12, 24)),
    "missing classes": (without_classes, (1, 2, 3)),
    "collapse": (collapsed, (60, 20, 3)),
}


def assert_grows(judged: Judged, fault: str) -> None:
    damage, strengths = FAULTS[fault]
    floor = judged.distance(judged.held.images)
    distances = [judged.distance(damage(judged.held, strength)) for strength in strengths]
    assert 1.5 * floor < distances[0] < distances[1] < distances[2], (floor, distances)


def assert_ordered(judged: Judged, *, but: Collection[str] = ()) -> None:
    hardly, at_once = (
        {name: judged.distance(damage(judged.held, strength)) for name, (damage, strength) in kind.items()}
        for kind in ({name: HARDLY_SEEN[name] for name in HARDLY_SEEN if name not in but}, SEEN_AT_ONCE)
    )
    assert max(hardly.values()) < min(at_once.values()), (hardly, at_once)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_distance_grows_with_every_fault(phantom: Judged, fault: str) -> None:
    assert_grows(phantom, fault)


@pytest.mark.real
@pytest.mark.parametrize("fault", FAULTS)
def test_the_distance_grows_on_real_images(medical_mnist: Judged, fault: str) -> None:
    assert_grows(medical_mnist, fault)


@pytest.mark.real
def test_what_is_seen_at_once_is_farther_than_what_is_hardly_seen(medical_mnist: Judged) -> None:
    assert_ordered(medical_mnist)


def test_the_order_holds_on_phantoms(phantom: Judged) -> None:
    """At 32 pixels blocks of JPEG as large as a quarter of the head, and moves of 3 pixels, are seen at once."""
    assert_ordered(phantom, but=("JPEG 20", "elastic 3 px"))


@pytest.mark.exhaustive  # an extractor of 128 pixels, and thirteen sets of images: minutes each
@pytest.mark.parametrize("study", calibration.STUDIES[1:], ids=lambda study: study.name)
def test_the_order_holds_on_the_other_real_data(
    study: calibration.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "WORK", tmp_path)
    subject = calibration.subject_of(study)
    if subject is None:
        pytest.skip(f"{study.title} are not at hand")
    fids = {(row.sight, row.name): row.quality.fid for row, _ in calibration.judged(subject)}
    hardly, at_once = (
        {name: fid for (seen_as, name), fid in fids.items() if seen_as == sight}
        for sight in ("hardly seen", "seen at once")
    )
    assert len(hardly) == len(HARDLY_SEEN) and len(at_once) == len(SEEN_AT_ONCE)
    assert max(hardly.values()) < min(at_once.values()), (hardly, at_once)


def test_the_classifier_behind_it_knows_the_classes(phantom: Judged) -> None:
    if phantom.extractor.classes:
        held = phantom.held
        assert agreement(phantom.extractor, ImageSet(seen(held.images), labels=held.labels)) > 0.93
