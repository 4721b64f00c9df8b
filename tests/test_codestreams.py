"""What compressed images claim to be, without decoding them."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from dicoms import dataset, ramp
from PIL import Image
from pydicom.encaps import get_frame
from pydicom.uid import JPEGLSLossless, RLELossless

from medgan.imaging.codestreams import claimed_size


@pytest.mark.parametrize("components", [1, 3])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"comment": b"x" * 999}), ("JPEG2000", {}),
     ("JPEG2000", {"no_jp2": True})],
)  # fmt: skip
def test_what_pillow_writes(kind: str, options: dict[str, Any], components: int) -> None:
    pixels = np.zeros((20, 31, components), np.uint8).squeeze()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    assert claimed_size(file.getvalue()) == (20, 31, components)


def test_jpeg_ls_has_a_marker_of_its_own_and_run_lengths_claim_nothing() -> None:
    for syntax, expected in ((JPEGLSLossless, (12, 20, 1)), (RLELossless, None)):
        made = dataset(ramp(0, 4095, "u2", (12, 20)))
        made.compress(syntax)
        assert claimed_size(get_frame(made.PixelData, 0, number_of_frames=1)) == expected


def test_what_is_filled_or_torn_or_something_else() -> None:
    head = struct.pack(">HBHHB", 11, 8, 600, 500, 1)
    assert claimed_size(b"\xff\xd8\xff\xff\xff\xc3" + head) == (600, 500, 1)
    assert claimed_size(b"\xff\xd8\xff\xc4\x00\x04\xff\xc0\xff\xf7" + head) == (600, 500, 1)
    assert claimed_size(b"\xff\xd8 no marker") is claimed_size(b"something") is claimed_size(b"") is None
    with pytest.raises(struct.error):
        claimed_size(b"\xff\xd8\xff\xc0\x00")
