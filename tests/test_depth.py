"""Deep images from end to end: what is drawn has the values of the data, and files that we write we read again."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from numpy.typing import NDArray
from typer.testing import CliRunner

from medgan.cli.main import app
from medgan.config.schema import load_config
from medgan.data.spec import ImageSpec, Sample
from medgan.data.store import Prepared
from medgan.export.onnx_file import export
from medgan.imaging.drawn import WRITERS
from medgan.imaging.intensity import EIGHT_BITS, SIXTEEN_BITS, Intensity
from medgan.scores.validation_images import chosen_images, judge_of
from medgan.sources import Source
from medgan.sources.dicom import Dicom
from medgan.sources.folder import Folder
from medgan.sources.nifti import Nifti
from medgan.sources.phantom.source import TWELVE_BITS
from medgan.sources.prepare import prepare
from medgan.training.loop import fit

Values = NDArray[np.floating[Any]]
WINDOWS = {
    "8 bits": EIGHT_BITS,
    "16 bits": SIXTEEN_BITS,
    "12 bits": TWELVE_BITS,
    "HU": Intensity.windowed(-1024, 3071, "HU"),
    "soft tissue": Intensity.windowed(-160.5, 240.25, "HU"),
    # Divided by their steps these two are a hair above and below 65,535 levels.
    "SUV": Intensity.windowed(0, 12.4, "SUV", step=0),
    "low SUV": Intensity.windowed(0, 5.3, "SUV", step=0),
}


def by_window(suffix: str, intensity: Intensity) -> Source:
    """The source that reads files of a suffix in the unit, by options alone."""
    window = (intensity.low, intensity.high)
    if suffix == ".dcm":
        return Dicom(window=window, unit=intensity.unit, allow_burned_in=True)  # as for every copy of a screen
    if suffix == ".nii.gz":
        return Nifti(window=window, unit=intensity.unit)
    return Folder(bits=8 if intensity.levels <= 256 else 16)


def samples(source: Source, raw: Path, size: int) -> Iterator[Sample]:
    """Without any that is rejected."""
    for item in source.samples(raw, ImageSpec(size, 1)):
        for sample in item() if callable(item) else (item,):
            assert isinstance(sample, Sample), sample
            yield sample


def in_unit(stored: NDArray[Any], intensity: Intensity) -> Values:
    return intensity.low + intensity.share(stored) * (intensity.high - intensity.low)


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("suffix", [".dcm", ".nii.gz"])
def test_a_file_that_we_write_has_the_same_values_when_we_read_it(tmp_path: Path, suffix: str, name: str) -> None:
    """In the unit, within one level, both ends of the window among them, and not mirrored."""
    intensity = WINDOWS[name]
    shares = np.random.default_rng(0).random((1, 16, 20), np.float32)
    shares[0, 0, :2] = 0, 1
    WRITERS[suffix](tmp_path / f"drawn{suffix}", 2 * shares - 1, intensity)
    source = by_window(suffix, intensity)
    (sample,) = samples(source, tmp_path, 16)
    assert source.intensity.unit == intensity.unit
    values = in_unit(sample.image[..., 0], source.intensity)
    expected = intensity.low + shares[0] * (intensity.high - intensity.low)
    np.testing.assert_allclose(values, expected, atol=max(intensity.slope, source.intensity.slope))


@pytest.mark.parametrize("name", WINDOWS)
def test_dicom_says_its_window_itself(tmp_path: Path, name: str) -> None:
    intensity = WINDOWS[name]
    shares = np.random.default_rng(0).random((1, 16, 16), np.float32)
    WRITERS[".dcm"](tmp_path / "drawn.dcm", 2 * shares - 1, intensity)
    (sample,) = samples(Dicom(window="file", allow_burned_in=True), tmp_path, 16)
    atol = intensity.slope / (intensity.high - intensity.low)
    np.testing.assert_allclose(SIXTEEN_BITS.share(sample.image[..., 0]), shares[0], atol=atol)


@dataclass(frozen=True)
class Trained:
    prepared: Prepared
    model: Path

    @property
    def real(self) -> Values:
        """The images that no generator has seen, in the unit."""
        return in_unit(self.prepared.images[self.prepared.indices("test")], self.prepared.intensity)


def apart(images: NDArray[np.float32], *, mean: NDArray[np.float32]) -> float:
    """How far the mean of images lies from that of the data: enough to choose between two sets of weights."""
    return float(np.abs(images.mean(axis=0) - mean).mean())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Trained]:
    """The default recipe, 200 steps of it with half the batch, on the same phantoms of 8 bits and of 12."""
    made = {}
    for bits in (8, 12):
        folder = tmp_path_factory.mktemp(f"{bits}-bits")
        config = load_config(ROOT / "recipes" / "default.yaml").override(
            {
                "data.raw": str(ROOT / "data" / "phantom.yaml"),
                "data.options": {"count": 2000, "bits": bits},
                "train.steps": 200,
                "train.evaluations": 1,
                "gan.batch": 16,
            }
        )
        prepared = prepare(config.data, folder / "prepared", seed=config.seed)
        judge = judge_of(prepared, chosen_images(prepared, 64, 0), partial(apart, mean=prepared.mean()))
        ended = fit(config.gan, config.train, prepared, seed=config.seed, judge=judge, directory=folder / "training")
        about = {
            "label_names": json.dumps(prepared.label_names),
            "intensity": json.dumps(asdict(prepared.intensity)),
        }
        made[bits] = Trained(prepared, export(ended.gan, ended.generators, folder / "export", about).path)
    return made


def drawn(trained: Trained, suffix: str, folder: Path) -> Values:
    """What `medgan generate` writes, in the unit, read as a user's files are; --format npy is in the unit already."""
    format_ = suffix.removeprefix(".")
    arguments = ["generate", trained.model, "--count", 256, "--format", format_, "--out", folder]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    (folder / "grid.png").unlink()
    if suffix == ".npy":
        return np.stack([np.load(path) for path in sorted(folder.iterdir())])
    source = by_window(suffix, trained.prepared.intensity)
    stored = np.stack([sample.image for sample in samples(source, folder, 32)])
    # A .png does not know its window: its pixels are the stored values.
    return in_unit(stored, trained.prepared.intensity if suffix == ".png" else source.intensity)


def figures(values: Values) -> NDArray[np.float64]:
    """Mean, standard deviation, first and 99th percentile."""
    return np.array([values.mean(), values.std(), *np.percentile(values, (1, 99))])


@pytest.mark.slow
def test_phantoms_of_twelve_bits_are_those_of_eight_but_finer(trained: dict[int, Trained]) -> None:
    shallow, deep = (trained[bits].prepared for bits in (8, 12))
    assert (shallow.images.dtype, deep.images.dtype, deep.levels) == (np.uint8, np.uint16, 4096)
    assert (deep.splits == shallow.splits).all() and len(np.unique(deep.images)) > 2000
    apart = np.abs(deep.intensity.share(deep.images) - shallow.intensity.share(shallow.images))
    assert apart.max() < 0.6 / 255


@pytest.mark.slow
@pytest.mark.parametrize("suffix", WRITERS)
def test_drawn_images_have_the_values_of_the_real_ones_and_of_the_twin(
    trained: dict[int, Trained], suffix: str, tmp_path: Path
) -> None:
    """In % of the strongest signal, within 5 % of the range of real images."""
    deep, twin = trained[12], trained[8]
    values, real = drawn(deep, suffix, tmp_path / "drawn"), deep.real
    assert len(np.unique(values)) > 2000  # not 256
    allowed = 0.05 * np.ptp(real)
    np.testing.assert_allclose(figures(values), figures(real), atol=allowed)
    twins = drawn(twin, suffix, tmp_path / "twin") / 255 * deep.prepared.intensity.high
    np.testing.assert_allclose(figures(values), figures(twins), atol=allowed)
