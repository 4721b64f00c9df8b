"""How near translated images are to their targets, pixel by pixel: scores that need pairs.

`published` keeps the formulas of a published T1 to T2 lab, to be compared with its table and with nothing else.
`standard` is piq's. SSIM: Wang et al. 2004. MS-GMSD: Zhang et al. 2017. MDSI: Nafchi et al. 2016. HaarPSI: Reisenhofer
et al. 2018. The two kinds of PSNR and SSIM share a name and a direction, never a table.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from medgan.errors import MedganError
from medgan.imaging.arrays import Images
from medgan.scores.figures import Likeness, PublishedScores, StandardScores
from medgan.scores.patients import FEWEST
from medgan.seeds import numpy_generator

_BATCH = 5
_C1, _C2 = 0.01, 0.03
_LEAST_ERROR = 1e-8
_CHUNK = 100
_ROUNDING = 1e-5
_SMALLEST = {"ssim": 11, "haarpsi": 16, "ms_gmsd": 17}


def likeness(
    generated: Images, target: Images, patients: NDArray[np.int64], *, bootstrap: int, seed: int, split: str
) -> Likeness:
    """Every paired score of images (N, C, H, W) in [-1, 1]; patients (N,). Raises MedganError as `published` does."""
    near = published(generated, target)
    mae, margin = _over_patients(absolute_errors(generated, target), patients, bootstrap, seed)
    margin = margin if math.isfinite(margin) else mae  # JSON has no infinity
    return Likeness(
        mae=mae,
        mae_low=mae - margin,
        mae_high=mae + margin,
        standard=standard(generated, target),
        published=near,
        n=len(target),
        split=split,
    )


def difference_margin(
    one: Images, other: Images, target: Images, patients: NDArray[np.int64], *, bootstrap: int, seed: int
) -> float:
    """1.96 bootstrap standard deviations of the difference of two MAEs on the same targets.

    It is far below that of either MAE: what is hard for one model is hard for the other. Infinite where there are too
    few patients to know.
    """
    return _over_patients(absolute_errors(one, target) - absolute_errors(other, target), patients, bootstrap, seed)[1]


def absolute_errors(generated: Images, target: Images) -> NDArray[np.float64]:
    """(N,): of each of the images (N, C, H, W), on [-1, 1]. Raises MedganError as `published` does."""
    _check(generated, target)
    errors: NDArray[np.float64] = np.abs(generated - target).mean(axis=(1, 2, 3), dtype=np.float64)
    return errors


def published(generated: Images, target: Images) -> PublishedScores:
    """Scores of images (N, C, H, W) in [-1, 1] in batches of 5, in order: another order gives other scores.

    PSNR is -10 log10 of the batch's squared error; below 1e-8 that counts as 1e-8 (80 dB, where piq ends too), so that
    a batch equal to its targets keeps the mean finite. SSIM takes means, variances (n - 1) and covariance (n) of the
    batch as a whole, with C1 = 0.01 and C2 = 0.03, neither squared.
    Raises MedganError for arrays of differing or other shapes, or values outside [-1, 1].
    """
    _check(generated, target)
    starts = range(0, len(target), _BATCH)
    batches = [_published_batch(generated[i : i + _BATCH], target[i : i + _BATCH]) for i in starts]
    mae, psnr, ssim = np.mean(batches, axis=0)
    return PublishedScores(mae=float(mae), psnr=float(psnr), ssim=float(ssim))


def standard(generated: Images, target: Images) -> StandardScores:
    """Scores of images (N, C, H, W) in [-1, 1], C 1 (grey) or 3 (taken for RGB).

    Raises MedganError as `published` does, or for another number of channels.
    """
    means = _by_piq(("psnr", "ssim", "ms_gmsd", "mdsi", "haarpsi"), generated, target)
    return StandardScores(
        psnr=means["psnr"],
        ssim=means.get("ssim"),
        ms_gmsd=means.get("ms_gmsd"),
        mdsi=means["mdsi"],
        haarpsi=means.get("haarpsi"),
    )


def windowed_ssim(generated: Images, target: Images) -> float:
    """The SSIM of `standard` alone, of images of 11 pixels and more a side."""
    return _by_piq(("ssim",), generated, target)["ssim"]


def check_paired(paired: bool) -> None:
    """Raise MedganError where images are not pairs."""
    if not paired:
        raise MedganError(
            "MAE, PSNR, SSIM and the other paired scores compare an image with its own target, which images drawn "
            "from noise do not have; set train.score: fid, which compares sets of images, or translate "
            "(gan.name: translation or cyclegan)"
        )


def _over_patients(
    values: NDArray[np.float64], patients: NDArray[np.int64], bootstrap: int, seed: int
) -> tuple[float, float]:
    """The mean, and 1.96 standard deviations of it when patients are drawn with replacement; infinite if too few."""
    codes = np.unique(patients, return_inverse=True)[1]
    counts, sums = np.bincount(codes), np.bincount(codes, values)
    if len(counts) < FEWEST:
        return float(values.mean()), math.inf
    drawn = numpy_generator(seed, "bootstrap").integers(len(counts), size=(bootstrap, len(counts)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return float(values.mean()), 1.96 * float(np.std(means, ddof=1))


def _by_piq(names: Sequence[str], generated: Images, target: Images) -> dict[str, float]:
    """Means over images, without the scores for which they are too small."""
    import piq  # noqa: PLC0415 (brings torchvision, which takes seconds)

    _check(generated, target)
    if target.shape[1] not in (1, 3):
        # piq's MS-GMSD and HaarPSI would score the first channel alone and say nothing.
        raise MedganError(f"images have {target.shape[1]} channels: piq scores grey (1) and RGB (3); score each apart")
    functions = {
        "psnr": piq.psnr,
        "ssim": piq.ssim,
        "ms_gmsd": piq.multi_scale_gmsd,
        "mdsi": piq.mdsi,
        "haarpsi": piq.haarpsi,
    }
    side = min(target.shape[2:])
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in names if side >= _SMALLEST.get(name, 1)}
    for i in range(0, len(target), _CHUNK):
        pair = [_unit_range(images[i : i + _CHUNK]) for images in (generated, target)]
        for name, values in parts.items():
            # MDSI is defined on RGB; piq would repeat a grey channel as well, but warn.
            seen = [images.expand(-1, 3, -1, -1) for images in pair] if name == "mdsi" else pair
            values.append(functions[name](*seen, data_range=1.0, reduction="none"))
    if "haarpsi" in parts:
        # It ends at 1, but piq rounds to above that, and gives infinity where both images are black.
        parts["haarpsi"] = [values.clamp(max=1) for values in parts["haarpsi"]]
    return {name: float(torch.cat(values).double().mean()) for name, values in parts.items()}


def _published_batch(generated: Images, target: Images) -> tuple[float, float, float]:
    """MAE, PSNR, SSIM."""
    g, t = generated.astype(np.float64), target.astype(np.float64)
    mean_g, mean_t = g.mean(), t.mean()
    covariance = ((t - mean_t) * (g - mean_g)).mean()
    similar = (2 * mean_t * mean_g + _C1) * (2 * covariance + _C2)
    spread = (mean_t**2 + mean_g**2 + _C1) * (t.var(ddof=1) + g.var(ddof=1) + _C2)
    psnr = -10 * np.log10(max(((t - g) ** 2).mean(), _LEAST_ERROR))
    return float(np.abs(t - g).mean()), float(psnr), float(similar / spread)


def _unit_range(images: Images) -> torch.Tensor:
    """[-1, 1] to [0, 1], outside which piq takes nothing."""
    return torch.from_numpy(np.clip((images + 1) / 2, 0, 1))


def _check(generated: Images, target: Images) -> None:
    if generated.shape != target.shape or target.ndim != 4 or not target.size:
        raise MedganError(
            f"images {generated.shape} against targets {target.shape}: paired scores need one target an image, "
            "both (N, C, H, W) and not empty"
        )
    for name, images in (("images", generated), ("targets", target)):
        low, high = float(images.min()), float(images.max())
        # A NaN fails as well. ONNX Runtime's tanh ends at 1.0000002.
        if not (low >= -1 - _ROUNDING and high <= 1 + _ROUNDING):
            raise MedganError(f"{name} have values from {low:g} to {high:g}: paired scores are taken on [-1, 1]")
