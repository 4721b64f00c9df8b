"""fid_domain must grow with every fault that a generator can have, and see each one well above its floor.

This test freezes the extractor's recipe: code that changes the features must pass it and rename the recipe.
"""

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pixels import seen
from torch.nn import functional as F

from medgan.data.spec import ImageSpec, Sample
from medgan.scores.extractor import Extractor
from medgan.scores.fidelity import agreement
from medgan.scores.frechet import Statistics, distance, statistics
from medgan.scores.images import ImageSet
from medgan.scores.learning import train_extractor
from medgan.seeds import numpy_generator
from medgan.sources.phantom.source import Phantom

pytestmark = pytest.mark.slow  # an extractor is trained for each kind of data

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
TABLE = Path(__file__).parents[1] / "data" / "phantom.yaml"
LESIONS = ("healthy", "tumour", "plaques", "infarct")
N = 600


@dataclass(frozen=True)
class Judged:
    """Two disjoint held-out sets of real images: one is scored against the other."""

    extractor: Extractor
    images: Images
    labels: Labels
    real: Statistics
    floor: float


def judged(images: Images, labels: Labels, *, labelled: bool, steps: int, n: int) -> Judged:
    train, held, other = np.split(np.arange(len(images)), [len(images) - 2 * n, len(images) - n])
    extractor = train_extractor(
        seen(images[train]),
        labels[train] if labelled else None,
        classes=int(labels.max()) + 1,
        steps=steps,
        batch=64,
        seed=0,
    )
    real = moments(extractor, images[other])
    return Judged(extractor, images[held], labels[held], real, distance(moments(extractor, images[held]), real))


def moments(extractor: Extractor, images: Images) -> Statistics:
    return statistics(extractor.observe(seen(images)).features)


@cache
def phantoms() -> tuple[Images, Labels]:
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
    archive = Path(os.environ.get("MEDGAN_REAL_DATA", "")) / "medical-mnist.tar.xz"
    if not archive.is_file():
        pytest.skip("MEDGAN_REAL_DATA does not name a folder with medical-mnist.tar.xz")
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


def to_uint8(values: NDArray[np.floating]) -> Images:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def blurred(judged: Judged, sigma: float) -> Images:
    radius = int(3 * sigma) + 1
    line = torch.exp(-(torch.arange(-radius, radius + 1).float() ** 2) / (2 * sigma**2))
    kernel = (torch.outer(line, line) / line.sum() ** 2)[None, None]
    image = torch.from_numpy(judged.images).permute(0, 3, 1, 2).float()
    smooth = F.conv2d(F.pad(image, (radius,) * 4, mode="reflect"), kernel)
    return to_uint8(smooth.permute(0, 2, 3, 1).numpy())


def noisy(judged: Judged, sigma: float) -> Images:
    noise = numpy_generator(0, "noise").normal(size=judged.images.shape)
    return to_uint8(judged.images + sigma * noise)


def speckled(judged: Judged, sigma: float) -> Images:
    noise = numpy_generator(0, "speckle").normal(size=judged.images.shape)
    return to_uint8(judged.images * (1 + sigma * noise))


def checkered(judged: Judged, amplitude: float) -> Images:
    board = np.indices(judged.images.shape[1:3]).sum(axis=0) % 2 * 2 - 1
    return to_uint8(judged.images + amplitude * board[..., None])


def without_classes(judged: Judged, missing: float) -> Images:
    """Images of the other classes in the place of those of the last ones."""
    kept = np.flatnonzero(judged.labels <= judged.labels.max() - missing)
    return judged.images[np.resize(kept, len(judged.images))]


def collapsed(judged: Judged, repeats: float) -> Images:
    """Few images again and again. Strengths are far apart: how far a handful lies from the rest is partly luck."""
    n = len(judged.images)
    return judged.images[np.resize(np.arange(n // int(repeats)), n)]


# Grey levels of 255 where the strength is one; the weakest is one that a person can just see.
FAULTS: dict[str, tuple[Callable[[Judged, float], Images], tuple[float, float, float]]] = {
    "blur": (blurred, (0.6, 0.8, 1.2)),
    "noise": (noisy, (8, 16, 32)),
    "speckle": (speckled, (0.1, 0.2, 0.4)),
    "checkerboard": (checkered, (6, 12, 24)),
    "missing classes": (without_classes, (1, 2, 3)),
    "collapse": (collapsed, (10, 30, 200)),
}


def assert_grows(judged: Judged, fault: str) -> None:
    damage, strengths = FAULTS[fault]
    distances = [distance(moments(judged.extractor, damage(judged, s)), judged.real) for s in strengths]
    assert 2 * judged.floor < distances[0] < distances[1] < distances[2], (judged.floor, distances)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_distance_grows_with_every_fault(phantom: Judged, fault: str) -> None:
    assert_grows(phantom, fault)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_the_distance_grows_on_real_images(medical_mnist: Judged, fault: str) -> None:
    assert_grows(medical_mnist, fault)


def test_the_classifier_behind_it_knows_the_classes(phantom: Judged) -> None:
    if phantom.extractor.classes:
        assert agreement(phantom.extractor, ImageSet(seen(phantom.images), labels=phantom.labels)) > 0.93
