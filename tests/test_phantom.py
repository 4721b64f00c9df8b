"""The numerical head: deterministic, labelled, with lesions where the masks say."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from medgan.config.checking import build
from medgan.data.spec import ImageSpec, Sample
from medgan.errors import MedganError
from medgan.sources.phantom.lesions import LESIONS
from medgan.sources.phantom.source import Phantom

TABLE = Path(__file__).parents[1] / "data" / "phantom.yaml"


def render(phantom: Phantom, size: int = 32, raw: Path = TABLE) -> list[Sample]:
    samples = list(phantom.samples(raw, ImageSpec(size, len(phantom.modalities))))
    assert all(isinstance(sample, Sample) for sample in samples)
    return [sample for sample in samples if isinstance(sample, Sample)]


def pixels(samples: list[Sample]) -> Any:
    return np.stack([sample.image for sample in samples]).astype(float)


def edited(folder: Path, section: str, name: str, value: object) -> Path:
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    if value is None:
        del table[section][name]
    else:
        table[section][name] = value
    path = folder / "phantom.yaml"
    path.write_text(yaml.safe_dump(table), encoding="utf-8")
    return path


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    once, again, other = render(Phantom(count=12)), render(Phantom(count=12)), render(Phantom(count=12, seed=1))
    assert [sample.digest for sample in once] == [sample.digest for sample in again]
    assert not {sample.digest for sample in once} & {sample.digest for sample in other}


def test_a_patient_does_not_depend_on_the_number_of_images() -> None:
    # 300 crosses the border of a chunk, and 7 ends in the middle of a patient.
    many = render(Phantom(count=300))
    for count in (1, 7, 90):
        few = render(Phantom(count=count))
        assert len(few) == count
        for one, same in zip(few, many, strict=False):
            assert (one.digest, one.origin, one.label) == (same.digest, same.origin, same.label)
            assert one.mask is not None
            assert same.mask is not None
            assert np.array_equal(one.mask, same.mask)


def test_each_image_is_named_once_and_patients_keep_one_label() -> None:
    samples = render(Phantom(count=80))
    labels = {(sample.patient, sample.label) for sample in samples}
    assert len(labels) == len({sample.patient for sample in samples}) == 20
    assert [sum(label == name for _, label in labels) for name in Phantom().lesions] == [5] * 4
    assert len({sample.origin for sample in samples}) == len({sample.digest for sample in samples}) == 80


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("modalities", [("T1w",), ("T1w", "T2w", "PD")])
def test_images_and_masks_have_the_shape_of_the_spec(size: int, modalities: tuple[str, ...]) -> None:
    for sample in render(Phantom(count=2, slices=2, lesions=("plaques",), modalities=modalities), size):
        assert sample.image.shape == (size, size, len(modalities))
        assert sample.image.dtype == np.uint8
        assert sample.source is None
        assert sample.mask is not None
        assert sample.mask.shape == (size, size, 1)
        assert sample.mask.dtype == np.uint8
        assert set(np.unique(sample.mask)) == {0, 1}
        # A head fills the middle of a dark picture and uses the range.
        border = np.concatenate([sample.image[0], sample.image[-1]])
        assert border.mean() < 12
        assert sample.image[size // 4 : -size // 4, size // 4 : -size // 4].mean() > 40
        assert sample.image.max() > 150


@pytest.mark.parametrize("lesion", sorted(LESIONS))
def test_every_slice_shows_its_lesion_and_its_mask_says_where(lesion: str) -> None:
    ill = Phantom(count=64, lesions=(lesion,), noise=0)
    # The same patients without the lesion: whatever differs is the lesion.
    change = np.abs(pixels(render(ill)) - pixels(render(replace(ill, lesions=("healthy",)))))
    masks = np.stack([sample.mask for sample in render(ill) if sample.mask is not None])
    if lesion == "healthy":
        assert masks.sum() == change.sum() == 0
        return
    assert masks.any((1, 2, 3)).all()
    for one, mask in zip(change, masks, strict=True):
        assert one[mask == 1].mean() > 12
        assert one[mask == 0].mean() < 2
        assert mask.mean() < 0.25


def test_contrast_of_lesions_can_be_lowered(tmp_path: Path) -> None:
    faint = tmp_path / "phantom.yaml"
    text = TABLE.read_text(encoding="utf-8")
    faint.write_text(text.replace("lesion_contrast: 1.0", "lesion_contrast: 0.5"), encoding="utf-8")
    phantom = Phantom(count=8, lesions=("tumour",), noise=0)
    healthy = pixels(render(replace(phantom, lesions=("healthy",))))
    full, half = (np.abs(pixels(render(phantom, raw=raw)) - healthy).sum() for raw in (TABLE, faint))
    assert 0.2 * full < half < 0.8 * full


def test_fluid_is_bright_in_t2w_and_dark_in_t1w() -> None:
    samples = render(Phantom(count=16, slices=1, lesions=("healthy",), modalities=("T1w", "T2w"), noise=0), 64)
    for sample in samples:
        # Between the temples the brain holds ventricles (fluid) and white matter: the extremes of both pictures.
        t1, t2 = sample.image[22:42, 20:44].astype(float).transpose(2, 0, 1)
        fluid, white = t2 > 0.9 * t2.max(), t2 < np.percentile(t2, 25)
        assert t2[fluid].mean() > 1.8 * t2[white].mean()
        assert t1[fluid].mean() < 0.6 * t1[white].mean()


def test_a_paired_source_shows_the_same_slice() -> None:
    options = Phantom(count=8, modalities=("T2w",), source_modalities=("T1w",), noise=0)
    targets = render(replace(options, source_modalities=()))
    sources = render(replace(options, modalities=("T1w",), source_modalities=()))
    for pair, target, source in zip(render(options), targets, sources, strict=True):
        assert pair.source is not None
        assert np.array_equal(pair.image, target.image)
        assert np.array_equal(pair.source, source.image)


def test_slices_of_a_patient_look_more_alike_than_patients() -> None:
    images = pixels(render(Phantom(count=64, slices=4, lesions=("healthy",)))).reshape(16, 4, -1)
    within = np.abs(images[:, 0] - images[:, 1]).mean()
    between = np.abs(images[1:, 0] - images[:-1, 0]).mean()
    assert 0 < within < 0.7 * between


def test_noise_is_as_strong_as_asked() -> None:
    clean, noisy = (pixels(render(Phantom(count=40, slices=1, noise=noise))) for noise in (0, 0.03))
    inside = clean > 60
    assert np.std((noisy - clean)[inside]) == pytest.approx(0.03 * 235, rel=0.1)


def test_twelve_bits_are_the_same_heads_in_a_unit() -> None:
    eight, twelve = (
        Phantom(count=12, source_modalities=("T1w",)),
        Phantom(count=12, source_modalities=("T1w",), bits=12),
    )
    assert (eight.intensity.unit, twelve.intensity.unit, twelve.intensity.levels) == ("", "%", 4096)
    for coarse, fine in zip(render(eight), render(twelve), strict=True):
        assert fine.source is not None and coarse.source is not None and fine.mask is not None
        for image, other in ((fine.image, coarse.image), (fine.source, coarse.source)):
            assert image.dtype == np.uint16 and image.max() > 2000
            assert np.abs(image / 4095 * 255 - other).max() < 0.6
        assert np.array_equal(fine.mask, coarse.mask)
        # The strongest signal is 100 %, as it is level 235 of 255.
        assert twelve.intensity.high / 255 * 235 == pytest.approx(100)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lesions": ["healthy", "tumor"]}, ["tumor", "did you mean 'tumour'", "meningioma"]),
        ({"lesions": []}, ["data.options.lesions"]),
        ({"count": 0}, ["data.options.count"]),
        ({"noise": -0.1}, ["data.options.noise"]),
        ({"slice": 4}, ["data.options.slice", "did you mean 'slices'"]),
    ],
)
def test_a_wrong_option_is_a_sentence(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(MedganError) as error:
        build({"phantom": Phantom}, "phantom", options, "data.options")
    assert all(word in str(error.value) for word in words)


def test_modalities_must_fit_the_channels_and_the_table() -> None:
    with pytest.raises(MedganError, match=r"data.channels is 3 .*T2w.*one modality a channel"):
        Phantom().samples(TABLE, ImageSpec(32, 3))
    with pytest.raises(MedganError, match=r"phantom.yaml: modalities.T2 is missing.*did you mean 'T2w'.*PD"):
        Phantom(source_modalities=("T2",)).samples(TABLE, ImageSpec(32, 1))


@pytest.mark.parametrize(
    ("section", "name", "value", "words"),
    [
        ("tissues", "grey", None, ["tissues.grey is missing", "pd, t1, t2"]),
        ("tissues", "grey", {"pd": 1, "t1": -5, "t2": 80}, ["tissues.grey.t1", "-5", "above 0"]),
        ("tissues", "cyst", {"pd": 1, "t1": 900}, ["tissues.cyst.t2", "None"]),
        ("tissues", "cyst", {"pd": "much", "t1": 900, "t2": 80}, ["tissues.cyst.pd", "much"]),
        ("modalities", "T2w", {"tr": 4000, "te": 0}, ["modalities.T2w.te", "0"]),
    ],
)
def test_a_wrong_table_is_a_sentence(tmp_path: Path, section: str, name: str, value: object, words: list[str]) -> None:
    path = edited(tmp_path, section, name, value)
    with pytest.raises(MedganError) as error:
        Phantom().samples(path, ImageSpec(32, 1))
    assert all(word in str(error.value) for word in [str(path), *words])


def test_a_missing_section_is_a_sentence(tmp_path: Path) -> None:
    path = Path(shutil.copy(TABLE, tmp_path))
    path.write_text("lesion_contrast: 1\n", encoding="utf-8")
    with pytest.raises(MedganError, match=r"section 'tissues' is missing"):
        Phantom().samples(path, ImageSpec(32, 1))
