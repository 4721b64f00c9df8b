"""A picture as people have it, at the size and with the channels that a data set asks for."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgan.data.spec import ImageSpec


def fitted(picture: Image.Image, spec: ImageSpec) -> NDArray[np.uint8]:
    """(size, size, channels) of 8-bit pixels; the shorter side is fitted and the longer one cropped at the centre."""
    image = picture.convert("L" if spec.channels == 1 else "RGB")
    if image.size != (spec.size, spec.size):
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        image = image.resize((spec.size, spec.size), Image.Resampling.LANCZOS, box=box)
    return np.asarray(image, dtype=np.uint8).reshape(spec.size, spec.size, spec.channels)
