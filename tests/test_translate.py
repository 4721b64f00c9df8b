"""`medgan translate`: every kind of file in and out, its depth, range, size and place, and each mistake a sentence."""

import json
import os
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from test_cli import call, complaint, medgan
from torch import Tensor, nn

from medgan.config.schema import Config
from medgan.data.spec import ImageSpec
from medgan.export.onnx_file import export
from medgan.gans import build_gan
from medgan.imaging.intensity import Intensity
from medgan.runtime.generator import OnnxGenerator
from medgan.runtime.translate import read_source

SIZE = 16
AGAIN = "convert it or save it again"
RNG = np.random.default_rng(0)
Exporter = Callable[..., Path]


class Negative(nn.Module):
    """Of a source, and of as many of its channels as are asked for: what comes out of every pixel is known."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, source: Tensor) -> Tensor:
        return -source[:, : self.channels]


@pytest.fixture(scope="module")
def exported(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Exporter:
    def made(
        source_channels: int, channels: int, network: nn.Module | None = None, intensity: Intensity | None = None
    ) -> Path:
        model = {"name": "unet", "width": 4, "max_width": 8, "levels": 1, "discriminator_width": 4}
        changed = config.override({"gan.name": "translation", "gan.model": model})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            gan = build_gan(changed.gan, ImageSpec(SIZE, channels, source_channels=source_channels))
        generators = gan.generators if network is None else nn.ModuleDict({"generator": network})
        metadata = {"name": "tiny", "label_names": json.dumps([]), "notice": "synthetic; not for diagnosis"}
        metadata |= {"intensity": json.dumps(asdict(intensity))} if intensity else {}
        return export(gan, generators, tmp_path_factory.mktemp("translator"), metadata).path

    return made


@pytest.fixture(scope="module")
def unet(exported: Exporter) -> Path:
    return exported(1, 1)


@pytest.fixture(scope="module")
def grey(exported: Exporter) -> Path:
    return exported(1, 1, Negative(1))


@pytest.fixture(scope="module")
def hounsfield(exported: Exporter) -> Path:
    return exported(1, 1, Negative(1), Intensity.windowed(-1000, 1000, "HU"))


@pytest.fixture(scope="module")
def colour(exported: Exporter) -> Path:
    return exported(3, 3, Negative(3))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new" / "out"


def integers(dtype: str, *shape: int) -> NDArray[Any]:
    """Of the whole range from 0 on."""
    most = np.iinfo(dtype).max
    values = RNG.integers(0, most, shape, endpoint=True)
    values.flat[:2] = 0, most
    return values.astype(dtype)


def floats(dtype: str, *shape: int) -> NDArray[Any]:
    return RNG.uniform(-1, 1, shape).astype(dtype)


def save(path: Path, array: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


def load(path: Path) -> NDArray[Any]:
    return np.load(path) if path.suffix == ".npy" else np.asarray(Image.open(path))


def volume(path: Path, values: NDArray[Any], kind: type[nibabel.Nifti1Image] = nibabel.Nifti1Image) -> Path:
    """Voxels of 1.5 x 2 x 3 mm that are stored as integers of slope 2 and intercept 5."""
    affine = np.array([[0, -2, 0, 10], [1.5, 0, 0, -7], [0, 0, 3, 4], [0, 0, 0, 1]])
    image = kind(values, affine)
    image.header.set_slope_inter(2, 5)
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


def translated(model: Path, *arguments: str | Path, out: Path) -> list[str]:
    """The lines that a call prints."""
    result = call("translate", model, *arguments, "--out", out)
    assert result.exit_code == 0, (result.output, result.exception)
    lines: list[str] = result.output.splitlines()
    assert lines[-1].endswith(f" in {out} (synthetic; not for diagnosis)")
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    return lines


# kinds of files


@pytest.mark.parametrize(
    ("name", "array"),
    [
        pytest.param(name, array, id=f"{name}-{array.dtype.str}-{'x'.join(map(str, array.shape))}")
        for name, array in (
            ("a.png", integers("u1", SIZE, SIZE)),
            ("a.PNG", integers("u2", SIZE, SIZE)),
            ("a.tif", integers("u1", SIZE, SIZE)),
            ("a.tiff", integers("u2", SIZE, SIZE)),
            ("big-endian.tif", integers("u2", SIZE, SIZE).astype(">u2")),
            ("a.npy", integers("u1", SIZE, SIZE)),
            ("a.npy", integers("u2", SIZE, SIZE, 1)),
            ("a.npy", integers("u2", 3, SIZE, SIZE)),
            ("a.npy", integers("u1", 3, SIZE, SIZE, 1)),
            ("a.npy", integers(">u2", SIZE, SIZE)),
        )
    ],
)
def test_integers_keep_name_depth_and_layout(
    grey: Path, tmp_path: Path, out: Path, name: str, array: NDArray[Any]
) -> None:
    source = save(tmp_path / name, array)
    kept = source.read_bytes()
    images = f"{len(array)} images" if len(array) == 3 else "1 image"
    assert translated(grey, source, out=out)[0] == f"{out / name}: {images} of 16x16"
    made = load(out / name)
    expected = array.dtype if name.endswith(".npy") else array.dtype.newbyteorder("=")
    assert (made.dtype, made.shape) == (expected, array.shape)
    assert (made == np.iinfo(array.dtype).max - array).all()
    assert source.read_bytes() == kept
    assert [path.name for path in out.iterdir()] == [name]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
@pytest.mark.parametrize("shape", [(SIZE, SIZE), (SIZE, SIZE, 1), (5, SIZE, SIZE), (1, SIZE, SIZE)])
def test_floats_keep_dtype_layout_and_range(
    grey: Path, tmp_path: Path, out: Path, dtype: str, shape: tuple[int, ...]
) -> None:
    array = floats(dtype, *shape)
    translated(grey, save(tmp_path / "a.npy", array), out=out)
    made = load(out / "a.npy")
    assert (made.dtype, made.shape) == (array.dtype, shape)
    assert np.abs(made.astype(float) + array).max() < (1e-3 if dtype == "f2" else 1e-6)


@pytest.mark.parametrize("name", ["a.jpg", "A.JPEG"])
def test_jpeg_becomes_png(grey: Path, tmp_path: Path, out: Path, name: str) -> None:
    source = save(tmp_path / name, integers("u1", SIZE, SIZE))
    translated(grey, source, out=out)
    (made,) = out.iterdir()
    assert made.name == f"{source.stem}.png"
    with Image.open(made) as picture:
        assert (picture.format, picture.mode) == ("PNG", "L")
    assert (load(made) == 255 - load(source)).all()


@pytest.mark.parametrize(
    ("name", "stack"), [("a.png", ()), ("a.tif", ()), ("a.npy", ()), ("a.npy", (2,)), ("a.jpg", ())]
)
def test_colour(colour: Path, tmp_path: Path, out: Path, name: str, stack: tuple[int, ...]) -> None:
    source = save(tmp_path / name, integers("u1", *stack, SIZE, SIZE, 3))
    translated(colour, source, out=out)
    (made,) = out.iterdir()
    assert load(made).shape == (*stack, SIZE, SIZE, 3)
    assert (load(made) == 255 - load(source)).all()


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz", "V.NII.GZ"])
@pytest.mark.parametrize("shape", [(SIZE, SIZE), (SIZE, SIZE, 5), (SIZE, SIZE, 1), (SIZE, SIZE, 2, 1)])
def test_nifti_keeps_its_place_and_range(
    grey: Path, tmp_path: Path, shape: tuple[int, ...], name: str, kind: type[nibabel.Nifti1Image]
) -> None:
    out, values = tmp_path / "out", RNG.integers(-20, 1000, shape).astype(np.int16)
    before = nibabel.load(volume(tmp_path / name, values, kind))
    raw = before.get_fdata()
    line = translated(grey, tmp_path / name, out=out)[0]
    assert line.endswith(f"the file's minimum {raw.min():g} and maximum {raw.max():g} taken as -1 and 1")
    assert f"{shape[2] if len(shape) > 2 else 1} axial image" in line
    after = nibabel.load(out / name)
    assert type(after) is kind and after.shape == shape
    assert after.get_data_dtype() == np.float32
    assert np.abs(after.get_fdata() - (raw.min() + raw.max() - raw)).max() < 1e-3
    assert (after.affine == before.affine).all()
    assert after.header.get_zooms() == before.header.get_zooms() == (1.5, 2, 3, 1)[: len(shape)]
    for field in ("qform_code", "sform_code", "xyzt_units"):
        assert after.header[field] == before.header[field]
    assert after.header["descrip"].item() == b"synthetic; not for diagnosis"


@pytest.mark.parametrize(
    ("axis", "plane"), [((1, 0, 0), "sagittal "), ((0, -1, 0.3), "coronal "), ((0, 0.3, -1), "axial "), (None, "")]
)
def test_the_plane_of_a_volume_is_said(
    grey: Path, tmp_path: Path, out: Path, axis: tuple[float, ...] | None, plane: str
) -> None:
    """Of slices along the third stored axis, where the file says which way that goes."""
    affine = None
    if axis is not None:
        affine = np.eye(4)
        affine[:3, :3] = np.roll(np.eye(3), int(np.argmax(np.abs(axis))) - 2, axis=0)
        affine[:3, 2] = axis
    values = RNG.integers(0, 99, (SIZE, SIZE, 2)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "v.nii")
    assert translated(grey, tmp_path / "v.nii", out=out)[0].startswith(f"{out / 'v.nii'}: 2 {plane}images of 16x16, ")


def test_a_compressed_volume_is_the_same_bytes_each_time(grey: Path, tmp_path: Path) -> None:
    source = volume(tmp_path / "v.nii.gz", integers("i2", SIZE, SIZE, 2))
    for folder in ("one", "two"):
        translated(grey, source, out=tmp_path / folder)
    assert (tmp_path / "one" / "v.nii.gz").read_bytes() == (tmp_path / "two" / "v.nii.gz").read_bytes()


def test_files_hold_what_the_model_makes_of_each_image(unet: Path, tmp_path: Path, out: Path) -> None:
    stack = floats("f4", 70, SIZE, SIZE)  # more than a batch
    pixels = integers("u1", SIZE, SIZE)
    nibabel.save(nibabel.Nifti1Image(np.moveaxis(stack, 0, -1), np.eye(4)), tmp_path / "v.nii")
    sources = [save(tmp_path / "s.npy", stack), save(tmp_path / "p.png", pixels), tmp_path / "v.nii"]
    translated(unet, *sources[:2], out=out)
    translated(unet, sources[2], "--range", "-1", "1", out=out)
    generator = OnnxGenerator(unet)
    wanted = generator.translate(stack[:, None])[:, 0]
    assert wanted.std() > 0.01
    assert np.abs(load(out / "s.npy") - wanted).max() < 1e-5
    assert np.abs(nibabel.load(out / "v.nii").get_fdata() - np.moveaxis(wanted, 0, -1)).max() < 1e-5
    one = generator.translate((pixels[None, None] / 127.5 - 1).astype(np.float32))
    assert np.abs(load(out / "p.png") - (one[0, 0] + 1) * 127.5).max() <= 0.51


# size


@pytest.mark.parametrize("size", [8, 40, 64])
@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.nii.gz"])
def test_another_size_is_resized_and_restored(grey: Path, tmp_path: Path, out: Path, name: str, size: int) -> None:
    ramp = np.linspace(1000, 60000, size)[:, None] + np.zeros((size, size))
    array = ramp.astype(np.uint16)
    if name.endswith(".gz"):
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / name)
    else:
        save(tmp_path / name, array)
    line = translated(grey, tmp_path / name, out=out)[0]
    image = "axial image" if ".nii" in name else "image"
    assert line.startswith(f"{out / name}: 1 {image} of {size}x{size}, resized to 16x16 and back")
    made = nibabel.load(out / name).get_fdata() if name.endswith(".gz") else load(out / name)
    assert made.shape == array.shape
    low, high = (1000, 60000) if name.endswith(".gz") else (0, 65535)
    assert np.abs(made - (low + high - ramp)).max() < 0.04 * 65535


def test_shrinking_smooths_and_stays_in_range(grey: Path, tmp_path: Path, out: Path) -> None:
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    edges = np.where(np.indices((64, 64))[0] < 32, 0, 255)
    translated(grey, save(tmp_path / "a.npy", np.stack([checks, edges]).astype(np.uint8)), out=out)
    smooth, steep = load(out / "a.npy").astype(int)
    assert np.abs(smooth[8:-8, 8:-8] - 127.5).max() < 8  # every fourth pixel would be all black or all white
    # Lanczos rings at an edge: what leaves the range must not come back at its other end.
    assert steep[:24].min() > 220 and steep[-24:].max() < 35


# range


def test_a_range_of_ones_own_is_mapped_and_clipped(grey: Path, tmp_path: Path, out: Path) -> None:
    array = np.linspace(-999, 999, SIZE * SIZE).reshape(SIZE, SIZE).round().astype(np.int16)
    array.flat[:5] = -1001, -2000, 1001, 32767, 1000
    line = translated(grey, save(tmp_path / "a.npy", array), "--range", "-1000", "1000", out=out)[0]
    assert line.endswith(f", {400 / 256:.2g} % of the values clipped to -1000..1000")
    made = load(out / "a.npy")
    assert made.dtype == np.int16
    assert (made == -np.clip(array, -1000, 1000)).all()


@pytest.mark.parametrize(
    ("name", "array", "given"),
    [
        ("a.npy", RNG.uniform(0, 1, (SIZE, SIZE)), (0, 1)),
        ("a.npy", RNG.uniform(0, 5e4, (1, SIZE, SIZE)).astype(np.float32), (0, 5e4)),
        ("a.npy", RNG.integers(-9, 100_000, (SIZE, SIZE)), (-9, 100_000)),
        ("a.png", RNG.integers(0, 4095, (SIZE, SIZE)).astype(np.uint16), (0, 4095)),
        ("a.png", RNG.integers(100, 200, (SIZE, SIZE)).astype(np.uint8), (100, 200)),
    ],
)
def test_within_a_range_nothing_is_clipped(
    grey: Path, tmp_path: Path, name: str, array: NDArray[Any], given: tuple[float, float]
) -> None:
    out, source = tmp_path / "out", save(tmp_path / name, array)
    line = translated(grey, source, "--range", *map(str, given), out=out)[0]
    assert line == f"{out / name}: 1 image of 16x16"
    made = load(out / name)
    assert made.dtype == array.dtype
    tolerance = 0 if array.dtype.kind in "iu" else 1e-6 * given[1]
    assert np.abs(made - (sum(given) - array.astype(float))).max() <= tolerance


def test_no_level_of_16_bits_is_lost(grey: Path, tmp_path: Path, out: Path) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(-1, SIZE, SIZE)
    translated(grey, save(tmp_path / "a.npy", levels), out=out)
    assert (load(out / "a.npy") == 65535 - levels).all()


def test_a_volume_with_a_range_says_nothing_of_its_own(grey: Path, tmp_path: Path, out: Path) -> None:
    source = volume(tmp_path / "v.nii", RNG.integers(0, 100, (SIZE, SIZE, 2)).astype(np.int16))
    line = translated(grey, source, "--range", "0", "300", out=out)[0]
    assert line == f"{out / 'v.nii'}: 2 axial images of 16x16"
    made = nibabel.load(out / "v.nii").get_fdata()
    assert np.abs(made - (300 - nibabel.load(source).get_fdata())).max() < 1e-3


def test_a_volume_is_in_the_unit_that_the_model_learnt(hounsfield: Path, tmp_path: Path, out: Path) -> None:
    """Not stretched from its own minimum to its own maximum, which are others in each file."""
    source = volume(tmp_path / "v.nii", RNG.integers(-450, 400, (SIZE, SIZE, 2)).astype(np.int16))
    line = translated(hounsfield, source, out=out)[0]
    assert line == f"{out / 'v.nii'}: 2 axial images of 16x16, -1000 and 1000 HU taken as -1 and 1"
    made = nibabel.load(out / "v.nii").get_fdata()
    assert np.abs(made + nibabel.load(source).get_fdata()).max() < 1e-3
    faint = volume(tmp_path / "faint.nii", RNG.integers(0, 100, (SIZE, SIZE)).astype(np.int16))
    assert "-1000 and 1000 HU taken as -1 and 1 though it holds 5 to 203" in translated(hounsfield, faint, out=out)[0]
    line = translated(hounsfield, faint, "--range", "0", "300", "--force", out=out)[0]
    assert line == f"{out / 'faint.nii'}: 1 axial image of 16x16"
    picture = save(tmp_path / "a.png", integers("u1", SIZE, SIZE))
    assert translated(hounsfield, picture, out=out)[0] == f"{out / 'a.png'}: 1 image of 16x16"
    assert (load(out / "a.png") == 255 - load(picture)).all()  # a picture does not say its unit


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (RNG.integers(0, 4095, (SIZE, SIZE)).astype(np.uint16), "0 and 65535 taken as -1 and 1 though it holds "),
        (RNG.uniform(0, 1, (SIZE, SIZE)).astype(np.float32), "-1 and 1 taken as -1 and 1 though it holds "),
        (RNG.integers(0, 200, (SIZE, SIZE)).astype(np.uint8), ""),
        (RNG.uniform(-1, 0.2, (SIZE, SIZE)), ""),
    ],
)
def test_values_that_use_little_of_their_range_are_told(
    grey: Path, tmp_path: Path, out: Path, array: NDArray[Any], says: str
) -> None:
    line = translated(grey, save(tmp_path / "a.npy", array), out=out)[0]
    _, _, rest = line.partition(f": 1 image of {SIZE}x{SIZE}")
    told = f", {says}{array.min():g} to {array.max():g}: give --range LOW HIGH if that is not what its values mean"
    assert rest == (told if says else "")


def test_a_photograph_lies_as_viewers_show_it(grey: Path, tmp_path: Path, out: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn clockwise
    array = integers("u1", SIZE, SIZE)
    Image.fromarray(array).save(tmp_path / "a.png", exif=turned)
    translated(grey, tmp_path / "a.png", out=out)
    assert (load(out / "a.png") == 255 - np.rot90(array, -1)).all()


def test_rounding_beyond_one_is_forgiven(grey: Path, tmp_path: Path, out: Path) -> None:
    array = np.full((SIZE, SIZE), 1 + 1e-6)
    assert "clipped" not in translated(grey, save(tmp_path / "a.npy", array), out=out)[0]
    assert (load(out / "a.npy") == -1).all()


# mistakes


def spoilt(value: float) -> NDArray[Any]:
    array = floats("f4", SIZE, SIZE)
    array[0, :2] = value
    return array


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (spoilt(255), r"a\.npy holds float32 values from -0\.\d+ to 255, and nothing says .*; give --range LOW HIGH$"),
        (np.full((SIZE, SIZE), -1, np.int16), r"a\.npy holds int16 values from -1 to -1, .*--range LOW HIGH$"),
        (integers("i2", SIZE, SIZE), r"a\.npy holds int16 values from 0 to 32767, .*--range LOW HIGH$"),
        (integers("i4", SIZE, SIZE), r"a\.npy holds int32 values from 0 to 2\.14748e\+09, .*--range LOW HIGH$"),
        (spoilt(np.nan), r"a\.npy holds 2 values that are NaN or infinite; replace them, as numpy\.nan_to_num does$"),
        (spoilt(-np.inf), r"a\.npy holds 2 values that are NaN or infinite; replace them"),
        (floats("f4", SIZE, SIZE) > 0, r"a\.npy holds bool values; save it as"),
        (floats("f4", SIZE, SIZE).astype(complex), r"a\.npy holds complex128 values; save it as"),
        (floats("f4", 16, 20), r"a\.npy: 16x20 pixels are no square; crop or pad it to one$"),
        (floats("f4", 16, 16, 3), r"a\.npy: 16x3 pixels are no square"),
        (floats("f4", 2, 16, 20), r"a\.npy: 16x20 pixels are no square"),
        (
            floats("f4", 16),
            r"a\.npy has shape \(16,\); this model takes \(H, W\), \(H, W, 1\), \(N, H, W\) or \(N, H, W, 1\)$",
        ),
        (floats("f4", 2, 16, 16, 3), r"a\.npy has shape \(2, 16, 16, 3\); this model takes"),
        (floats("f4", 0, 16, 16), r"a\.npy (has shape \(0, 16, 16\)|cannot be read)"),
        (np.array([{}], object), r"a\.npy cannot be read \(.*\); convert it or save it again$"),
    ],
)
def test_an_array_that_a_model_does_not_take_is_a_sentence(
    grey: Path, tmp_path: Path, out: Path, array: NDArray[Any], says: str
) -> None:
    good = save(tmp_path / "good.npy", floats("f4", SIZE, SIZE))
    said = complaint("translate", grey, good, save(tmp_path / "a.npy", array), "--out", out)
    assert re.search(says, said) and "\n" not in said
    assert said.startswith(str(tmp_path))
    assert not out.parent.exists()


def deep_colour() -> bytes:
    """A PNG of 16 bits a channel, which Pillow cannot write."""
    head = struct.pack(">IIBBBBB", SIZE, SIZE, 16, 2, 0, 0, 0)
    parts = {b"IHDR": head, b"IDAT": zlib.compress((b"\0" + bytes(6 * SIZE)) * SIZE), b"IEND": b""}
    chunks = (struct.pack(">I", len(body)) + kind + body for kind, body in parts.items())
    sums = (struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk + checked for chunk, checked in zip(chunks, sums, strict=True))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "1", "CMYK", "F", "I"])
def test_pixels_that_a_grey_model_does_not_take(grey: Path, tmp_path: Path, out: Path, mode: str) -> None:
    Image.new(mode, (SIZE, SIZE)).save(tmp_path / "a.tif")
    said = complaint("translate", grey, tmp_path / "a.tif", "--out", out)
    assert said.endswith(
        f"a.tif cannot be read (its pixels are {mode} and this model takes grey of 8 or 16 bits); {AGAIN}"
    )
    assert not out.parent.exists()


def test_deep_pixels_whose_zero_is_white_are_refused(grey: Path, tmp_path: Path, out: Path) -> None:
    """Pillow turns 8 bits round and leaves 16 as they are."""
    for dtype in ("u1", "u2"):
        Image.fromarray(integers(dtype, SIZE, SIZE)).save(tmp_path / f"{dtype}.tif", tiffinfo={262: 0})
    translated(grey, tmp_path / "u1.tif", out=out)
    assert (load(out / "u1.tif") == 255 - load(tmp_path / "u1.tif")).all()
    said = complaint("translate", grey, tmp_path / "u2.tif", "--out", out)
    assert said.endswith(f"u2.tif cannot be read (its 0 is white, which Pillow turns round for 8 bits alone); {AGAIN}")


def test_pixels_that_a_colour_model_does_not_take(colour: Path, tmp_path: Path, out: Path) -> None:
    (tmp_path / "deep.png").write_bytes(deep_colour())
    save(tmp_path / "grey.png", integers("u2", SIZE, SIZE))
    for name, mode in (("deep.png", "RGB;16"), ("grey.png", "I;16")):
        said = complaint("translate", colour, tmp_path / name, "--out", out)
        assert said.endswith(
            f"{name} cannot be read (its pixels are {mode} and this model takes RGB of 8 bits); {AGAIN}"
        )
    for shape in ((SIZE, SIZE), (3, SIZE, SIZE), (SIZE, SIZE, 1)):
        said = complaint("translate", colour, save(tmp_path / "a.npy", floats("f4", *shape)), "--out", out)
        assert said.endswith(f"a.npy has shape {shape}; this model takes (H, W, 3) or (N, H, W, 3)")
    assert not out.parent.exists()


def test_pages_are_not_dropped_in_silence(grey: Path, tmp_path: Path, out: Path) -> None:
    pages = [Image.fromarray(integers("u1", SIZE, SIZE)) for _ in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    said = complaint("translate", grey, tmp_path / "a.tif", "--out", out)
    assert said.endswith(f"a.tif cannot be read (it has 3 pages and one is needed); {AGAIN}")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.npy", "a.nii", "a.nii.gz"])
@pytest.mark.parametrize("damage", ["torn", "text", "empty"])
def test_a_damaged_file_is_a_sentence(grey: Path, tmp_path: Path, out: Path, name: str, damage: str) -> None:
    path = tmp_path / name
    if ".nii" in name:
        volume(path, integers("i2", SIZE, SIZE, 4))
    else:
        save(path, integers("u1", SIZE, SIZE))
    whole = path.read_bytes()
    path.write_bytes({"torn": whole[: len(whole) * 2 // 3], "text": b"mine" * 300, "empty": b""}[damage])
    good = save(tmp_path / "good.png", integers("u1", SIZE, SIZE))
    said = complaint("translate", grey, good, path, "--out", out)
    assert re.search(rf"{re.escape(name)} cannot be read \(.+\); {AGAIN}$", said) and "\n" not in said
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            np.full((SIZE, SIZE, 2), 7.0),
            r"holds float64 values from 7 to 7, and nothing says .*; give --range LOW HIGH$",
        ),
        (spoilt(np.nan), r"holds 2 values that are NaN or infinite"),
        (floats("f4", SIZE, 20, 2), r"v\.nii: 16x20 pixels are no square"),
        # One coronal and one sagittal slice: taken for axial ones they would lie on their side.
        (floats("f4", SIZE, 1, SIZE), r"v\.nii: 16x1 pixels are no square"),
        (floats("f4", 1, SIZE, SIZE), r"v\.nii: 1x16 pixels are no square"),
        (floats("f4", SIZE, SIZE, 2, 2), r"cannot be read \(its shape is \(16, 16, 2, 2\) and \(H, W\) or \(H, W, N\)"),
        (floats("f4", SIZE, SIZE).astype(np.complex64), r"holds complex64 values"),
    ],
)
def test_a_volume_that_a_model_does_not_take_is_a_sentence(
    grey: Path, tmp_path: Path, out: Path, values: NDArray[Any], says: str
) -> None:
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "v.nii")
    assert re.search(says, complaint("translate", grey, tmp_path / "v.nii", "--out", out))
    assert not out.parent.exists()


@pytest.mark.parametrize("given", [("3", "3"), ("5", "-5"), ("nan", "1"), ("0", "inf"), ("-1", "255"), ("0", "256")])
def test_a_range_that_cannot_be_is_a_sentence(grey: Path, tmp_path: Path, out: Path, given: tuple[str, str]) -> None:
    source = save(tmp_path / "a.png", integers("u1", SIZE, SIZE))
    said = complaint("translate", grey, source, "--range", *given, "--out", out)
    assert said == f"--range {' '.join(given)}: {source} takes two uint8 values, the lower one first"
    assert not out.parent.exists()


def test_names_that_are_no_images(grey: Path, tmp_path: Path, out: Path) -> None:
    (tmp_path / "a.txt").write_text("mine")
    choices = ".png, .jpg, .jpeg, .tif, .tiff, .npy, .nii, .nii.gz"
    for name, says in (("a.txt", "is of an unknown kind"), ("absent.png", "is not a file"), ("", "is not a file")):
        said = complaint("translate", grey, tmp_path / name, "--out", out)
        assert said == f"{tmp_path / name} {says}; choices: {choices}"
    assert not out.parent.exists()


def test_a_model_that_does_not_translate_so(tiny_onnx: Path, exported: Exporter, tmp_path: Path, out: Path) -> None:
    source = save(tmp_path / "a.npy", floats("f4", SIZE, SIZE, 3))
    assert complaint("translate", tiny_onnx, source, "--out", out) == (
        "this model draws images from noise and translates none; use `medgan generate`"
    )
    said = complaint("translate", exported(3, 1, Negative(1)), source, "--out", out)
    assert said.startswith("this model turns 3 channels into 1,") and said.endswith("use OnnxGenerator.translate")
    assert not out.parent.exists()


def test_a_source_is_scaled_and_restored(tmp_path: Path) -> None:
    array = integers("u1", 2, 20, 20)
    source = read_source(save(tmp_path / "a.npy", array), 1)
    assert (source.low, source.high, source.clipped) == (0, 255, 0)
    assert source.images.dtype == np.float32 and source.images.shape == (2, 1, 20, 20)
    assert (source.images.min(), source.images.max()) == (-1, 1)
    assert (source.restored(source.images) == array).all()
    # A model that exceeds its range does not wrap around.
    assert (source.restored(3 * source.images) == np.clip(3 * array.astype(int) - 255, 0, 255)).all()


# where files go


def test_inputs_are_never_overwritten(grey: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = save(tmp_path / "in" / "a.jpg", integers("u1", SIZE, SIZE))
    other = save(tmp_path / "other" / "b.png", integers("u1", SIZE, SIZE))
    (tmp_path / "alias").symlink_to(tmp_path / "in")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "c.jpg").symlink_to(source)
    monkeypatch.chdir(tmp_path / "in")
    for paths, folder in (
        ([source], tmp_path / "in"),
        ([other, source], tmp_path / "in"),
        ([source], tmp_path / "alias"),
        ([tmp_path / "alias" / "a.jpg"], tmp_path / "in"),
        ([Path("a.jpg")], Path()),
        ([source], Path("..", "in")),
        ([tmp_path / "links" / "c.jpg"], tmp_path / "links"),
        ([tmp_path / "links" / "c.jpg"], tmp_path / "in"),
    ):
        said = complaint("translate", grey, *paths, "--out", folder)
        assert said == f"--out {folder} is the folder of {paths[-1]}, and no input is overwritten; name another folder"
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.jpg"]


@pytest.mark.parametrize("names", [("x/a.png", "y/a.png"), ("x/a.png", "y/a.jpg"), ("x/a.jpg", "x/a.jpeg")])
def test_two_inputs_of_one_name(grey: Path, tmp_path: Path, out: Path, names: tuple[str, str]) -> None:
    one, other = (save(tmp_path / name, integers("u1", SIZE, SIZE)) for name in names)
    said = complaint("translate", grey, one, other, "--out", out)
    assert said == f"{one} and {other} would both become {out / 'a.png'}; rename one of them"
    assert not out.parent.exists()


def test_a_place_that_cannot_be_looked_at_is_a_sentence(grey: Path, tmp_path: Path, out: Path) -> None:
    source, long = save(tmp_path / "a.png", integers("u1", SIZE, SIZE)), tmp_path / ("a" * 300)
    assert complaint("translate", grey, source, "--out", long).startswith(f"{long} cannot be looked at: ")
    assert complaint("translate", grey, source, long, "--out", out).startswith(f"{long} cannot be looked at: ")
    assert not out.parent.exists()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_place_of_the_folder_is_kept(grey: Path, tmp_path: Path, below: str) -> None:
    source = save(tmp_path / "a.png", integers("u1", SIZE, SIZE))
    (tmp_path / "file").write_text("mine")
    assert "is a file; name a folder" in complaint("translate", grey, source, "--out", tmp_path / "file" / below)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.nii.gz"])
def test_an_older_file_is_kept_or_replaced_whole(grey: Path, tmp_path: Path, out: Path, name: str) -> None:
    """It may be a real image. With --force it is never written into: a second name of it keeps the old bytes."""
    source = tmp_path / name
    old = b""
    for step in range(2):
        if ".nii" in name:
            volume(source, integers("i2", SIZE, SIZE, 2))
        else:
            save(source, integers("u1", SIZE, SIZE))
        if step == 1:
            said = complaint(
                "translate", grey, save(tmp_path / "other.png", integers("u1", SIZE, SIZE)), source, "--out", out
            )
            assert said == f"{out / name} is there already; name another --out, or replace it with --force"
            assert [path.name for path in out.iterdir()] == [name] and (out / name).read_bytes() == old
        translated(grey, source, *["--force"] * step, out=out)
        if step == 0:
            os.link(out / name, tmp_path / "kept")
            old = (tmp_path / "kept").read_bytes()
    assert (tmp_path / "kept").read_bytes() == old != (out / name).read_bytes()


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.nii"])
def test_what_cannot_be_written_leaves_no_half(grey: Path, tmp_path: Path, out: Path, name: str) -> None:
    if ".nii" in name:
        volume(tmp_path / name, integers("i2", SIZE, SIZE, 2))
    else:
        save(tmp_path / name, integers("u1", SIZE, SIZE))
    (out / name / "mine").mkdir(parents=True)
    said = complaint("translate", grey, tmp_path / name, "--out", out, "--force")
    assert said.startswith(f"{out / name} cannot be written: ") and said.endswith("; name another --out")
    assert [path.name for path in out.iterdir()] == [name]


# the program itself


def test_nifti_without_nibabel_is_a_sentence_and_status_2(grey: Path, tmp_path: Path) -> None:
    source = volume(tmp_path / "v.nii", integers("i2", SIZE, SIZE, 2))
    done = medgan("translate", grey, source, cwd=tmp_path, before="sys.modules['nibabel'] = None")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {source} needs nibabel; pip install nibabel\n"
    assert not (tmp_path / "translated").exists()


def test_it_needs_no_training_package(unet: Path, tmp_path: Path) -> None:
    absent = "".join(
        f"sys.modules['{name}'] = None\n"
        for name in ("torch", "torchvision", "mlflow", "optuna", "onnx", "yaml", "scipy", "sklearn", "nibabel")
    )
    sources = [save(tmp_path / "a.png", integers("u2", SIZE, SIZE)), save(tmp_path / "b.npy", floats("f4", 40, 40))]
    done = medgan("translate", unet, *sources, cwd=tmp_path, before=absent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "translated/a.png: 1 image of 16x16",
        "translated/b.npy: 1 image of 40x40, resized to 16x16 and back",
        "2 files in translated (synthetic; not for diagnosis)",
    ]
