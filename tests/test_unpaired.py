"""Scores of drawn images against real ones that they were not asked to be like."""

from dataclasses import replace

import numpy as np
import pytest

from medgan.data.store import Prepared
from medgan.scores.extractor import Extractor
from medgan.scores.images import ImageSet
from medgan.scores.unpaired import batch_pairs, nearest_real, pair_figures


@pytest.fixture(scope="module")
def real(prepared: Prepared) -> ImageSet:
    return ImageSet.stored(prepared, prepared.indices("test"))


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor(1, 16, 0).eval()


def test_the_same_images_are_nearest_to_themselves_and_to_no_other_at_random(
    real: ImageSet, extractor: Extractor
) -> None:
    nearest, random = nearest_real(extractor, real, real, seed=0), batch_pairs(real, real, seed=0)
    assert nearest.psnr == pytest.approx(80, abs=1) and nearest.ssim == pytest.approx(1)
    assert random.psnr < 30 and random.ssim is not None and random.ssim < 0.9
    assert random == batch_pairs(real, real, seed=0) != batch_pairs(real, real, seed=1)


def test_one_mean_image_is_best_at_random_pairs(real: ImageSet) -> None:
    """Which is why they decide nothing."""
    everything = real.images[:]
    mean = ImageSet(np.broadcast_to(everything.mean(axis=0), everything.shape).astype(np.float32))
    assert batch_pairs(mean, real, seed=0).psnr > batch_pairs(real, real, seed=0).psnr


def test_both_stand_beside_those_of_training_images(prepared: Prepared, real: ImageSet, extractor: Extractor) -> None:
    training = ImageSet.stored(prepared, prepared.indices("train")[: len(real)])
    figures = pair_figures(extractor, real, training, real, seed=0)
    assert figures is not None and figures.batch_pairs_real == batch_pairs(training, real, seed=0)
    assert figures.nearest_real.psnr > figures.nearest_real_real.psnr > figures.batch_pairs_real.psnr


def test_images_of_two_modalities_have_no_such_scores(prepared: Prepared, extractor: Extractor) -> None:
    spec = replace(prepared.spec, channels=2)
    two = ImageSet.stored(replace(prepared, spec=spec, images=prepared.images.repeat(2, axis=3)), np.arange(20))
    assert pair_figures(extractor, two, two, two, seed=0) is None
