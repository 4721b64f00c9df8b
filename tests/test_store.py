"""The prepared format: what goes in comes out, and what cannot go in says why."""

import csv
import json
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgan.config.schema import Config
from medgan.data.loader import Batches, gather
from medgan.data.spec import SPARE, SPLITS, ImageSpec, Rejected, Sample
from medgan.data.store import Prepared, open_prepared
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, SIXTEEN_BITS, Intensity
from medgan.sources.near_copies import perceptual_hashes, thumbnails
from medgan.sources.parallel import Fitted
from medgan.sources.prepare import prepare
from medgan.sources.writing import write_prepared


def sample(index: int, *, dtype: Any = np.uint8, channels: int = 1, **fields: Any) -> Sample:
    image = np.random.default_rng(index).integers(0, np.iinfo(dtype).max, (16, 16, channels), dtype, endpoint=True)
    made = Sample(
        image, patient=f"p{index // 2}", origin=f"file-{index}", digest=f"d{index}", label="ab"[index % 4 // 2]
    )
    return replace(made, **fields)


def samples(count: int = 24, **fields: Any) -> list[Sample]:
    return [sample(index, **fields) for index in range(count)]


def as_fitted(item: Sample | Rejected) -> Fitted | Rejected:
    """Say of a sample, as it is, what is said of one that was fitted."""
    if isinstance(item, Rejected):
        return item
    planes = thumbnails(item.image, item.source, Intensity(0, np.iinfo(item.image.dtype).max), colour=item.colour)
    return Fitted(item, perceptual_hashes(planes), clipped=False, lost=0.0)


def write(
    folder: Path,
    items: Sequence[Sample | Rejected],
    *,
    labelled: bool = True,
    channels: int = 1,
    train_per_class: int | None = None,
    intensity: Intensity = EIGHT_BITS,
) -> Prepared:
    return write_prepared(
        folder,
        map(as_fitted, items),
        intensity=intensity,
        size=16,
        channels=channels,
        labelled=labelled,
        validation=0.2,
        test=0.2,
        seed=0,
        max_rejected=1.0,
        train_per_class=train_per_class,
    )


def counts(prepared: Prepared) -> Iterator[tuple[str, str, int]]:
    """(class, split, images), classes and splits in order."""
    names = prepared.label_names or ("",)
    for code, name in enumerate(names):
        of_class = prepared.labels == code if prepared.labels is not None else np.ones(len(prepared.splits), bool)
        for split in (*SPLITS, SPARE) if SPARE in prepared.splits else SPLITS:
            yield name, split, int(np.sum(of_class & (prepared.splits == split)))


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint8, 3), (np.uint16, 1)])
def test_what_is_written_is_read_back(tmp_path: Path, dtype: Any, channels: int) -> None:
    mask = np.zeros((16, 16, 2), np.uint8)
    mask[3:5, 4, 1] = 1
    items = [
        sample(i, dtype=dtype, channels=channels, source=sample(100 + i, dtype=dtype).image, mask=np.roll(mask, i))
        for i in range(24)
    ]
    intensity = Intensity(0, np.iinfo(dtype).max, "HU")
    write(tmp_path / "new" / "folder", items, channels=channels, intensity=intensity)
    prepared = open_prepared(tmp_path / "new" / "folder")
    assert prepared.spec == ImageSpec(16, channels, classes=2, source_channels=1, mask_channels=2)
    assert prepared.images.dtype == dtype
    assert np.array_equal(prepared.images, [item.image for item in items])
    assert prepared.sources is not None
    assert np.array_equal(prepared.sources, [item.source for item in items])
    assert prepared.masks is not None
    assert np.array_equal(prepared.masks, [item.mask for item in items])
    assert prepared.labels is not None
    assert [prepared.label_names[code] for code in prepared.labels] == [item.label for item in items]
    assert prepared.patients.tolist() == [int(item.patient[1:]) for item in items]
    assert prepared.intensity == Intensity(0, np.iinfo(dtype).max, "HU")


def test_arrays_are_mapped_not_loaded(tmp_path: Path) -> None:
    assert isinstance(write(tmp_path, samples()).images, np.memmap)


def test_no_more_than_a_few_images_are_held_at_a_time(tmp_path: Path) -> None:
    count, blank, shares = 400, np.zeros((128, 128, 1), np.uint16), {"validation": 0.2, "test": 0.2}

    def made() -> Iterator[Sample]:
        for index in range(count):
            yield sample(index, image=blank + np.uint16(index), source=blank.copy(), mask=blank.astype(np.uint8))

    tracemalloc.start()
    try:
        write_prepared(
            tmp_path,
            map(as_fitted, made()),
            intensity=SIXTEEN_BITS,
            size=128,
            channels=1,
            labelled=True,
            seed=0,
            max_rejected=0,
            **shares,
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    written = sum((tmp_path / f"{name}.npy").stat().st_size for name in ("images", "sources", "masks"))
    assert written > count * 5 * 128 * 128 and peak < written / 10


def test_only_the_arrays_that_were_written_are_opened(tmp_path: Path) -> None:
    """An older masks.npy may lie beside them: one that another process had put back from a cache did."""
    write(tmp_path, samples())
    np.save(tmp_path / "masks.npy", np.zeros((5, 16, 16, 1), np.uint8))
    assert open_prepared(tmp_path).masks is None
    assert json.loads((tmp_path / "spec.json").read_text())["arrays"] == {"images": "uint8"}


@pytest.mark.parametrize("kind", ["gone", "torn", "shorter", "deeper"])
def test_an_array_of_another_run_is_a_sentence_with_a_remedy(tmp_path: Path, kind: str) -> None:
    images = np.array(write(tmp_path, samples()).images)
    path = tmp_path / "images.npy"
    if kind == "gone":
        path.unlink()
    elif kind == "torn":
        path.write_bytes(path.read_bytes()[:-5])
    else:
        np.save(path, images[:-1] if kind == "shorter" else images.astype(np.uint16))
    with pytest.raises(MedganError, match=rf"{path} .*; remove {tmp_path} and run `make repro`"):
        open_prepared(tmp_path)


def test_what_the_source_does_not_give_is_absent(tmp_path: Path) -> None:
    prepared = write(tmp_path, samples(label=None), labelled=False)
    assert (prepared.sources, prepared.masks, prepared.labels, prepared.label_names) == (None, None, None, ())
    assert prepared.spec == ImageSpec(16, 1)


def test_labels_that_are_not_wanted_are_dropped(tmp_path: Path) -> None:
    prepared = write(tmp_path, samples(), labelled=False)
    assert prepared.labels is None
    assert prepared.spec.classes == 0


def test_one_class_is_kept_and_said_to_be_none_for_judges(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    prepared = write(tmp_path / "one", samples(label="only"))
    assert (prepared.spec.classes, prepared.label_names) == (1, ("only",))
    sentence = "one class, only, is nothing to tell apart: judges treat these images as unlabelled"
    assert sentence in caplog.text
    caplog.clear()
    write(tmp_path / "two", samples())
    assert sentence not in caplog.text


def test_the_md5_is_of_the_content_and_not_of_the_place(tmp_path: Path) -> None:
    first = write(tmp_path / "a", samples()).md5
    assert write(tmp_path / "b", samples()).md5 == first
    darker = samples()
    darker[7].image[0, 0, 0] ^= 1
    other_patient = samples()
    other_patient[5] = replace(other_patient[5], patient="p11")
    other_mask = samples(mask=np.zeros((16, 16, 1), np.uint8))
    fewer = samples()[:-1]
    md5s = {write(tmp_path / f"c{i}", x).md5 for i, x in enumerate([darker, other_patient, other_mask, fewer])}
    assert len(md5s | {first}) == 5
    assert write(tmp_path / "d", samples(), labelled=False).md5 not in md5s | {first}


def test_opening_gives_the_md5_of_writing(tmp_path: Path) -> None:
    assert write(tmp_path, samples()).md5 == open_prepared(tmp_path).md5


def test_awkward_names_survive_the_index(tmp_path: Path) -> None:
    names = ['comma, "quote"', "Ünïcode", "line\nbreak", "a;b", "return\rhere", "", "x", "y", "z", "0", "00", "p", "q"]
    items = [sample(i, patient=name, origin=f"{name}/é.png") for i, name in enumerate(names)]
    assert write(tmp_path, items).patients.tolist() == list(range(len(names)))
    with (tmp_path / "index.csv").open(newline="") as file:
        assert [row["patient"] for row in csv.DictReader(file)] == names


def test_rejected_files_are_listed_with_their_reason(tmp_path: Path) -> None:
    write(tmp_path, [*samples(), Rejected("a/b.png", "cannot identify, it says")])
    with (tmp_path / "rejected.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["number", "reason"], ["0", "cannot identify, it says"]]


def test_an_image_without_a_class_is_rejected_where_labels_are_wanted(tmp_path: Path) -> None:
    prepared = write(tmp_path, [*samples(), sample(24, label=None)])
    assert len(prepared.images) == 24
    assert '0,"nothing says its class (no folder' in (tmp_path / "rejected.csv").read_text()


def test_an_empty_source_is_a_sentence_with_the_first_reason(tmp_path: Path) -> None:
    with pytest.raises(MedganError, match=r"no usable image \(0 rejected\)"):
        write(tmp_path / "x", [])
    with pytest.raises(MedganError, match=r"no usable image \(2 rejected; first reason: a: torn\)"):
        write(tmp_path / "x", [Rejected("a", "torn"), Rejected("b", "burnt")])
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"dtype": np.uint16}, r"file-24: its image is uint16 .*, while that of file-0 is uint8"),
        ({"channels": 3}, r"file-24: shape \(16, 16, 3\), expected \(16, 16, 1\)"),
    ],
)
def test_an_image_unlike_the_first_is_named(tmp_path: Path, odd: dict[str, Any], says: str) -> None:
    with pytest.raises(MedganError, match=says):
        write(tmp_path, [*samples(), sample(24, **odd)])


@pytest.mark.parametrize("field", ["source", "mask"])
@pytest.mark.parametrize("first", [True, False])
def test_a_source_or_mask_that_only_some_images_have_is_named(tmp_path: Path, field: str, first: bool) -> None:
    extra = {field: np.zeros((16, 16, 1), np.uint8)}
    items = [*samples(**extra), sample(24)] if first else [*samples(), sample(24, **extra)]
    with pytest.raises(MedganError, match=f"file-24: .*{field}"):
        write(tmp_path, items)


def test_take_gives_distinct_images_of_the_split_and_repeats_itself(prepared: Prepared) -> None:
    taken = prepared.take("test", 50, seed=3)
    assert len(set(taken.tolist())) == 50
    assert set(prepared.splits[taken]) == {"test"}
    assert np.array_equal(taken, prepared.take("test", 50, seed=3))
    assert not np.array_equal(taken, prepared.take("test", 50, seed=4))


def test_take_gives_as_many_of_each_class_as_others_have(prepared: Prepared) -> None:
    assert prepared.labels is not None
    tested = np.concatenate([prepared.indices("test")[prepared.labels[prepared.indices("test")] == 1], [0, 1]])
    taken = prepared.take("train", len(tested), seed=3, like=tested)
    assert np.array_equal(np.bincount(prepared.labels[taken]), np.bincount(prepared.labels[tested]))
    assert set(prepared.splits[taken]) == {"train"} and len(set(taken)) == len(tested)
    assert np.array_equal(taken, prepared.take("train", len(tested), seed=3, like=tested))
    ill = np.resize(np.flatnonzero(prepared.labels == 1), 150)
    with pytest.raises(MedganError, match=r"train has 80 images of infarct and the images to judge on 150; lower"):
        prepared.take("train", 150, seed=3, like=ill)


def test_take_refuses_more_than_there_is(prepared: Prepared) -> None:
    size = len(prepared.indices("validation"))
    assert len(prepared.take("validation", size, seed=0)) == size
    with pytest.raises(MedganError, match=rf"validation has {size} images and {size + 1} are asked for"):
        prepared.take("validation", size + 1, seed=0)


def test_take_does_not_name_a_parameter_that_does_not_exist(prepared: Prepared) -> None:
    with pytest.raises(MedganError) as caught:
        prepared.take("train", 10_000, seed=0)
    assert "data.train" not in str(caught.value)


def test_counts_add_up(prepared: Prepared) -> None:
    listed = list(counts(prepared))
    assert sum(number for *_, number in listed) == len(prepared.images)
    assert {(name, number) for name, split, number in listed if split == "test"} == {
        ("healthy", 40),
        ("infarct", 40),
        ("tumour", 40),
    }


def test_counts_without_labels_are_of_all_images(tmp_path: Path) -> None:
    assert sum(n for *_, n in counts(write(tmp_path, samples(label=None), labelled=False))) == 24


def test_before_prepare_has_run_there_is_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(MedganError, match=r"spec.json does not exist; run `make repro`"):
        open_prepared(tmp_path)


# data.train_per_class: of these samples, eight of each class are in train.


def images_of(array: Any) -> set[bytes]:
    return {np.asarray(image).tobytes() for image in array}


def test_training_images_beyond_the_limit_are_spare_and_nothing_else_changes(tmp_path: Path) -> None:
    whole, few = write(tmp_path / "whole", samples()), write(tmp_path / "few", samples(), train_per_class=3)
    assert np.array_equal(few.images, whole.images) and np.array_equal(few.patients, whole.patients)
    assert few.labels is not None and whole.labels is not None
    assert np.array_equal(few.labels, whole.labels) and few.spec == whole.spec
    for split in ("validation", "test"):
        assert np.array_equal(few.indices(split), whole.indices(split))
    assert np.array_equal(few.learnable(), whole.indices("train"))
    assert np.array_equal(whole.learnable(), whole.indices("train"))
    assert (few.splits == open_prepared(tmp_path / "few").splits).all()


def test_counts_list_spare_images_only_where_there_are_some(tmp_path: Path) -> None:
    few = list(counts(write(tmp_path / "few", samples(), train_per_class=3)))
    of_a_class = [("train", 3), ("validation", 2), ("test", 2), (SPARE, 5)]
    assert few == [(name, split, number) for name in "ab" for split, number in of_a_class]
    for folder, limit in (("whole", None), ("enough", 8)):
        listed = list(counts(write(tmp_path / folder, samples(), train_per_class=limit)))
        assert [split for _, split, _ in listed] == [*SPLITS, *SPLITS]


def test_the_md5_tells_which_images_may_be_learnt_from(tmp_path: Path) -> None:
    whole, enough, three, two = (
        write(tmp_path / str(limit), samples(), train_per_class=limit).md5 for limit in (None, 8, 3, 2)
    )
    assert enough == whole
    assert len({whole, three, two}) == 3


def test_without_labels_the_limit_is_of_all_images(tmp_path: Path) -> None:
    prepared = write(tmp_path, samples(), labelled=False, train_per_class=5)
    listed = {split: number for _, split, number in counts(prepared)}
    assert listed["train"] == 5 and listed[SPARE] > 5
    assert sum(listed.values()) == 24


def test_take_reaches_into_spare_images_for_training_ones_alone(tmp_path: Path) -> None:
    prepared = write(tmp_path, samples(), train_per_class=3)
    taken = prepared.take("train", 16, seed=0)
    assert taken.tolist() == prepared.learnable().tolist()
    assert {str(split) for split in prepared.splits[taken]} == {"train", SPARE}
    assert len(set(prepared.take("train", 10, seed=1).tolist())) == 10
    with pytest.raises(MedganError, match="train has 16 images and 17 are asked for"):
        prepared.take("train", 17, seed=0)
    assert {str(split) for split in prepared.splits[prepared.take("validation", 4, seed=0)]} == {"validation"}
    with pytest.raises(MedganError, match="validation has 4 images and 5 are asked for"):
        prepared.take("validation", 5, seed=0)


def test_generators_never_see_a_spare_image(tmp_path: Path) -> None:
    prepared = write(tmp_path, samples(), train_per_class=3)
    batches = Batches(prepared, "train", batch=4, seed=0)
    seen = set[bytes]().union(*(images_of(batches.at(step).image) for step in range(6)))
    assert seen == images_of(gather(prepared, prepared.indices("train")).image)
    assert len(seen) == 6
    assert not seen & images_of(gather(prepared, prepared.indices(SPARE)).image)


def test_the_configuration_limits_what_prepare_writes(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    few = prepare(config.data.model_copy(update={"train_per_class": 7}), tmp_path, seed=config.seed)
    assert [number for _, split, number in counts(few) if split == "train"] == [7, 7, 7]
    for split in ("validation", "test"):
        assert np.array_equal(few.indices(split), prepared.indices(split))
        assert np.array_equal(few.images[few.indices(split)], prepared.images[prepared.indices(split)])
    assert np.array_equal(few.learnable(), prepared.indices("train"))
    assert few.md5 != prepared.md5
    again = prepare(config.data.model_copy(update={"train_per_class": 7}), tmp_path / "again", seed=config.seed)
    assert (again.splits == few.splits).all() and again.md5 == few.md5


def test_pictures_are_eight_bits_whatever_is_stored(prepared: Prepared) -> None:
    assert (prepared.pictures([3, 5]) == prepared.images[[3, 5]]).all()
    deep = replace(prepared, images=prepared.images.astype(np.uint16) * 257, intensity=SIXTEEN_BITS)
    assert deep.pictures([3, 5]).dtype == np.uint8
    assert (deep.pictures([3, 5]) == prepared.images[[3, 5]]).all()


def test_the_mean_is_of_what_may_be_learnt_from(prepared: Prepared) -> None:
    expected = gather(prepared, prepared.learnable()).image.numpy().mean(axis=0)
    np.testing.assert_allclose(prepared.mean(), expected, atol=1e-5)


def test_data_without_sources_have_no_way_back(prepared: Prepared) -> None:
    with pytest.raises(MedganError, match="no source images"):
        prepared.opposite()


@pytest.mark.parametrize(
    ("spec", "seen"),
    [
        (ImageSpec(16, 1), set()),
        (ImageSpec(16, 1, classes=2), {"label"}),
        (ImageSpec(16, 1, source_channels=1), {"source"}),
        (ImageSpec(16, 1, classes=2, mask_channels=1), {"label", "mask"}),
    ],
)
def test_networks_are_given_what_they_look_at(tmp_path: Path, spec: ImageSpec, seen: set[str]) -> None:
    mask = np.zeros((16, 16, 1), np.uint8)
    prepared = write(tmp_path, [sample(i, source=sample(100 + i).image, mask=mask) for i in range(24)])
    batch = Batches(prepared.only(spec), "train", batch=4, seed=0).at(0)
    assert batch.conditions().keys() == seen
    assert batch.image.equal(Batches(prepared, "train", batch=4, seed=0).at(0).image)
