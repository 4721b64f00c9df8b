"""Folders of pairs: files of one name belong together, and every file that has no mate is told."""

import pickle
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml
from conftest import ROOT
from PIL import Image
from test_folder import fitted, picture

from medgan.config.data import Fit
from medgan.config.schema import Config
from medgan.data.spec import Direction, ImageSpec, Rejected, Sample
from medgan.errors import MedganError
from medgan.sources.fit import fit
from medgan.sources.pairs import Pairs
from medgan.sources.prepare import prepare

GREY = ImageSpec(16, 1)
T1_T2 = Pairs(source="T1", image="T2")


def read(raw: Path, source: Pairs = T1_T2) -> tuple[list[Sample], list[Rejected]]:
    return fitted(source, raw, GREY)


def pair(raw: Path, name: str, shade: int = 0, *, suffixes: tuple[str, str] = (".png", ".png")) -> None:
    picture(raw / "T1" / f"{name}{suffixes[0]}", shade=shade)
    picture(raw / "T2" / f"{name}{suffixes[1]}", shade=255 - shade)


def test_files_of_one_name_are_a_pair_whatever_their_suffix(tmp_path: Path) -> None:
    pair(tmp_path, "a", 10)
    pair(tmp_path, "site/b", 20, suffixes=(".tif", ".PNG"))
    samples, rejected = read(tmp_path)
    assert not rejected and str(T1_T2.direction) == "T1 to T2"
    assert [sample.origin for sample in samples] == ["T2/a.png", "T2/site/b.PNG"]
    for sample, (drawn, given) in zip(samples, (("a.png", "a.png"), ("site/b.PNG", "site/b.tif")), strict=True):
        assert (sample.image[..., 0] == np.asarray(Image.open(tmp_path / "T2" / drawn))).all()
        assert sample.source is not None
        assert (sample.source[..., 0] == np.asarray(Image.open(tmp_path / "T1" / given))).all()
    assert samples[0].digest != samples[1].digest


def test_either_file_counts_in_the_digest(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    before = read(tmp_path)[0][0].digest
    picture(tmp_path / "T1" / "a.png", shade=7)
    between = read(tmp_path)[0][0].digest
    picture(tmp_path / "T2" / "a.png", shade=7)
    assert len({before, between, read(tmp_path)[0][0].digest}) == 3


def test_what_is_no_pair_is_listed_with_the_reason(tmp_path: Path) -> None:
    pair(tmp_path, "good")
    picture(tmp_path / "T1" / "alone.png")
    picture(tmp_path / "T2" / "bare.png")
    pair(tmp_path, "twice")
    picture(tmp_path / "T2" / "twice.jpg")
    pair(tmp_path, "torn")
    (tmp_path / "T1" / "torn.png").write_bytes(b"mine")
    picture(tmp_path / "T1" / ".hidden.png")
    samples, rejected = read(tmp_path)
    assert [sample.origin for sample in samples] == ["T2/good.png"]
    assert {(item.origin, item.reason) for item in rejected} == {
        ("T1/alone.png", "no pair: it is there as «T1/alone.png»"),
        ("T2/bare.png", "no pair: it is there as «T2/bare.png»"),
        ("T2/twice.jpg", "no pair: it is there as «T2/twice.jpg, T2/twice.png, T1/twice.png»"),
        ("T2/torn.png", "its content is not an image's, whatever its suffix says"),
    }


def test_two_of_different_shapes_are_no_pair(tmp_path: Path) -> None:
    """They would lie apart. Another size or a pixel more does no harm; sizes are as viewers show them."""
    for name, one, other in (
        ("scaled", (32, 16), (64, 32)),
        ("near", (256, 255), (256, 256)),
        ("half", (32, 16), (16, 16)),
        ("turned", (32, 24), (24, 32)),
    ):
        for folder, size in (("T2", one), ("T1", other)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.new("L", size).save(tmp_path / folder / f"{name}.png")
    lying = Image.Exif()
    lying[0x0112] = 6
    Image.new("L", (32, 24)).save(tmp_path / "T1" / "turned.png", exif=lying)
    samples, rejected = read(tmp_path)
    assert {sample.origin for sample in samples} == {"T2/near.png", "T2/scaled.png"}
    turned = "no pair: image and source are 32x24 and 24x32 pixels, of different shapes; crop them alike"
    half = "no pair: image and source are 32x16 and 16x16 pixels, of different shapes; crop them alike"
    assert {item.origin: item.reason for item in rejected} == {"T2/turned.png": turned, "T2/half.png": half}


@pytest.mark.parametrize("how", get_args(Fit))
@pytest.mark.parametrize(
    ("shape", "other"),
    [((24, 24), (96, 96)), ((20, 40), (100, 200)), ((96, 24), (40, 10)), ((64, 64), (24, 24)), ((130, 64), (257, 128))],
)
@pytest.mark.parametrize("size", [32, 64])
def test_image_and_source_lie_upon_one_another_however_they_are_fitted(
    shape: tuple[int, int], other: tuple[int, int], how: Fit, size: int, tmp_path: Path
) -> None:
    """Of two sizes and one shape; a bright spot off the middle is at the same place."""
    for folder, (height, width) in (("T2", shape), ("T1", other)):
        y, x = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)
        spot = 30 + 220 * np.exp(-(((y - 0.58) / 0.15) ** 2) - ((x - 0.4) / 0.15) ** 2)
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(spot.astype(np.uint8)).save(tmp_path / folder / "a.png")
    spec = ImageSpec(size, 1)
    ((sample,),) = (item() for item in T1_T2.samples(tmp_path, spec) if callable(item))
    assert isinstance(sample, Sample)
    made = fit(sample, spec, T1_T2.intensity, how)
    assert isinstance(made, Sample) and made.source is not None
    centres = []
    for array in (made.image, made.source):
        weights = array[..., 0] * (array[..., 0] > 90.0)
        centres.append(np.array([(weights * axis).sum() / weights.sum() for axis in np.indices((size, size))]))
    assert np.abs(centres[0] - centres[1]).max() < 0.5
    if how == "pad":  # nothing is enlarged
        shown = [max(np.ptp(places) + 1 for places in np.nonzero(array[..., 0])) for array in (made.image, made.source)]
        assert shown == [min(size, max(shape), max(other))] * 2


@pytest.mark.parametrize("taller", [1.0, 0.5, 4.0])
def test_what_counts_as_one_shape_is_the_same_for_wide_and_tall_pictures(tmp_path: Path, taller: float) -> None:
    """16 pixels wide, 4 % may be missing at a side, 10 % may not."""
    for name, share in (("near", 0.96), ("far", 0.9)):
        for folder, part in (("T1", 1.0), ("T2", share)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.new("L", (200, round(200 * taller * part))).save(tmp_path / folder / f"{name}.png")
    samples, rejected = read(tmp_path)
    assert [item.origin for item in samples] == ["T2/near.png"] and [item.origin for item in rejected] == ["T2/far.png"]


def test_pairs_are_read_by_several_processes(tmp_path: Path) -> None:
    """Each is a call, and what is no pair needs none."""
    pair(tmp_path, "a")
    pair(tmp_path, "b")
    picture(tmp_path / "T1" / "alone.png")
    items = list(T1_T2.samples(tmp_path, GREY))
    assert sum(map(callable, items)) == 2 and sum(isinstance(item, Rejected) for item in items) == 1
    again = [pickle.loads(pickle.dumps(item)) for item in items if callable(item)]
    assert [sample.origin for item in again for sample in item()] == ["T2/a.png", "T2/b.png"]


def test_pairs_of_sixteen_bits(tmp_path: Path) -> None:
    pair(tmp_path, "shallow")
    for folder in ("T1", "T2"):
        Image.fromarray(np.full((16, 16), 4000, np.uint16)).save(tmp_path / folder / "deep.png")
    source = Pairs(source="T1", image="T2", bits=16)
    (sample,), (rejected,) = read(tmp_path, source)
    assert sample.image.dtype == np.uint16 and sample.source is not None and (sample.source == 4000).all()
    assert source.intensity.high == 65535 and "data.options.bits is 16" in rejected.reason
    assert [item.origin for item in read(tmp_path)[1]] == ["T2/deep.png"]


def test_no_patient_is_in_two_splits(config: Config, tmp_path: Path) -> None:
    for number in range(24):
        for kind in ("T1", "T2"):
            path = tmp_path / "raw" / kind / f"p{number // 3}_{number % 3}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng([number, int(kind[1])]).integers(0, 256, (16, 16), np.uint8)
            Image.fromarray(noise).save(path)
    options = {"source": "T1", "image": "T2", "patient": "^(p\\d+)_"}
    values = {"data.source": "pairs", "data.raw": str(tmp_path / "raw"), "data.options": options, "data.labels": False}
    prepared = prepare(config.override(values).data, tmp_path / "prepared", seed=0)
    assert prepared.direction == Direction("T1", "T2") and prepared.sources is not None and len(prepared.images) == 24
    splits = {(patient, split) for patient, split in zip(prepared.patients, prepared.splits, strict=True)}
    assert len(splits) == 8 and len({split for _, split in splits}) == 3


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ((), r"data\.options\.source: .*T1 is not a folder"),
        (("T1/a.png",), r"data\.options\.image: .*T2 is not a folder"),
        (("T1/a.png", "t2/a.png"), r"T2 is not a folder.*t2"),
        (("T1/a.png", "T2/b.png"), r"no file of .*T2 has the name of one in .*T1; put the two of a pair there under"),
    ],
)
def test_folders_without_pairs_are_a_sentence(tmp_path: Path, made: tuple[str, ...], says: str) -> None:
    for name in made:
        picture(tmp_path / name)
    with pytest.raises(MedganError, match=says):
        read(tmp_path)


def test_a_folder_is_no_pair_with_itself(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    with pytest.raises(MedganError, match=r"source and image are both .*T1; name two folders"):
        read(tmp_path, Pairs(source="T1", image="./T1"))


def test_a_folder_elsewhere_is_a_sentence(tmp_path: Path) -> None:
    """Its files would have names that lead out of the data."""
    pair(tmp_path / "raw", "a")
    picture(tmp_path / "T1" / "a.png")
    for elsewhere in ("../T1", str(tmp_path / "T1")):
        with pytest.raises(MedganError, match=r"data\.options\.source: .* leads out of .*; name a folder within it"):
            read(tmp_path / "raw", Pairs(source=elsewhere, image="T2"))


def test_a_name_without_a_patient_is_listed(tmp_path: Path) -> None:
    pair(tmp_path, "a_1")
    pair(tmp_path, "b")
    samples, rejected = read(tmp_path, Pairs(source="T1", image="T2", patient="^(\\w+)_"))
    assert [(sample.patient, sample.origin) for sample in samples] == [("a", "T2/a_1.png")]
    assert [item.reason for item in rejected] == ["data.options.patient = '^(\\\\w+)_' does not match the name"]


def test_the_page_names_options_that_there_are() -> None:
    (line,) = (line for line in (ROOT / "docs/translation.md").read_text().splitlines() if "source: pairs" in line)
    assert Pairs(**yaml.safe_load(line)["data"]["options"]) == Pairs("T1", "T2", "^(\\w+)_")
