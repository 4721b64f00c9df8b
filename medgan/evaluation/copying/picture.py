"""The closest pairs as a picture: what was drawn beside what it would be a copy of."""

import numpy as np
import torch

from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.evaluation.copying.figures import CopyAudit, Pair
from medgan.evaluation.copying.moving import moved
from medgan.imaging.arrays import Images


def closest_pairs(audit: CopyAudit, drawn: Images, data: Prepared) -> list[Images]:
    """A column a pair; rows: drawn, its training image laid on it, a held-out one, its training image laid on it.

    drawn: the images (n, C, H, W) that were audited.
    """
    closest = drawn[[pair.image for pair in audit.closest]]
    held_out = _stored(data, [pair.image for pair in audit.held_out])
    return [closest, _laid(data, audit.closest), held_out, _laid(data, audit.held_out)]


def _laid(data: Prepared, pairs: tuple[Pair, ...]) -> Images:
    images = torch.from_numpy(_stored(data, [pair.training for pair in pairs]))
    mirrored = torch.tensor([pair.mirrored for pair in pairs])[:, None, None, None]
    shifts, angles = torch.tensor([pair.shift for pair in pairs]), torch.tensor([pair.angle for pair in pairs])
    return moved(torch.where(mirrored, images.flip(3), images), shifts[:, 0], shifts[:, 1], angles).numpy()


def _stored(data: Prepared, indices: list[int]) -> Images:
    return np.ascontiguousarray(StoredImages(data, np.array(indices))[:])
