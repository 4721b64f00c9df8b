"""Pixels of DICOM files mean what the standard says: LUTs, windows, MONOCHROME1, palettes, padding, depths, colours."""

import io
import resource
import struct
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicoms import dataset, lut, ramp, save
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from medgan.imaging.dicom_pixels import read_frames
from medgan.imaging.intensity import Intensity

HU = Intensity.windowed(-1024, 3071, "HU")
MOST = 65535


def image(path: Path, window: Intensity | None = HU, index: int = 0) -> NDArray[Any]:
    (frame,) = read_frames(path, [index], window)
    return frame.image


def shown(folder: Path, made: Dataset, window: Intensity | None = HU, **saving: Any) -> NDArray[np.float64]:
    """Grey values (H, W) in the unit of the window, or shares of the image's own."""
    stored = image(save(folder / "a.dcm", made, **saving), window)[..., 0].astype(np.float64)
    return stored / MOST if window is None else stored * window.slope + window.intercept


@pytest.mark.parametrize(
    ("dtype", "bits", "low", "high"),
    [("u1", 8, 0, 255), ("u2", 10, 0, 1023), ("u2", 12, 0, 4095), ("u2", 16, 0, 65535), ("i2", 16, -2000, 3000),
     ("i2", 12, -2048, 2047), ("i1", 8, -128, 127)],
)  # fmt: skip
def test_every_depth_is_read_in_hounsfield_units(tmp_path: Path, dtype: str, bits: int, low: int, high: int) -> None:
    pixels = ramp(low, high, dtype)
    made = dataset(pixels, BitsStored=bits, RescaleSlope=2, RescaleIntercept=-1000)
    np.testing.assert_array_equal(shown(tmp_path, made), (pixels.astype(float) * 2 - 1000).clip(-1024, 3071))


def test_one_bit_is_read(tmp_path: Path) -> None:
    made = dataset(np.zeros((8, 8), np.uint8), BitsAllocated=1, BitsStored=1, RescaleSlope=None, RescaleIntercept=None)
    made.PixelData = b"\x0f\xf0" * 4
    assert shown(tmp_path, made, None)[:2].tolist() == [[1] * 4 + [0] * 4, [0] * 4 + [1] * 4]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEGLSLossless])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_lossless_syntaxes_give_one_image_and_one_digest(tmp_path: Path, syntax: str, dtype: str) -> None:
    pixels = ramp(0 if dtype[0] == "u" else -900, 250, dtype)
    plain, other = (save(tmp_path / f"{s}.dcm", dataset(pixels), s) for s in (ExplicitVRLittleEndian, syntax))
    (first,), (second,) = (list(read_frames(path, [0], HU)) for path in (plain, other))
    np.testing.assert_array_equal(first.image, second.image)
    assert first.digest == second.digest
    (changed,) = read_frames(save(tmp_path / "c.dcm", dataset(pixels[::-1].copy()), syntax), [0], HU)
    assert changed.digest != first.digest


def test_big_endian_is_read_with_its_palette(tmp_path: Path) -> None:
    pixels, reds = ramp(0, 255, "u1"), np.arange(256, dtype=np.uint16) * 256
    images = []
    for order, syntax in (("<", ExplicitVRLittleEndian), (">", ExplicitVRBigEndian)):
        made = dataset(pixels, PhotometricInterpretation="PALETTE COLOR")
        add_palette(made, reds.astype(f"{order}u2").tobytes(), 16)
        made.file_meta.TransferSyntaxUID = syntax
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        images.append(image(tmp_path / "a.dcm", None))
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0][..., 0], reds[pixels])
    assert not images[0][..., 1].any() and images[0][..., 2].all()


def add_palette(made: Dataset, reds: bytes, bits: int) -> None:
    """Red as given, green nothing, blue full."""
    for name, entries in {"Red": reds, "Green": b"\0" * len(reds), "Blue": b"\xff" * len(reds)}.items():
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [256, 0, bits])
        setattr(made, f"{name}PaletteColorLookupTableData", entries)
        made[f"{name}PaletteColorLookupTableData"].VR = "OW"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEGLSLossless])
def test_text_in_bits_beyond_those_stored_is_cut_off_or_refused(tmp_path: Path, syntax: str) -> None:
    """Scanners once packed overlays there, and drew names with them."""
    pixels = ramp(0, 4095, "u2", (32, 32))
    written = pixels.copy()
    written[4:8, 4:20] |= 0x8000
    packs = syntax == JPEGLSLossless  # its encoder takes no more bits than are said to be stored
    path = save(tmp_path / "a.dcm", dataset(written, BitsStored=16 if packs else 12), syntax)
    if packs:
        made = pydicom.dcmread(path)
        made.BitsStored, made.HighBit = 12, 11
        made.save_as(path)
        with pytest.raises(ValueError, match="more bits than BitsStored says"):
            image(path)
    else:
        units = image(path)[..., 0] * HU.slope + HU.intercept
        np.testing.assert_allclose(units, pixels - 1024.0, atol=HU.slope)


def test_a_modality_lut_comes_before_the_window(tmp_path: Path) -> None:
    made = dataset(ramp(0, 3, "u1", (2, 2)), Modality="XA", RescaleSlope=None, RescaleIntercept=None)
    made.ModalityLUTSequence = [lut(0, [100, 300, 500, 900], 16)]
    made["ModalityLUTSequence"][0].ModalityLUTType = "OD"
    assert shown(tmp_path, made, Intensity.windowed(0, 600)).tolist() == [[100, 300], [500, 600]]
    made.WindowCenter, made.WindowWidth, made.VOILUTFunction = 400, 400, "LINEAR_EXACT"
    np.testing.assert_allclose(shown(tmp_path, made, None), [[0, 0.25], [0.75, 1]], atol=2e-5)


@pytest.mark.parametrize(
    ("function", "expected"), [("LINEAR", 0.5 + 0.5 / 199), ("LINEAR_EXACT", 0.5), ("SIGMOID", 0.5)]
)
def test_the_window_of_the_file_is_its_first(tmp_path: Path, function: str, expected: float) -> None:
    pixels = np.array([[0, 1064], [1000, 2000]], np.uint16)  # 40 HU is the centre
    made = dataset(pixels, BitsStored=12, WindowCenter=[40, -600], WindowWidth=[200, 1500], VOILUTFunction=function)
    values = shown(tmp_path, made, None)
    assert values[0, 0] == pytest.approx(0, abs=1e-4) and values[1, 1] == pytest.approx(1, abs=1e-4)
    assert values[0, 1] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("bits", "most"), [(8, 255), (12, 4095)])
def test_a_voi_lut_may_have_more_entries_than_its_depth(tmp_path: Path, bits: int, most: int) -> None:
    """pydicom alone looks up entry 300 of a table of 8 bits as entry 44."""
    entries = [round(place / 1023 * most) for place in range(1024)]
    made = dataset(ramp(0, 1200, "u2"), Modality="CR", RescaleSlope=None, RescaleIntercept=None)
    made.VOILUTSequence = [lut(0, entries, bits)]
    expected = ramp(0, 1200, "u2").clip(0, 1023) / 1023
    np.testing.assert_allclose(shown(tmp_path, made, None), expected, atol=1 / most)


def test_a_voi_lut_of_8_bits_may_have_two_entries_in_a_word(tmp_path: Path) -> None:
    made = dataset(ramp(0, 255, "u1"), Modality="CR", RescaleSlope=None, RescaleIntercept=None)
    item = lut(0, [*range(255, -1, -1)], 8)
    item.LUTData = bytes(range(255, -1, -1))
    made.VOILUTSequence = [item]
    np.testing.assert_allclose(shown(tmp_path, made, None), 1 - ramp(0, 255, "u1") / 255, atol=1e-5)


def test_pixels_in_higher_bits_than_are_read_are_refused(tmp_path: Path) -> None:
    """pydicom takes the lowest bits, and would wrap values round."""
    made = dataset(ramp(0, 4095, "u2") << 4, BitsStored=12)
    made.HighBit = 15
    with pytest.raises(ValueError, match="its HighBit is 15 where 11 of BitsStored is read"):
        image(save(tmp_path / "a.dcm", made))


def test_a_frame_that_claims_more_than_its_header_is_not_decoded(tmp_path: Path) -> None:
    """As JPEG-LS a file of 700 bytes took 1.6 GB."""
    path = save(tmp_path / "a.dcm", dataset(ramp(0, 4095, "u2")), syntax=JPEGLSLossless)
    whole = path.read_bytes()
    place = whole.rindex(b"\xff\xf7") + 5
    path.write_bytes(whole[:place] + struct.pack(">HH", 20_000, 20_000) + whole[place + 4 :])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="another shape than Rows, Columns and SamplesPerPixel"):
        image(path)
    scale = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * scale < 2**27


def test_a_damaged_tag_that_pixels_alone_need_is_a_reason(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", dataset(ramp(0, 255, "u1")))
    path.write_bytes(path.read_bytes().replace(b"\x28\x00\x02\x01US", b"\x28\x00\x02\x01U\xd3"))  # HighBit
    with pytest.raises(ValueError, match="its header is damaged: a tag that images need cannot be read"):
        image(path)


def test_without_a_window_values_spread_from_least_to_most_but_those_of_8_bits(tmp_path: Path) -> None:
    bare = {"Modality": "MR", "RescaleSlope": None, "RescaleIntercept": None}
    np.testing.assert_allclose(
        shown(tmp_path, dataset(ramp(500, 900, "u2"), **bare), None), (ramp(500, 900, "u2") - 500) / 400, atol=1e-5
    )
    np.testing.assert_allclose(
        shown(tmp_path, dataset(ramp(50, 90, "u1"), **bare), None), ramp(50, 90, "u1") / 255, atol=1e-5
    )


@pytest.mark.parametrize("own", [True, False])
def test_monochrome1_is_turned_round_in_the_window_not_in_the_picture(tmp_path: Path, own: bool) -> None:
    tags: dict[str, Any] = {
        "BitsStored": 12,
        "WindowCenter": 2000,
        "WindowWidth": 4000,
        "VOILUTFunction": "LINEAR_EXACT",
    }
    tags |= {"Modality": "CR", "RescaleSlope": None, "RescaleIntercept": None}
    pixels, window = ramp(500, 1500, "u2"), None if own else Intensity.windowed(0, 4000)
    plain = shown(tmp_path, dataset(pixels, **tags), window)
    turned = shown(tmp_path, dataset(pixels, PhotometricInterpretation="MONOCHROME1", **tags), window)
    np.testing.assert_allclose(plain + turned, 1 if own else 4000, atol=1e-4)
    assert turned.min() > (0.6 if own else 2400)  # of a dim picture the negative is bright


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("limit", [None, -1990])
@pytest.mark.parametrize("unsigned", [True, False])
def test_padding_is_black(tmp_path: Path, kind: str, limit: int | None, unsigned: bool) -> None:
    """Also where files give a negative value as one above 32,767."""
    pixels = np.array([[-2000, -1990], [0, 1000]], np.int16)
    made = dataset(pixels, PhotometricInterpretation=kind, RescaleIntercept=0, PixelPaddingRangeLimit=limit)
    if limit is not None:
        made["PixelPaddingRangeLimit"].VR = "SS"
    made.add_new("PixelPaddingValue", "US" if unsigned else "SS", 2**16 - 2000 if unsigned else -2000)
    window = Intensity.windowed(-3000, 3000)
    inner = -1990.0 if limit is None else -3000.0
    expected = [-3000.0, inner, 0.0, 1000.0]
    if kind == "MONOCHROME1":
        expected = [-3000.0, 1990.0 if limit is None else -3000.0, 0.0, -1000.0]
    assert shown(tmp_path, made, window).ravel().tolist() == expected
    least = image(save(tmp_path / "b.dcm", made), None)[0, 0, 0]
    assert least == 0


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_are_read_in_both_orders(tmp_path: Path, planar: int) -> None:
    pixels = ramp(0, 255, "u1", (8, 8, 3))
    made = dataset(pixels, Modality="XC", RescaleSlope=None, RescaleIntercept=None, PlanarConfiguration=planar)
    if planar:
        made.PixelData = pixels.transpose(2, 0, 1).tobytes()
    path = save(tmp_path / "a.dcm", made)
    np.testing.assert_array_equal(image(path, None), pixels.astype(int) * 257)
    whole = image(path, Intensity(0, 255))
    assert whole.dtype == np.uint8
    np.testing.assert_array_equal(whole, pixels)


@pytest.mark.parametrize("kind", ["YBR_FULL", "YBR_FULL_422"])
def test_luminance_and_chrominance_become_colours(tmp_path: Path, kind: str) -> None:
    red = np.tile(np.array([200, 40, 40], np.uint8), (8, 8, 1))
    ybr = pydicom.pixels.convert_color_space(red, "RGB", "YBR_FULL")
    made = dataset(ybr, Modality="XC", PhotometricInterpretation=kind)
    if kind == "YBR_FULL_422":
        two = ybr.reshape(-1, 2, 3)
        made.PixelData = np.stack([two[:, 0, 0], two[:, 1, 0], two[:, 0, 1], two[:, 0, 2]], axis=1).tobytes()
    colours = image(save(tmp_path / "a.dcm", made), None) / 257
    assert np.abs(colours - red).max() <= 2


@pytest.mark.parametrize(("syntax", "format_"), [(JPEGBaseline8Bit, "JPEG"), (JPEG2000, "JPEG2000")])
def test_lossy_syntaxes_come_through_pillow(tmp_path: Path, syntax: str, format_: str) -> None:
    pixels, file = ramp(0, 255, "u1", (32, 32)), io.BytesIO()
    Image.fromarray(pixels).save(file, format_, **({"no_jp2": True} if format_ == "JPEG2000" else {"quality": 95}))
    made = dataset(pixels, Modality="XC", RescaleSlope=None, RescaleIntercept=None)
    made.PixelData = encapsulate([file.getvalue()])
    made.file_meta.TransferSyntaxUID = syntax
    made["PixelData"].is_undefined_length = True
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert np.abs(image(tmp_path / "a.dcm", None)[..., 0] / 257 - pixels).max() <= 6


@pytest.mark.parametrize("compressed", [False, True])
def test_frames_are_read_one_by_one_with_their_own_slope(tmp_path: Path, compressed: bool) -> None:
    pixels = np.stack([ramp(0, 100, "u2") + 100 * frame for frame in range(3)])
    made = dataset(pixels, NumberOfFrames=3, RescaleSlope=None, RescaleIntercept=None)
    made.PerFrameFunctionalGroupsSequence = []
    for intercept in (0, -100, -200):
        group, transformation = Dataset(), Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept, transformation.RescaleType = 1, intercept, "HU"
        group.PixelValueTransformationSequence = [transformation]
        made.PerFrameFunctionalGroupsSequence.append(group)
    path = save(tmp_path / "a.dcm", made, RLELossless if compressed else ExplicitVRLittleEndian)
    frames = list(read_frames(path, range(3), HU))
    assert [frame.index for frame in frames] == [0, 1, 2] and len({frame.digest for frame in frames}) == 3
    for frame in frames:
        np.testing.assert_array_equal(frame.image[..., 0], ramp(0, 100, "u2") + 1024)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"RescaleIntercept": None}, "not said to be HU"),
        ({"RescaleType": "US"}, "not said to be HU"),
        ({"Modality": "MR"}, "not said to be HU"),
        ({"PixelPaddingValue": 7}, "all its pixels are padding"),
        ({"Columns": 9}, "pixel data .*cut off or damaged"),
    ],
)
def test_images_that_are_in_no_unit_or_empty_are_refused(tmp_path: Path, tags: dict[str, Any], reason: str) -> None:
    made = dataset(np.full((8, 8), 7, np.uint16), **tags)
    with pytest.raises(ValueError, match=reason):
        image(save(tmp_path / "a.dcm", made))


def test_a_rescaling_that_leaves_one_value_of_many_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="makes one value of all"):
        image(save(tmp_path / "a.dcm", dataset(ramp(0, 2000, "u2"), RescaleSlope=0)))
    assert not image(
        save(tmp_path / "b.dcm", dataset(np.zeros((8, 8), np.uint16)))
    ).any()  # it may be one from the first


def test_an_even_image_has_no_range_of_its_own(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", dataset(np.full((8, 8), 7, np.uint16)))
    with pytest.raises(ValueError, match="all its pixels have one value, and it has no window"):
        image(path, None)
    assert set(image(path).ravel()) == {7}


def test_a_window_that_is_none_is_a_reason_without_values(tmp_path: Path) -> None:
    made = dataset(ramp(0, 100, "u2"), WindowCenter=3, WindowWidth=0)
    with pytest.raises(ValueError, match=r"^its LUT, window or palette cannot be applied \(ValueError\)$"):
        image(save(tmp_path / "a.dcm", made), None)


def test_some_call_hounsfield_units_by_other_names(tmp_path: Path) -> None:
    for name in ("HU", "Houndsfield Unit"):
        made = dataset(ramp(0, 100, "u2"), RescaleType=name)
        assert shown(tmp_path, made)[0, 0] == -1024


def test_a_syntax_without_decoder_is_named_with_the_remedy(tmp_path: Path) -> None:
    made = dataset(ramp(0, 100, "u2"))
    made.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
    made["PixelData"].is_undefined_length = True
    for syntax, remedy in (
        (pydicom.uid.JPEGLosslessSV1, "no decoder here; pip install 'medgan\\[gdcm\\]'"),
        (pydicom.uid.MPEG2MPML, "no decoder here; save it as Explicit VR Little Endian"),
        (JPEGLSLossless, "damaged, or of a form that decoders do not take"),
    ):
        made.file_meta.TransferSyntaxUID = syntax
        made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        with pytest.raises(ValueError, match=remedy) as caught:
            image(tmp_path / "a.dcm")
        assert syntax.name in str(caught.value)
