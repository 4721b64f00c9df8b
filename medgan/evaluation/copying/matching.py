"""The training image that an image would be a copy of, and how near it is once it is laid on it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from medgan.data.stored import ImageRows
from medgan.evaluation.copying.moving import moved, thumbnails

_QUERIES, _CHUNK = 256, 8192
_DIMENSIONS, _FREQUENCIES, _SPECTRAL, _SAMPLE = 64, 10, 32, 4000
_CANDIDATES, _REFINED, _STEPS = 8, 3, 4
_REACH = 3  # pixels of a thumbnail: of shifts that are tried, and of the border that they can bring into sight
_TINY = 1e-6
Done = Callable[[int], None]


@dataclass(frozen=True)
class Matches:
    """For each of n images the nearest image of a library, and how that one is moved to lie on it.

    score: 2 log d1 - log d2, of the distances to the nearest and the second nearest image: a copy has one neighbour
    that is far nearer than all others. A distance is 1 - correlation after the best gain, offset, mirror, shift and
    turn, without the border. index: of the nearest in the library. shift (n, 2) and angle (n,): see `Pair`.
    """

    score: NDArray[np.float32]
    index: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    shift: NDArray[np.float32]
    angle: NDArray[np.float32]


class Library:
    """Images to be searched, of which thumbnails of at most 8 kB, and 256 bytes of their spectra, stay in memory.

    What is searched by is the size of low frequencies, which a shift does not change, in the directions in which the
    library's images differ most. Noise, gain, JPEG, blur and a small turn hardly change it, a mirror transposes it.
    """

    def __init__(self, images: ImageRows) -> None:
        starts = range(0, len(images), _QUERIES)
        self._small = torch.cat([thumbnails(images[i : i + _QUERIES]).half() for i in starts])
        spectra = [_unit(_spectra(self._small[i : i + _QUERIES].float())) for i in starts]
        every = -(-len(images) // _SAMPLE)
        sample = torch.cat(spectra)[::every]
        self._centre = sample.mean(dim=0)
        _, sizes, directions = torch.linalg.svd(sample - self._centre, full_matrices=False)
        sizes = sizes[:_DIMENSIONS]
        # Partly whitened: large directions are what all images of a class share, small ones are noise.
        self._directions = (directions[:_DIMENSIONS] / (sizes + 0.03 * sizes[0] + _TINY)[:, None]).T
        self._described = torch.cat([self._project(part) for part in spectra])

    def match(self, images: ImageRows, done: Done = lambda _: None) -> Matches:
        """Lay the nearest image of the library on each image (n, C, H, W)."""
        parts = []
        for start in range(0, len(images), _QUERIES):
            small = thumbnails(images[start : start + _QUERIES])
            parts.append(self._matched(small, self._candidates(small)))
            done(start + len(small))
        score, index, mirrored, shift, angle = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
        return Matches(score, index, mirrored, shift, angle)

    def _project(self, spectra: Tensor) -> Tensor:
        projected: Tensor = (spectra - self._centre) @ self._directions
        return F.normalize(projected, dim=1)

    def _candidates(self, small: Tensor) -> Tensor:
        """Indices (n, k) of the images whose spectrum, or whose mirrored one, is most like that of each thumbnail."""
        spectra = _spectra(small)
        wanted = [self._project(_unit(each)) for each in (spectra, spectra.flip(1))]
        values, indices = [], []
        for start in range(0, len(self._described), _CHUNK):
            part = self._described[start : start + _CHUNK].T
            best = torch.maximum(*(each @ part for each in wanted)).topk(min(_CANDIDATES, part.shape[1]))
            values.append(best.values)
            indices.append(best.indices + start)
        most = torch.cat(values, 1)
        return torch.cat(indices, 1).gather(1, most.topk(min(_CANDIDATES, most.shape[1])).indices)

    def _matched(self, small: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        n, k = candidates.shape
        side = small.shape[-1]
        straight = self._small[candidates].float()
        # (n, 2k): each candidate as it is, and mirrored.
        likeness, right, down = _best_shift(small, torch.cat([straight, straight.flip(-1)], 1))
        mirrored = likeness[:, k:] > likeness[:, :k]
        kept = torch.maximum(likeness[:, k:], likeness[:, :k]).topk(min(_REFINED, k)).indices
        flipped = mirrored.gather(1, kept)
        place = kept + k * flipped
        chosen = straight.gather(1, kept[:, :, None, None].expand(-1, -1, side, side))
        chosen = torch.where(flipped[:, :, None, None], chosen.flip(-1), chosen).flatten(0, 1)
        on = small[:, None].expand(-1, kept.shape[1], -1, -1).flatten(0, 1)
        shift = torch.stack([right.gather(1, place), down.gather(1, place)], 2).flatten(0, 1)
        distance, shift, angle = _laid_on(on, chosen, shift)
        distance = distance.view(n, -1)
        near = distance.sort(dim=1)
        first = near.indices[:, :1]
        row = (torch.arange(n)[:, None] * kept.shape[1] + first)[:, 0]
        logs = near.values.log()
        score = 2 * logs[:, 0] - logs[:, min(1, kept.shape[1] - 1)]
        index = candidates.gather(1, kept.gather(1, first))[:, 0]
        return score, index, flipped.gather(1, first)[:, 0], shift[row] / side, angle[row]


def _unit(spectra: Tensor) -> Tensor:
    flat = spectra.flatten(1)
    return F.normalize(flat - flat.mean(dim=1, keepdim=True), dim=1)


def _spectra(small: Tensor) -> Tensor:
    """(n, s, s) to the root of the size of frequencies (n, f, f), zero in the middle; a mirror reverses the rows."""
    if small.shape[-1] > _SPECTRAL:
        small = F.adaptive_avg_pool2d(small[:, None], _SPECTRAL)[:, 0]
    side = small.shape[-1]
    reach, middle = min(_FREQUENCIES, side // 2 - 1), side // 2
    window = torch.hann_window(side, periodic=False).sqrt()
    centred = (small - small.mean(dim=(1, 2), keepdim=True)) * window * window[:, None]
    sizes = torch.fft.fftshift(torch.fft.fft2(centred).abs(), dim=(1, 2))
    near = slice(middle - reach, middle + reach + 1)
    roots: Tensor = sizes[:, near, near].sqrt()
    return roots


def _best_shift(small: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of (n, s, s) and (n, k, s, s): correlation at the best whole shift of the others, and that shift, each (n, k)."""
    side, width = small.shape[-1], 2 * _REACH + 1
    window = torch.hann_window(side, periodic=False).sqrt().sqrt()
    window = window * window[:, None]

    def spectrum(images: Tensor) -> Tensor:
        centred = (images - images.mean(dim=(-1, -2), keepdim=True)) * window
        size = centred.flatten(-2).norm(dim=-1).clamp_min(_TINY)
        frequencies: Tensor = torch.fft.rfft2(centred / size[..., None, None])
        return frequencies

    product = spectrum(small)[:, None] * spectrum(others).conj()
    near = torch.arange(-_REACH, _REACH + 1) % side
    best = torch.fft.irfft2(product, s=(side, side))[:, :, near][..., near].flatten(2).max(dim=2)
    return best.values, (best.indices % width - _REACH).float(), (best.indices // width - _REACH).float()


def _laid_on(on: Tensor, images: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Lay images (n, s, s) on others by least squares over shift, angle, gain and offset (Lucas and Kanade 1981).

    Returns distances (n,), shifts (n, 2) in pixels and angles (n,) in radians.
    """
    side = on.shape[-1]
    inside = slice(_REACH, side - _REACH)
    wanted, angle = on[:, inside, inside], torch.zeros(len(on))
    across = (torch.arange(side) - (side - 1) / 2)[inside]
    for _ in range(_STEPS):
        laid = _moved(images, shift, angle)
        right = ((laid[:, :, 2:] - laid[:, :, :-2]) / 2)[:, inside, _REACH - 1 : side - _REACH - 1]
        down = ((laid[:, 2:] - laid[:, :-2]) / 2)[:, _REACH - 1 : side - _REACH - 1, inside]
        flat = laid[:, inside, inside]
        turning = down * across - right * across[:, None]
        slopes = torch.stack([-right, -down, turning, flat, torch.ones_like(flat)], 1).flatten(2)
        normal = slopes @ slopes.transpose(1, 2)
        scale = normal.diagonal(dim1=1, dim2=2) + _TINY
        normal = normal + torch.diag_embed(1e-4 * scale)
        step = torch.linalg.solve(normal, slopes @ wanted.flatten(1)[:, :, None])[:, :, 0]
        gain = step[:, 3].abs().clamp_min(0.2)[:, None]
        shift = (shift + (step[:, :2] / gain).clamp(-1, 1)).clamp(-_REACH - 1, _REACH + 1)
        angle = (angle + (step[:, 2] / gain[:, 0]).clamp(-0.05, 0.05)).clamp(-0.1, 0.1)
    ours, theirs = (_standard(each[:, inside, inside]) for each in (on, _moved(images, shift, angle)))
    return (1 - (ours * theirs).sum(dim=1)).clamp_min(_TINY), shift, angle


def _moved(images: Tensor, shift: Tensor, angle: Tensor) -> Tensor:
    side = images.shape[-1]
    return moved(images[:, None], shift[:, 0] / side, shift[:, 1] / side, angle)[:, 0]


def _standard(images: Tensor) -> Tensor:
    flat = images.flatten(1)
    return F.normalize(flat - flat.mean(dim=1, keepdim=True), dim=1)
