"""A segmenter that is asked where lesions are: squares brighter than the noise around them."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pixels import seen

from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.evaluation.lesions import Segmenter, judge_lesions, lesion_figures, train_segmenter
from medgan.evaluation.report import LesionFigures

Images = NDArray[np.float32]
Masks = NDArray[np.uint8]


def noise(n: int, seed: int) -> Images:
    return seen(pixels(n, seed))


def pixels(n: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 90, (n, 16, 16, 1), dtype=np.uint8)


def squares(n: int, seed: int) -> tuple[Images, Masks]:
    """Images and masks of two planes, one of which names the square; every fourth image has none."""
    rng = np.random.default_rng(seed)
    images, masks = pixels(n, seed + 1000), np.zeros((n, 16, 16, 2), np.uint8)
    for index in range(n):
        if index % 4 == 3:
            continue
        side, kind = int(rng.integers(4, 8)), int(rng.integers(2))
        top, left = rng.integers(0, 16 - side, 2)
        images[index, top : top + side, left : left + side] += 110
        masks[index, top : top + side, left : left + side, kind] = 1
    return seen(images), masks


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return train_segmenter(*squares(200, seed=0), steps=60, seed=0)


def test_squares_are_found_where_they_are(segmenter: Segmenter) -> None:
    images, masks = squares(100, seed=1)
    figures = lesion_figures(segmenter, images, masks)
    assert figures.iou is not None and figures.iou > 0.7 and figures.clean == 1
    found = segmenter.found(images)
    assert found.shape == (100, 16, 16) and found.dtype == np.bool_


def test_squares_elsewhere_than_the_mask_says_score_low(segmenter: Segmenter) -> None:
    images, masks = squares(100, seed=1)
    filled = np.flatnonzero(masks.any(axis=(1, 2, 3)))
    shifted = lesion_figures(segmenter, images[filled], masks[np.roll(filled, 1)])
    assert shifted.clean is None and shifted.iou is not None and shifted.iou < 0.3
    nothing = lesion_figures(segmenter, noise(75, seed=5), masks[filled])
    assert nothing.iou is not None and nothing.iou < 0.05


def test_a_square_larger_or_smaller_than_its_mask_costs_iou(segmenter: Segmenter) -> None:
    images, masks = (array[:3] for array in squares(100, seed=1))
    area = segmenter.found(images).sum(axis=(1, 2))
    everywhere, corner = np.ones_like(masks), masks * 0
    for index, mask in enumerate(masks):
        row, column = np.argwhere(mask.any(axis=2))[0] + 1
        corner[index, row, column] = 1
    assert lesion_figures(segmenter, images, everywhere).iou == pytest.approx(np.mean(area / 256))
    assert lesion_figures(segmenter, images, corner).iou == pytest.approx(np.mean(1 / area))


def test_clean_is_the_share_of_images_without_lesion_in_which_none_is_found(segmenter: Segmenter) -> None:
    images, masks = squares(100, seed=1)
    empty = np.zeros_like(masks)
    assert lesion_figures(segmenter, noise(50, seed=5), empty[:50]) == LesionFigures(None, 1.0)
    # Three of four images bear a square that no mask asked for.
    assert lesion_figures(segmenter, images, empty) == LesionFigures(None, 0.25)
    assert lesion_figures(segmenter, images[[3, 7, 0, 1]], empty[:4]) == LesionFigures(None, 0.5)


def test_a_segmenter_depends_on_its_seed_alone() -> None:
    def weights(seed: int) -> dict[str, bytes]:
        trained = train_segmenter(*squares(40, seed=0), steps=3, seed=seed)
        assert not trained.training
        return {name: tensor.numpy().tobytes() for name, tensor in trained.state_dict().items()}

    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = weights(1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    assert weights(1) == first and weights(2) != first


def test_each_step_is_told() -> None:
    told: list[int] = []
    train_segmenter(*squares(8, seed=0), steps=4, seed=0, progress=told.append)
    assert told == [1, 2, 3, 4]


def test_real_images_are_judged_beside_generated_ones(prepared: Prepared) -> None:
    test = prepared.indices("test")
    told: list[int] = []
    images = StoredImages(prepared, test)[:]
    figures = judge_lesions(prepared, images, test, steps=30, seed=0, progress=told.append)
    assert figures.generated == figures.real and None not in (figures.real.iou, figures.real.clean)
    assert told == list(range(1, 31))
    black = judge_lesions(prepared, np.full_like(images, -1), test, steps=30, seed=0)
    assert black.real == figures.real and black.generated != figures.real
