"""Samples made what a data set asks for: size, channels, depth and intensity, in one place."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, SIXTEEN_BITS, Intensity
from medgan.sources import SOURCES
from medgan.sources.fit import exceeds, fit, lost, square_pixels
from medgan.sources.prepare import first_sample, prepare

GREY, COLOUR = ImageSpec(16, 1), ImageSpec(16, 3)
HOUNSFIELD = Intensity(24, 1424, "HU + 1024")


def noise(*shape: int, dtype: Any = np.uint8, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def sample(image: NDArray[Any], **fields: Any) -> Sample:
    return Sample(image, patient="p", origin="a.png", digest="d", **fields)


def fitted(item: Sample, spec: ImageSpec = GREY, intensity: Intensity = EIGHT_BITS) -> Sample:
    made = fit(item, spec, intensity)
    assert isinstance(made, Sample), made
    return made


def reason(item: Sample, spec: ImageSpec = GREY) -> str:
    rejected = fit(item, spec, EIGHT_BITS)
    assert isinstance(rejected, Rejected) and rejected.origin == item.origin
    return rejected.reason


@pytest.mark.parametrize("shape", [(40, 16), (16, 40), (100, 50), (8, 20), (64, 64)])
@pytest.mark.parametrize("spec", [GREY, COLOUR])
@pytest.mark.parametrize("channels", [1, 3])
def test_eight_bits_are_what_pillow_makes_of_the_picture(
    shape: tuple[int, int], spec: ImageSpec, channels: int
) -> None:
    image = noise(*shape, channels)
    picture = Image.fromarray(image[..., 0] if channels == 1 else image).convert("L" if spec.channels == 1 else "RGB")
    side, (height, width) = min(shape), shape
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    expected = np.asarray(picture.resize((16, 16), Image.Resampling.LANCZOS, box=box))
    assert np.array_equal(fitted(sample(image), spec).image, expected.reshape(16, 16, spec.channels))


@pytest.mark.parametrize("spec", [GREY, COLOUR])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_not_cut_to_eight(spec: ImageSpec, channels: int) -> None:
    """The same picture in 16 bits gives the same, finer: within a step of 8 bits, and not in steps of 257."""
    coarse = noise(40, 56, channels)
    fine = fitted(sample(coarse.astype(np.uint16) * 257), spec, SIXTEEN_BITS).image
    assert fine.dtype == np.uint16 and fine.shape == (16, 16, spec.channels)
    assert np.abs(fine / 257 - fitted(sample(coarse), spec).image).max() <= 2
    assert (fine % 257 != 0).mean() > 0.9


def test_what_has_the_size_keeps_every_bit() -> None:
    for dtype, intensity in ((np.uint8, EIGHT_BITS), (np.uint16, SIXTEEN_BITS)):
        image = noise(16, 16, 1, dtype=dtype)
        assert np.array_equal(fitted(sample(image), intensity=intensity).image, image)


def test_an_edge_does_not_swing_beyond_the_intensity() -> None:
    """Lanczos' filter overshoots; in 12 bits as in 16 nothing may come out above the highest value or round to 0."""
    image = np.zeros((64, 64, 1), np.uint16)
    image[:, 30:] = 4095
    twelve = fitted(sample(image), intensity=Intensity(0, 4095)).image
    assert twelve.max() == 4095 and twelve.min() == 0
    assert fitted(sample(image * 16), intensity=SIXTEEN_BITS).image.max() > 65520


def test_values_outside_the_intensity_are_clipped() -> None:
    item = sample(noise(40, 40, 1, dtype=np.uint16), source=noise(16, 16, 1, dtype=np.uint16))
    made = fitted(item, intensity=HOUNSFIELD)
    assert made.source is not None
    assert (made.source.min(), made.source.max(), made.image.max()) == (24, 1424, 1424)
    assert exceeds(item, HOUNSFIELD) and not exceeds(made, HOUNSFIELD) and not exceeds(item, SIXTEEN_BITS)
    assert exceeds(replace(made, source=item.source), HOUNSFIELD)


def test_masks_follow_their_image_by_the_nearest_pixel() -> None:
    image, mask = np.zeros((64, 96, 1), np.uint8), np.zeros((64, 96, 2), np.uint8)
    image[16:32, 48:64] = 200
    mask[16:32, 48:64, 1] = 1
    made = fitted(sample(image, mask=mask))
    assert made.mask is not None and made.mask.shape == (16, 16, 2) and made.mask.dtype == np.uint8
    assert not made.mask[..., 0].any()
    assert np.array_equal(made.mask[..., 1], made.image[..., 0] > 100)
    assert made.mask.sum() == 16


def test_a_source_is_fitted_by_itself() -> None:
    source = noise(32, 32, 3)
    made = fitted(sample(noise(64, 64, 1), source=source))
    assert made.source is not None and np.array_equal(made.source, fitted(sample(source)).image)


def test_modalities_are_not_mixed_like_colours() -> None:
    image, source = noise(64, 64, 1), noise(64, 64, 3)
    made = fitted(sample(image, source=source, colour=False))
    assert made.source is not None and made.source.shape == (16, 16, 3)
    for channel in range(3):
        alone = fitted(sample(source[..., channel : channel + 1])).image
        assert np.array_equal(made.source[..., channel : channel + 1], alone)
    assert "3 channels and data.channels is 1" in reason(sample(source, colour=False))


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (sample(noise(20, 20, 2)), "its image has 2 channels and data.channels is 1"),
        (sample(noise(20, 20, 1).astype(np.float32)), "its pixels are float32 (20, 20, 1)"),
        (sample(noise(20, 20)), "its pixels are uint8 (20, 20)"),
        (sample(noise(20, 20, 1), mask=noise(16, 20, 1)), "its mask has 16x20 and its image 20x20 pixels"),
    ],
)
def test_what_cannot_be_fitted_is_rejected_with_a_reason(item: Sample, says: str) -> None:
    assert says in reason(item)


# In `prepare`.


class Scanner:
    """Given samples, one after the other; counts those that were asked for."""

    def __init__(self, items: list[Sample | Rejected], intensity: Intensity = EIGHT_BITS) -> None:
        self.items, self.intensity, self.asked = items, intensity, 0

    def samples(self, raw: Path, spec: ImageSpec) -> Any:
        for item in self.items:
            self.asked += 1
            yield item


def scanned(config: Config, scanner: Scanner, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("medgan.sources.prepare.build", lambda *_: scanner)
    return config.override({"data.labels": False}).data


def test_what_is_clipped_is_told_once(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    images = [noise(16, 16, 1, dtype=np.uint16, seed=index) // (1 if index < 5 else 64) for index in range(9)]
    items = [replace(sample(image), patient=f"{i}", digest=f"{i}") for i, image in enumerate(images)]
    data = scanned(config, Scanner([*items], Intensity(0, 1023, "counts")), monkeypatch)
    prepared = prepare(data, tmp_path / "prepared", seed=0)
    assert prepared.images.max() == 1023
    (record,) = caplog.records
    assert record.getMessage() == "5 images have values outside 0 to 1023 counts, which are clipped"


def test_the_first_sample_is_fitted_and_no_other_is_read(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = Scanner([Rejected("torn", "it is"), *(sample(noise(40, 40, 3), source=noise(40, 40, 3)) for _ in "abc")])
    first = first_sample(scanned(config, scanner, monkeypatch))
    assert first.image.shape == (16, 16, 1) and first.source is not None and first.source.shape == (16, 16, 1)
    assert scanner.asked == 2


def test_a_source_of_which_nothing_can_be_used_is_a_sentence(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = Scanner([Rejected("torn", "it is"), sample(noise(40, 40, 2))])
    with pytest.raises(MedganError, match=r"no usable image \(2 rejected; first reason: torn: it is\)"):
        first_sample(scanned(config, scanner, monkeypatch))


def test_every_source_declares_its_intensity() -> None:
    assert all("intensity" in vars(source) for source in SOURCES.values())


@pytest.mark.parametrize(("height", "shape"), [(2.0, (40, 20)), (0.5, (20, 40)), (4 / 3, (27, 20))])
def test_pixels_become_squares(height: float, shape: tuple[int, int]) -> None:
    ramp = np.broadcast_to(np.linspace(0, 4000, 20).astype(np.uint16)[:, None, None], (20, 20, 1))
    squares = square_pixels(ramp, height)
    assert squares.shape == (*shape, 1) and squares.dtype == np.uint16
    rows = np.linspace(0.5, 19.5, shape[0]) / 19 * 4000 - 4000 / 38
    assert np.abs(squares[3:-3, 0, 0].astype(float) - rows[3:-3]).max() < 60


@pytest.mark.parametrize("shape", [(40, 20), (20, 40), (8, 4), (64, 63)])
def test_a_letterbox_keeps_every_side_and_the_shape(shape: tuple[int, int]) -> None:
    """White on black: what is white is as wide and high as the image, in the middle, and nothing is stretched."""
    white = np.full((*shape, 1), 200, np.uint8)
    for item, spec in ((sample(white), GREY), (sample(white, mask=np.ones((*shape, 2), np.uint8)), GREY)):
        made = fit(item, spec, EIGHT_BITS, "letterbox")
        assert isinstance(made, Sample)
        rows, columns = np.nonzero(made.image[..., 0] == 200)
        height, width = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
        assert (height, width) == tuple(round(side * 16 / max(shape)) for side in shape)
        assert abs(2 * rows.mean() - 15) <= 1 and abs(2 * columns.mean() - 15) <= 1
        if made.mask is not None:
            assert np.array_equal(made.mask[..., 1] == 1, made.image[..., 0] > 0)


def test_padding_enlarges_nothing() -> None:
    small, large = noise(6, 10, 1), noise(40, 20, 1)
    padded = fit(sample(small), GREY, EIGHT_BITS, "pad")
    assert isinstance(padded, Sample) and np.array_equal(padded.image[5:11, 3:13], small)
    assert padded.image.sum() == small.sum()
    letterboxed = [fit(sample(large), GREY, EIGHT_BITS, how) for how in ("pad", "letterbox")]  # type: ignore[arg-type]
    assert np.array_equal(*(made.image for made in letterboxed if isinstance(made, Sample)))


def test_borders_are_as_dark_as_the_darkest_value() -> None:
    made = fit(sample(noise(40, 20, 1, dtype=np.uint16) // 64 + 100), GREY, HOUNSFIELD, "letterbox")
    assert isinstance(made, Sample) and (made.image[:, :4] == 24).all() and (made.image[:, 12:] == 24).all()


@pytest.mark.parametrize(("shape", "share"), [((40, 30), 0.25), ((20, 200), 0.9), ((64, 63), 0.0), ((16, 16), 0.0)])
def test_what_cropping_takes_is_told(shape: tuple[int, int], share: float) -> None:
    assert lost(sample(noise(*shape, 1)), 16) == pytest.approx(share)
