"""Slices of volumes as samples: which, of what values, with masks, pairs, labels and patients."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from test_folder_beside import prepare_recipe, unpack
from volumes import nifti, ramp

from medgan.config.checking import build
from medgan.config.data import DataConfig
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.drawn import write_nifti
from medgan.imaging.intensity import Intensity
from medgan.sources import SOURCES
from medgan.sources.nifti import Nifti
from medgan.sources.prepare import prepare

SPEC = ImageSpec(16, 1)


def source(**options: Any) -> Nifti:
    made = build(SOURCES, "nifti", options, "data.options")
    assert isinstance(made, Nifti)
    return made


def read(raw: Path, **options: Any) -> tuple[list[Sample], dict[str, str]]:
    given = source(**options).samples(raw, SPEC)
    items = [made for item in given for made in (item() if callable(item) else (item,))]
    rejected = {item.origin: item.reason for item in items if isinstance(item, Rejected)}
    return [item for item in items if isinstance(item, Sample)], rejected


def indices(samples: list[Sample]) -> list[int]:
    return [int(sample.origin.rsplit(maxsplit=1)[1]) for sample in samples]


# which slices


@pytest.mark.parametrize(
    ("slices", "expected"),
    [("middle", [5]), ("all", [*range(10)]), ("every 3", [1, 4, 7]), ("every 99", [5])],
)
def test_which_slices(tmp_path: Path, slices: str, expected: list[int]) -> None:
    nifti(tmp_path / "p1.nii.gz", ramp())
    samples, rejected = read(tmp_path, slices=slices, least=0.0)
    assert indices(samples) == expected and not rejected
    assert {s.patient for s in samples} == {"p1"} and len({s.digest for s in samples}) == len(samples)
    assert samples[0].image.shape == (14, 12, 1) and samples[0].image.dtype == np.uint16


def test_slices_with_little_in_them_are_left_out(tmp_path: Path) -> None:
    voxels = np.zeros((12, 14, 10), np.int16)
    voxels[:6, :, 2], voxels[0, 0, 3], voxels[:, :, 4] = 1000, 1000, 1000
    nifti(tmp_path / "a.nii", voxels)
    assert indices(read(tmp_path, slices="all", window=[0, 1000])[0]) == [2]  # 4 is of one value
    assert indices(read(tmp_path, slices="all", window=[0, 1000], least=0.0)[0]) == [2, 3]
    samples, rejected = read(tmp_path, window=[0, 1000])
    assert not samples and "of its 1 axial slices" in rejected["a.nii"]


def test_pixels_become_squares_unless_that_is_not_wanted(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii", ramp(), np.diag([1, 1, 2.5, 1]))
    image = read(tmp_path, plane="sagittal")[0][0].image
    assert image.shape == (25, 14, 1)
    assert read(tmp_path, plane="sagittal", isotropic=False)[0][0].image.shape == (10, 14, 1)
    nifti(tmp_path / "a.nii", ramp(), np.diag([1, 1, 5000, 1]))
    assert "squares of them would be 14x50000" in read(tmp_path, plane="sagittal")[1]["a.nii"]
    nifti(tmp_path / "a.nii", ramp((40, 40, 3)))
    assert "coronal slices have 40x3 pixels, and 8 a side" in read(tmp_path, plane="coronal")[1]["a.nii"]


# values


def test_a_window_keeps_the_unit(tmp_path: Path) -> None:
    voxels = np.linspace(-2000, 4000, 12 * 14 * 10).astype(np.int16).reshape(12, 14, 10)
    nifti(tmp_path / "a.nii", voxels)
    given = source(window=[-1024, 3071], unit="HU")
    assert given.intensity == Intensity(-1024, 3071, "HU", 1.0, -1024)
    (sample,), _ = read(tmp_path, window=[-1024, 3071], unit="HU")
    values = sample.image[..., 0] * given.intensity.slope + given.intensity.intercept
    assert (values == voxels[:, :, 5].T[::-1, ::-1].clip(-1024, 3071)).all()
    assert source(window=[0, 1]).intensity.levels == 65536


def test_percentiles_make_scales_alike(tmp_path: Path) -> None:
    """Files of one set differ by four orders of magnitude."""
    values = np.random.default_rng(0).random((12, 14, 10))
    nifti(tmp_path / "a.nii", (values * 250).astype(np.uint8))
    nifti(tmp_path / "b.nii", (values * 1.7e6).astype(np.float32))
    (first, second), _ = read(tmp_path, percentiles=[0, 100])
    assert np.abs(first.image.astype(int) - second.image).max() < 65535 / 200
    assert first.image.min() < 2000 and first.image.max() > 63000
    (narrow, _), _ = read(tmp_path, percentiles=[25, 75])
    assert (narrow.image == 0).mean() > 0.15 and (narrow.image == 65535).mean() > 0.15


def test_volumes_of_one_value_are_rejected(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii", np.full((12, 14, 10), 7, np.int16))
    spot = np.zeros((12, 14, 10), np.int16)
    spot[0, 0, 0] = 1
    nifti(tmp_path / "b.nii", spot)
    samples, rejected = read(tmp_path)
    assert not samples and "constant: all of its voxels are 7" in rejected["a.nii"]
    assert "its percentiles 0.5 and 99.5 are both 0" in rejected["b.nii"]


@pytest.mark.parametrize("intensity", [Intensity.windowed(-1000, 2000, "HU"), Intensity.windowed(0, 1, step=1 / 65535)])
def test_what_is_drawn_is_read_back(tmp_path: Path, intensity: Intensity) -> None:
    """Of the same values, the same way up."""
    image = np.random.default_rng(0).uniform(-1, 1, (1, 20, 16)).astype(np.float32)
    image[0, :2], image[0, :, :2] = 1, -1
    write_nifti(tmp_path / "a.nii.gz", image, intensity)
    options = {"window": [intensity.low, intensity.high], "unit": intensity.unit}
    assert source(**options).intensity == intensity
    (sample,), _ = read(tmp_path, **options)
    expected = intensity.stored(intensity.values(image))[0]
    assert np.abs(sample.image[..., 0].astype(int) - expected).max() <= (intensity.slope < 1)


# what belongs together


def test_masks_and_pairs_by_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mask = np.zeros((12, 14, 10), np.uint8)
    mask[2:4, 3:9, 7], mask[6:9, 2:5, 7] = 1, 2
    for folder, name in (("t1", "x"), ("t1", "y"), ("t2", "x"), ("t2", "z"), ("m", "x"), ("other", "x")):
        nifti(tmp_path / folder / f"{name}.nii.gz", mask if folder == "m" else ramp() + len(folder + name))
    options = {"image": "t2", "source": "t1", "mask": "m", "slices": "largest mask", "kinds": ["T1", "T2"]}
    with caplog.at_level("INFO"):
        (sample,), rejected = read(tmp_path, mask_labels=[1, 2], **options)
    assert str(source(**options).direction) == "T1 to T2"
    assert indices([sample]) == [7] and sample.patient == "x"
    assert sample.source is not None and sample.source.shape == sample.image.shape
    assert sample.mask is not None and sample.mask.shape == (14, 12, 2)
    assert (sample.mask[..., 0] == (mask[:, :, 7].T[::-1, ::-1] == 1)).all()
    assert sample.mask.reshape(-1, 2).sum(axis=0).tolist() == [12, 9]
    assert rejected == {
        "t2/z.nii.gz": "there is no source of it",
        "t1/y.nii.gz": "it is a source, and no image is there",
    }
    assert "1 files are no image, source or mask, such as other/x.nii.gz" in caplog.text
    (sample,), _ = read(tmp_path, **options)
    assert sample.mask is not None and sample.mask.shape == (14, 12, 1) and sample.mask.sum() == 21


def test_masks_that_are_stored_with_a_slope_lose_no_label(tmp_path: Path) -> None:
    """As nibabel stores labels that were floats: of each value a little is lost."""
    labels = np.zeros((12, 14, 10))
    labels[2:4, 3:9, 5], labels[6:9, 2:5, 5] = 1, 2
    mask = nibabel.Nifti1Image(labels, np.eye(4))
    mask.header.set_data_dtype(np.int16)
    nifti(tmp_path / "i" / "a.nii", ramp())
    (tmp_path / "m").mkdir()
    nibabel.save(mask, tmp_path / "m" / "a.nii")  # type: ignore[attr-defined]
    assert 1 not in nibabel.load(tmp_path / "m" / "a.nii").get_fdata()  # type: ignore[attr-defined]
    for options, expected in (({"mask_labels": [1, 2]}, [12, 9]), ({}, [21]), ({"mask_labels": [3]}, [0])):
        (sample,), _ = read(tmp_path, image="i", mask="m", **options)
        assert sample.mask is not None and sample.mask.reshape(-1, len(expected)).sum(axis=0).tolist() == expected
    # Values far apart: 1 is near none of them.
    nifti(tmp_path / "m" / "a.nii", (labels > 0).astype(np.uint8), slope=(50, 0))
    for label, expected in ((1, [0]), (50, [21])):
        (sample,), _ = read(tmp_path, image="i", mask="m", mask_labels=[label])
        assert sample.mask is not None and sample.mask.reshape(-1, 1).sum(axis=0).tolist() == expected


def test_a_volume_that_cannot_be_used_is_of_a_class_that_may_be_lost(tmp_path: Path) -> None:
    nifti(tmp_path / "i" / "well.nii", ramp())
    nifti(tmp_path / "m" / "well.nii", ramp())
    nifti(tmp_path / "i" / "ill-1.nii", ramp())
    (tmp_path / "i" / "ill-2.nii").write_bytes(b"no")
    nifti(tmp_path / "m" / "ill-2.nii", ramp())
    given = source(image="i", mask="m", label=r"/(ill|well)").samples(tmp_path, SPEC)
    items = [made for item in given for made in (item() if callable(item) else (item,))]
    assert {item.origin: item.label for item in items if isinstance(item, Rejected)} == {
        "i/ill-1.nii": "ill",
        "i/ill-2.nii": "ill",
    }


def test_pairs_by_pattern(tmp_path: Path) -> None:
    for subject in ("01", "02"):
        for kind in ("T1w", "T2w", "lesion"):
            nifti(tmp_path / f"sub-{subject}" / "anat" / f"sub-{subject}_{kind}.nii", ramp())
    nifti(tmp_path / "sub-02" / "sub-02_T1w.nii", ramp())
    pattern = r"(sub-\d+)_"
    samples, rejected = read(tmp_path, image=f"{pattern}T2w", source=f"{pattern}T1w", mask=f"{pattern}lesion")
    assert [sample.patient for sample in samples] == ["sub-01"]
    assert rejected == {
        "sub-02/anat/sub-02_T2w.nii": "1 image(s) and 2 source(s) are called alike; pairs are of one and one"
    }


def test_volumes_that_do_not_fit_each_other_are_rejected(tmp_path: Path) -> None:
    shifted = np.eye(4)
    shifted[2, 3] = 4
    for name, voxels, affine in (("a", ramp((12, 14, 11)), np.eye(4)), ("b", ramp(), shifted)):
        nifti(tmp_path / "images" / f"{name}.nii", ramp())
        nifti(tmp_path / "masks" / f"{name}.nii", voxels, affine)
    nifti(tmp_path / "images" / "c.nii", ramp())
    (tmp_path / "masks" / "c.nii").write_bytes(b"no")
    samples, rejected = read(tmp_path, image="images", mask="masks")
    assert not samples
    assert "image and mask have 12x14x10 and 12x14x11 voxels" in rejected["images/a.nii"]
    assert "lie elsewhere (affine)" in rejected["images/b.nii"]
    assert rejected["images/c.nii"] == "its mask: its content is not that of NIfTI"


def test_slices_outside_the_mask_are_left_out_if_asked(tmp_path: Path) -> None:
    mask = np.zeros((12, 14, 10), np.uint8)
    mask[:, :, 3], mask[0, 0, 4] = 1, 1
    nifti(tmp_path / "i" / "a.nii", ramp())
    nifti(tmp_path / "m" / "a.nii", mask)
    options = {"image": "i", "mask": "m", "slices": "all", "least": 0.0}
    assert len(read(tmp_path, **options)[0]) == 10
    assert indices(read(tmp_path, least_mask=0.001, **options)[0]) == [3, 4]
    assert indices(read(tmp_path, least_mask=0.1, **options)[0]) == [3]
    nifti(tmp_path / "m" / "a.nii", mask * 0)
    assert "its mask is empty" in read(tmp_path, image="i", mask="m", slices="largest mask")[1]["i/a.nii"]


def test_labels_and_patients_by_path_or_table(tmp_path: Path) -> None:
    for number, name in enumerate(["ill/p1/scan.nii.gz", "well/p1/scan.nii.gz", "well/p2/scan.nii"]):
        nifti(tmp_path / name, ramp() + number)
    samples, _ = read(tmp_path, label="^(ill|well)/", patient=r"/(p\d)/")
    assert [(s.label, s.patient) for s in samples] == [("ill", "p1"), ("well", "p1"), ("well", "p2")]
    assert [s.patient for s in read(tmp_path)[0]] == ["ill/p1/scan", "well/p1/scan", "well/p2/scan"]
    (tmp_path / "t.csv").write_text("f,kind,id,part\nill/p1/scan,a,007,test\nwell/p2/scan.nii,b,1,train\n")
    table = {"path": "t.csv", "file": "f", "label": "kind", "patient": "id", "split": "part"}
    samples, rejected = read(tmp_path, table=table)
    assert [(s.label, s.patient, s.test) for s in samples] == [("a", "007", True), ("b", "1", False)]
    assert rejected == {"well/p1/scan.nii.gz": "the table has no row for it"}


def test_files_of_every_kind(tmp_path: Path) -> None:
    nifti(tmp_path / "pair.hdr", ramp())
    nifti(tmp_path / "a b ü.NII", ramp())
    nifti(tmp_path / "old.hdr", ramp()).rename(tmp_path / "old.HDR")
    (tmp_path / "old.img").rename(tmp_path / "old.IMG")
    (tmp_path / "lone.img").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(bytes(2**22)))
    samples, rejected = read(tmp_path)
    assert [s.patient for s in samples] == ["a b ü", "old", "pair"]
    assert rejected == {
        "bomb.nii.gz": "its content is not that of NIfTI",
        "lone.img": "there is no .hdr of its name beside it",
        "notes.txt": "its suffix «.txt» is none of .nii, .nii.gz, .hdr",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slices": "every 0"}, "slices"),
        ({"plane": "oblique"}, "axial"),
        ({"window": [5, 5]}, "the lower first"),
        ({"percentiles": [99, 1]}, "the lower first"),
        ({"unit": "HU"}, "there is no window"),
        ({"mask": "m"}, "need `image`"),
        ({"slices": "largest mask"}, "need `mask`"),
        ({"least_mask": 0.1}, "need `mask`"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MedganError, match=message):
        source(**options)


def test_a_folder_that_does_not_fit_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MedganError, match="holds no volume"):
        read(tmp_path)
    with pytest.raises(MedganError, match="is not a folder"):
        read(tmp_path / "none")
    nifti(tmp_path / "imagesTr" / "a.nii", ramp())
    with pytest.raises(MedganError, match=r"imageTr is not a folder \(did you mean 'imagesTr'"):
        read(tmp_path, image="imageTr")
    with pytest.raises(MedganError, match="needs a group"):
        read(tmp_path, image="[(]")


def test_all_slices_of_a_subject_are_in_one_split(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for subject in range(9):
        nifti(tmp_path / "raw" / f"{subject}.nii.gz", rng.integers(0, 999, (20, 20, 12)).astype(np.int16))
    config = DataConfig(
        name="mr",
        source="nifti",
        raw=tmp_path / "raw",
        size=16,
        channels=1,
        labels=False,
        options={"slices": "every 2"},
    )
    prepared = prepare(config, tmp_path / "prepared", seed=0)
    assert len(prepared.splits) == 54
    pairs = {(str(p), str(s)) for p, s in zip(prepared.patients, prepared.splits, strict=True)}
    assert len(pairs) == 9 and {split for _, split in pairs} == {"train", "validation", "test"}


@pytest.mark.slow
@pytest.mark.real
def test_the_real_files(tmp_path: Path) -> None:
    unpack("hippocampus-nifti", tmp_path)
    raw = tmp_path / "hippocampus"
    prepared = prepare_recipe("hippocampus", raw, tmp_path / "prepared")
    assert len(set(prepared.patients)) == 130 and prepared.spec.mask_channels == 2
    assert prepared.masks is not None and prepared.masks.any(axis=(1, 2, 3)).all()
    options = {"image": "(?:^|/)images/(.+)", "mask": "(?:^|/)labels/(.+)", "slices": "largest mask"}
    samples, rejected = read(raw, **options)
    assert len(samples) == 130
    assert rejected == {
        "odd/images/hippocampus_118.nii.gz": "there is no mask of it",
        "odd/labels/hippocampus_010.nii.gz": "it is a mask, and no image is there",
        "odd/labels/hippocampus_281.nii.gz": "it is a mask, and no image is there",
    }
