"""What raw values mean: a source says it, and 12-bit data fill the range of the networks."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic.dataclasses import dataclass

from medgan.config.schema import Config
from medgan.data.loader import gather
from medgan.data.spec import ImageSpec, Sample
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, Intensity
from medgan.sources import SOURCES
from medgan.sources.prepare import prepare

TWELVE_BITS = Intensity(0, 4095, "a.u.")


@dataclass(frozen=True)
class Detector:
    """Twelve 12-bit images in uint16, each with its darkest and its brightest pixel in a corner."""

    intensity: ClassVar[Intensity] = TWELVE_BITS

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Sample]:
        for index in range(12):
            image = np.random.default_rng(index).integers(0, 4096, (spec.size, spec.size, 1), np.uint16)
            image[0, 0], image[-1, -1] = 0, 4095
            yield Sample(image, patient=f"p{index}", origin=f"scan-{index}", digest=f"d{index}")


@pytest.fixture
def detected(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    monkeypatch.setitem(SOURCES, "detector", Detector)
    values = {"data.source": "detector", "data.options": {}, "data.labels": False}
    return prepare(config.override(values).data, tmp_path / "prepared", seed=0)


def test_twelve_bits_fill_the_range_of_the_networks(detected: Prepared) -> None:
    assert detected.images.dtype == np.uint16 and detected.intensity == TWELVE_BITS
    images = gather(detected, np.arange(12)).image
    assert (images[:, 0, 0, 0] == -1).all() and (images[:, 0, -1, -1] == 1).all()
    assert abs(float(images.mean())) < 0.05
    pictures = detected.pictures(range(12))
    assert (pictures[:, 0, 0] == 0).all() and (pictures[:, -1, -1] == 255).all()
    np.testing.assert_allclose(detected.mean(), gather(detected, detected.learnable()).image.mean(0), atol=1e-6)


def test_equal_pixels_of_another_intensity_are_other_data(
    detected: Prepared, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"data.source": "detector", "data.options": {}, "data.labels": False}
    md5s = {detected.md5}
    for number, changed in enumerate((Intensity(0, 65535), Intensity(0, 4096), replace(TWELVE_BITS, unit="counts"))):
        monkeypatch.setattr(Detector, "intensity", changed)
        md5s.add(prepare(config.override(values).data, tmp_path / str(number), seed=0).md5)
    assert len(md5s) == 3  # a unit changes no number


def test_eight_bits_that_use_a_part_of_their_range_are_stretched(prepared: Prepared) -> None:
    narrow = replace(prepared, images=prepared.images // 4, intensity=Intensity(0, 63))
    assert narrow.pictures(range(9)).max() > 200 >= prepared.images[:9].max() // 4
    same = replace(prepared, intensity=replace(EIGHT_BITS, unit="grey"))
    assert (same.pictures([3, 5]) == prepared.images[[3, 5]]).all()


@pytest.mark.parametrize("bounds", [(1, 1), (5, 2), (0, float("nan")), (float("-inf"), 0)])
def test_bounds_that_are_none_are_a_sentence(bounds: Any) -> None:
    with pytest.raises(MedganError, match=rf"intensity goes from {bounds[0]} to {bounds[1]}; give two finite values"):
        Intensity(*bounds)


def test_shares_go_from_the_lowest_to_the_highest_in_whole_numbers_below_zero_too() -> None:
    hounsfield = Intensity(-1000, 400, "HU")
    assert hounsfield.share(np.array([-1000, -300, 400], np.int16)).tolist() == [0, 0.5, 1]
    assert Intensity(**asdict(hounsfield)) == hounsfield


def test_values_below_zero_are_stored_and_come_back() -> None:
    hounsfield = Intensity.windowed(-1024, 3071, "HU")
    values = np.array([-3024, -1024, -0.4, 40, 3071, 9000])
    stored = hounsfield.stored(values)
    assert stored.dtype == np.uint16 and stored.tolist() == [0, 0, 1024, 1064, 4095, 4095]
    assert hounsfield.bounds == (0, 4095) and hounsfield.levels == 4096
    images = (2 * hounsfield.share(stored) - 1).astype(np.float32)
    np.testing.assert_allclose(hounsfield.values(images), [-1024, -1024, 0, 40, 3071, 3071], atol=1e-3)
    assert Intensity.of_json(json.dumps(asdict(hounsfield))) == hounsfield


@pytest.mark.parametrize(("low", "high", "step"), [(0, 1, 0.0), (-1e6, 3e6, 1.0), (0.25, 0.75, 0.001)])
def test_a_window_has_as_many_steps_as_sixteen_bits_hold(low: float, high: float, step: float) -> None:
    window = Intensity.windowed(low, high, step=step)
    values = np.linspace(low, high, 1000)
    assert window.levels <= 65536
    back = window.values((2 * window.share(window.stored(values)) - 1).astype(np.float32))
    np.testing.assert_allclose(back, values, atol=max(step, (high - low) / 65535))


def test_the_ends_of_a_window_are_whole_levels() -> None:
    """As stored images have them: none of 65,535 may lie above a highest level of 65,534.999999, or be cut by it."""
    for seed in range(500):
        rng = np.random.default_rng(seed)
        low = round(rng.uniform(-3000, 100), 2)
        window = Intensity.windowed(low, low + round(10 ** rng.uniform(-1, 2), 2), step=0)
        assert window.bounds == (0, 65535) and window.stored(np.array([low, window.high])).tolist() == [0, 65535]
    assert Intensity(0, 1, slope=0.4).bounds == (0, 2.5)


@pytest.mark.parametrize("steps", [{"slope": 0.0}, {"slope": -1.0}, {"intercept": float("nan")}])
def test_a_slope_that_is_none_is_a_sentence(steps: Any) -> None:
    with pytest.raises(MedganError, match="give a slope above 0"):
        Intensity(0, 1, **steps)
