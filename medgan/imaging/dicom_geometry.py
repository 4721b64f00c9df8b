"""Where an image of a DICOM file lies in the body, and the shape of its pixels."""

import math
from typing import Any

_PLANES = ("sagittal", "coronal", "axial")
_OBLIQUE = 0.8  # cosine below which a plane is none of the three, as in D. Clunie's PixelMed


def plane(tags: Any) -> str:
    """By the nearest axis of the body to the normal of the image."""
    cosines = tags.get("ImageOrientationPatient")
    if not cosines or len(cosines) != 6:
        return ""
    (a, b, c), (d, e, f) = (list(map(float, cosines[part])) for part in (slice(3), slice(3, 6)))
    normal = [abs(b * f - c * e), abs(c * d - a * f), abs(a * e - b * d)]
    length = math.hypot(*normal)
    if not math.isfinite(length) or length < 1e-3:
        return ""
    largest = max(normal)
    return _PLANES[normal.index(largest)] if largest / length >= _OBLIQUE else "oblique"


def height(tags: Any) -> float:
    """Of a pixel in widths of one; 1 where nothing says so."""
    pair = tags.get("PixelSpacing") or tags.get("PixelAspectRatio") or (1, 1)
    down, across = map(float, pair)
    return down / across if min(down, across) > 0 and math.isfinite(down / across) else 1.0
