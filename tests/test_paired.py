"""Scores of pairs: the published formulas, piq's, and which way is better."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import piq
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.scores.extractor import Extractor
from medgan.scores.figures import DIRECTIONS, PublishedScores, StandardScores
from medgan.scores.paired import (
    absolute_errors,
    check_paired,
    difference_margin,
    likeness,
    published,
    standard,
)
from medgan.scores.validation import SCORES

Images = NDArray[np.float32]


def pictures(n: int, channels: int, size: int, seed: int = 0) -> Images:
    """Smooth blobs with edges, channel by channel; each image spans most of [-1, 1]."""
    noise = np.random.default_rng(seed).standard_normal((n, channels, size, size))
    smooth = gaussian_filter(noise, (0, 0, 2, 2), mode="wrap")
    edges = np.where(smooth > 0, 0.5, -0.5)
    scaled = 0.4 * smooth / np.abs(smooth).max() + edges
    return np.asarray(scaled, dtype=np.float32)


def blurred(images: Images, strength: float) -> Images:
    return np.asarray(gaussian_filter(images, (0, 0, strength, strength)), dtype=np.float32)


def noisy(images: Images, strength: float) -> Images:
    noise = np.random.default_rng(1).standard_normal(images.shape)
    return (images + 0.2 * strength * noise).clip(-1, 1).astype(np.float32)


def test_published_scores_by_hand() -> None:
    target = np.array([0.0, 1.0, 0.0, 1.0], dtype=np.float32).reshape(1, 1, 2, 2)
    generated = np.array([0.0, 0.5, 0.0, 0.5], dtype=np.float32).reshape(1, 1, 2, 2)
    # Means 1/2 and 1/4; variances 1/3 and 1/12 (n - 1); covariance 1/8 (n); squared error 1/8.
    ssim = (2 * 0.125 + 0.01) * (2 * 0.125 + 0.03) / ((0.25 + 0.0625 + 0.01) * (1 / 3 + 1 / 12 + 0.03))
    scores = published(generated, target)
    assert scores.mae == pytest.approx(0.25)
    assert scores.psnr == pytest.approx(9.0309, abs=1e-4)
    assert scores.ssim == pytest.approx(ssim)


def test_a_published_mean_is_over_batches_and_the_last_may_be_smaller() -> None:
    target = np.zeros((6, 1, 2, 2), dtype=np.float32)
    generated = target.copy()
    generated[:5] = 0.1
    generated[5] = 1
    scores = published(generated, target)
    # Five images at 20 dB in one batch, one at 0 dB in the next: means of two, not of six.
    assert scores.mae == pytest.approx((0.1 + 1) / 2)
    assert scores.psnr == pytest.approx((20 + 0) / 2, abs=1e-5)
    assert scores.ssim == pytest.approx((0.01 / (0.1**2 + 0.01) + 0.01 / (1 + 0.01)) / 2)


def test_a_published_psnr_is_of_the_batch_and_not_of_its_images() -> None:
    target = np.zeros((2, 1, 2, 2), dtype=np.float32)
    generated = target.copy()
    generated[0], generated[1] = 0.1, 1
    assert published(generated, target).psnr == pytest.approx(-10 * np.log10((0.01 + 1) / 2), abs=1e-5)


@pytest.mark.parametrize("n", [4, 5, 12])
@pytest.mark.parametrize("channels", [1, 3])
def test_published_scores_agree_with_torch(n: int, channels: int) -> None:
    target = pictures(n, channels, 16)
    generated = noisy(blurred(target, 1.0), 0.5)
    expected = []
    for t, g in zip(torch.split(torch.from_numpy(target), 5), torch.split(torch.from_numpy(generated), 5), strict=True):
        st, sg = torch.std(t), torch.std(g)
        covariance = torch.mean((t - torch.mean(t)) * (g - torch.mean(g)))
        above = (2 * torch.mean(t) * torch.mean(g) + 0.01) * (2 * covariance + 0.03)
        below = (torch.mean(t) ** 2 + torch.mean(g) ** 2 + 0.01) * (st**2 + sg**2 + 0.03)
        error = torch.nn.functional.mse_loss(g, t)
        expected.append([torch.nn.functional.l1_loss(g, t), -10 * torch.log10(error), above / below])
    scores = published(generated, target)
    assert [scores.mae, scores.psnr, scores.ssim] == pytest.approx(np.mean(expected, axis=0).tolist(), rel=1e-5)


def test_published_scores_of_images_that_equal_their_targets() -> None:
    target = pictures(7, 1, 16)
    scores = published(target, target)
    batches = [target[:5].astype(float), target[5:].astype(float)]
    below_one = [(2 * b.var() + 0.03) / (2 * b.var(ddof=1) + 0.03) for b in batches]
    assert scores.mae == 0
    assert scores.psnr == pytest.approx(80)
    assert scores.ssim == pytest.approx(np.mean(below_one)) and scores.ssim < 1
    half = published(np.concatenate([target[:5], target[5:] + np.float32(0.1)]), target)
    assert half.psnr == pytest.approx((80 + 20) / 2, abs=1e-4)
    json.dumps(asdict(half), allow_nan=False)


@pytest.mark.parametrize("channels", [1, 3])
def test_standard_scores_agree_with_numpy(channels: int) -> None:
    target = pictures(3, channels, 32)
    generated = noisy(target, 1.0)
    scores = standard(generated, target)
    x, y = (generated.astype(float) + 1) / 2, (target.astype(float) + 1) / 2
    assert scores.psnr == pytest.approx(np.mean(-10 * np.log10(((x - y) ** 2).mean(axis=(1, 2, 3)))), abs=1e-3)

    def window(images: NDArray[np.float64]) -> NDArray[np.float64]:
        # An 11x11 Gaussian of deviation 1.5, where it lies within the image.
        return np.asarray(gaussian_filter(images, (0, 0, 1.5, 1.5), radius=(0, 0, 5, 5))[:, :, 5:-5, 5:-5])

    mx, my = window(x), window(y)
    vx, vy, cov = window(x * x) - mx * mx, window(y * y) - my * my, window(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    ssim = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert scores.ssim == pytest.approx(ssim.mean(), abs=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [32, 64])
def test_standard_scores_of_images_that_equal_their_targets(channels: int, size: int) -> None:
    target = pictures(3, channels, size)
    best = StandardScores(psnr=80, ssim=1, ms_gmsd=0, mdsi=0, haarpsi=1)
    assert asdict(standard(target, target)) == pytest.approx(asdict(best), abs=1e-5)


def test_black_images_keep_the_scores_finite() -> None:
    target = pictures(3, 1, 32)
    target[0] = -1
    assert torch.isinf(piq.haarpsi(torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)))
    scores = standard(target, target)
    assert scores.haarpsi is not None and 1 - 1e-5 < scores.haarpsi <= 1
    json.dumps(asdict(scores), allow_nan=False)


def test_standard_scores_are_means_over_images() -> None:
    target = pictures(120, 1, 17)
    generated = noisy(target, 1.0)
    generated[110:] = 0
    each = [asdict(standard(generated[i : i + 1], target[i : i + 1])) for i in range(len(target))]
    means = {name: np.mean([scores[name] for scores in each]) for name in each[0]}
    assert asdict(standard(generated, target)) == pytest.approx(means, rel=1e-5)


def test_a_grey_image_has_the_mdsi_of_its_rgb_copy() -> None:
    target = pictures(2, 1, 32)
    generated = blurred(target, 1.0)
    copies = [images.repeat(3, axis=1) for images in (generated, target)]
    assert standard(generated, target).mdsi == pytest.approx(standard(*copies).mdsi, rel=1e-6)


def test_colour_counts() -> None:
    target = pictures(2, 3, 32)
    generated = target.copy()
    generated[:, 2] = target[::-1, 2]
    first_right, last_right = standard(generated, target), standard(generated[:, ::-1], target[:, ::-1])
    assert first_right.mdsi > 0.1
    # Blue weighs less than red in luminance.
    assert first_right.ms_gmsd is not None and last_right.ms_gmsd is not None
    assert first_right.ms_gmsd < last_right.ms_gmsd


def test_every_score_has_a_direction() -> None:
    named = {*PublishedScores.__dataclass_fields__, *StandardScores.__dataclass_fields__}
    assert named == DIRECTIONS.keys()


@pytest.mark.parametrize("score", [published, standard])
@pytest.mark.parametrize("worsened", [blurred, noisy])
@pytest.mark.parametrize(("channels", "size"), [(1, 16), (1, 32), (3, 32), (1, 64)])
def test_each_score_worsens_in_its_direction(
    score: Callable[[Images, Images], PublishedScores | StandardScores],
    worsened: Callable[[Images, float], Images],
    channels: int,
    size: int,
) -> None:
    target = pictures(6, channels, size)
    degraded = [target, *(worsened(target, strength) for strength in (0.5, 1.0, 2.0))]
    series = [asdict(score(images, target)) for images in degraded]
    assert {name for name, value in series[0].items() if value is None} <= ({"ms_gmsd"} if size == 16 else set())
    for name in (name for name, value in series[0].items() if value is not None):
        steps = np.diff([scores[name] for scores in series])
        assert (steps > 1e-4).all() if DIRECTIONS[name] == "lower" else (steps < -1e-4).all(), (name, steps)


@pytest.mark.parametrize(
    ("size", "missing"),
    [
        (10, {"ssim", "haarpsi", "ms_gmsd"}),
        (11, {"haarpsi", "ms_gmsd"}),
        (15, {"haarpsi", "ms_gmsd"}),
        (16, {"ms_gmsd"}),
        (17, set()),
    ],
)
def test_a_score_is_missing_where_images_are_too_small_for_piq(size: int, missing: set[str]) -> None:
    # The shorter side decides.
    target = pictures(2, 1, 24)[:, :, :size]
    generated = noisy(target, 1.0)
    scores = asdict(standard(generated, target))
    assert {name for name, value in scores.items() if value is None} == missing
    functions = {"ssim": piq.ssim, "haarpsi": piq.haarpsi, "ms_gmsd": piq.multi_scale_gmsd}
    for name in missing:
        with pytest.raises(ValueError, match=r"[Ss]ize"):
            functions[name](torch.rand(1, 1, size, 24), torch.rand(1, 1, size, 24))


@pytest.mark.parametrize("score", [published, standard])
def test_scores_refuse_what_is_no_pair_of_images(score: Callable[[Images, Images], object]) -> None:
    target = pictures(3, 1, 32)
    for wrong in (target[:2], target[:, :, :31], target.repeat(3, axis=1), target[0]):
        with pytest.raises(MedganError, match=r"one target an image"):
            score(wrong, target)
    for wrong in (target[0], target[:0]):
        with pytest.raises(MedganError, match=r"not empty"):
            score(wrong, wrong)
    for value in (1.01, -1.01, np.nan, np.inf):
        wrong = target.copy()
        wrong[2, 0, 5, 5] = value
        with pytest.raises(MedganError, match=r"^images have values from"):
            score(wrong, target)
        with pytest.raises(MedganError, match=r"^targets have values from"):
            score(target, wrong)


@pytest.mark.parametrize("score", [published, standard])
def test_rounding_beyond_the_range_is_no_error(score: Callable[[Images, Images], object]) -> None:
    target = pictures(3, 1, 32)
    generated = target.copy()
    # What ONNX Runtime's tanh ends at.
    generated[0, 0, 0, :2] = 1.0000002, -1.0000002
    generated.flags.writeable = False
    score(generated, target)


def test_standard_refuses_channels_that_piq_would_ignore() -> None:
    target = pictures(2, 2, 32)
    with pytest.raises(MedganError, match=r"have 2 channels"):
        standard(target, target)
    published(target, target)


def test_scores_leave_their_arguments_as_they_were() -> None:
    target = pictures(6, 1, 32)
    generated = noisy(target, 1.0)
    before = generated.copy(), target.copy()
    published(generated, target)
    standard(generated, target)
    assert (generated == before[0]).all() and (target == before[1]).all()


def test_images_that_are_not_pairs_get_a_reason() -> None:
    check_paired(True)
    with pytest.raises(MedganError, match=r"from noise do not have; set train.score: fid, .* or translate"):
        check_paired(False)


@pytest.mark.parametrize("score", ["mae", "ssim"])
def test_the_judge_of_training_takes_the_standard_score_of_its_pairs(prepared: Prepared, score: str) -> None:
    data = replace(prepared, sources=prepared.images)
    judge = SCORES[score].judge(data, Extractor(1, 16, 0), 30, 0)
    assert judge.held_out is not None
    targets = judge.held_out.image.numpy()
    generated = noisy(targets, 1.0)
    mae, similar = absolute_errors(generated, targets).mean(), standard(generated, targets).ssim
    assert similar is not None
    assert judge.score(generated) == (mae if score == "mae" else 1 - similar)
    assert abs(mae - (1 - similar)) > 0.01 and abs(similar - published(generated, targets).ssim) > 0.01


def shifted(target: Images, offsets: NDArray[np.floating]) -> Images:
    return np.asarray(target + offsets[:, None, None, None], dtype=np.float32).clip(-1, 1)


def test_the_interval_of_the_mae_is_over_patients() -> None:
    target = pictures(60, 1, 16)
    # Patients of one image and of five, and what is drawn of a patient is equally wrong.
    counts = np.tile([1, 5], 10)
    generated = shifted(target, np.repeat(np.linspace(0, 0.3, 20), counts))
    patients = np.repeat([f"p{i}" for i in range(20)], counts)
    found = likeness(generated, target, patients, bootstrap=400, seed=0, split="test")
    errors = np.abs(generated - target).mean(axis=(1, 2, 3))
    assert found.mae == pytest.approx(errors.mean()) == pytest.approx((found.mae_low + found.mae_high) / 2)
    # Images count alike, whoever's they are: of a ratio of two sums over patients, to first order.
    above = np.add.reduceat(errors - errors.mean(), np.cumsum(counts) - counts)
    assert (found.mae_high - found.mae_low) / 2 == pytest.approx(1.96 * np.sqrt((above**2).sum()) / 60, rel=0.1)
    # Five slices of a patient say little more than one: taken for patients, they would shrink the interval.
    alone = likeness(generated, target, np.arange(60).astype(str), bootstrap=400, seed=0, split="test")
    assert alone.mae_high - alone.mae_low < 0.75 * (found.mae_high - found.mae_low)
    assert (found.standard, found.published) == (standard(generated, target), published(generated, target))
    assert likeness(generated, target, patients, bootstrap=400, seed=0, split="test") == found


def test_two_models_that_find_the_same_images_hard_are_told_apart() -> None:
    target = pictures(60, 1, 16)
    hard, patients = np.linspace(0.02, 0.3, 60), np.arange(60).astype(str)
    one, other = shifted(target, hard), shifted(target, hard * 1.05)
    each = likeness(one, target, patients, bootstrap=200, seed=0, split="test")
    margin = difference_margin(one, other, target, patients, bootstrap=200, seed=0)
    difference = likeness(other, target, patients, bootstrap=200, seed=0, split="test").mae - each.mae
    assert margin < difference < each.mae_high - each.mae
    few = np.repeat(["a", "b", "c", "d"], 15)
    assert difference_margin(one, other, target, few, bootstrap=200, seed=0) == math.inf
    unknown = likeness(one, target, few, bootstrap=200, seed=0, split="test")
    assert (unknown.mae_low, unknown.mae_high) == (0, 2 * unknown.mae)
