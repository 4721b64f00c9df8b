"""Near-copies: one image saved anew is found again, and images that only share a hash stay apart."""

import csv
import io
import os
import tarfile
from collections import Counter
from pathlib import Path

import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from benchmarks.real_data import CHILDREN
from medgan.config.schema import Config
from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, SIXTEEN_BITS, Intensity
from medgan.sources.account import account
from medgan.sources.names import Naming, pseudonym
from medgan.sources.near_copies import near_copies, perceptual_hashes, thumbnails
from medgan.sources.prepare import prepare
from medgan.sources.split import check_leaks

Picture = NDArray[np.uint8]


def smooth(seed: int, size: int = 64) -> Picture:
    """A picture of clouds, (size, size) from black to white."""
    field = gaussian_filter(np.random.default_rng(seed).standard_normal((size, size)), size / 12)
    return np.rint(10 + 230 * (field - field.min()) / np.ptp(field)).astype(np.uint8)


def look(image: NDArray[np.uint8], *, colour: bool = True) -> Picture:
    return thumbnails(np.atleast_3d(image), None, EIGHT_BITS, colour=colour)


def groups_of(looks: list[Picture]) -> list[list[int]]:
    return near_copies([perceptual_hashes(planes) for planes in looks], lambda index: looks[index])


def one_bucket(looks: list[Picture]) -> list[list[int]]:
    """The groups of images that are said to share a hash."""
    return near_copies([(b"one hash",) * len(planes) for planes in looks], lambda index: looks[index])


def jpeg(image: Picture, quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def png(image: Picture) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def copies_of(image: Picture) -> dict[str, bytes]:
    noise = np.rint(np.random.default_rng(1).normal(0, 1, image.shape))
    return {
        "original.png": png(image),
        "saved-anew.jpg": jpeg(image, 90),
        "brighter.png": png(image + np.uint8(2)),
        "darker.png": png(image - np.uint8(2)),
        "noisy.png": png((image + noise).astype(np.uint8)),
    }


@pytest.mark.parametrize(("size", "colours"), [(28, 1), (64, 1), (200, 1), (128, 3)])
def test_the_hash_of_a_thumbnail_is_that_of_the_picture(size: int, colours: int) -> None:
    image = np.random.default_rng(size).integers(0, 256, (size, size, colours), np.uint8)
    expected = imagehash.phash(Image.fromarray(image.squeeze()))
    assert perceptual_hashes(look(image)) == (np.packbits(expected.hash).tobytes(),)


@pytest.mark.parametrize(("channels", "colour", "planes"), [(1, True, 1), (3, True, 1), (3, False, 3), (2, False, 2)])
def test_colours_are_one_plane_and_modalities_one_each(channels: int, colour: bool, planes: int) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (40, 40, channels), np.uint16)
    found = thumbnails(image, image[..., :1], SIXTEEN_BITS, colour=colour)
    assert (found.shape, found.dtype) == ((planes + 1, 32, 32), np.uint8)


def test_deep_images_are_seen_over_their_intensity() -> None:
    ramp = np.linspace(1000, 3000, 32 * 32).reshape(32, 32, 1).astype(np.uint16)
    seen = thumbnails(ramp, None, Intensity(1000, 3000), colour=True)
    assert (seen.min(), seen.max()) == (0, 255)


def test_copies_of_images_are_found_and_nothing_else() -> None:
    """Of 40 pictures, every fourth with a copy of another gain."""
    pictures = [smooth(seed) for seed in range(40)]
    pictures += [np.rint(picture * 0.97).astype(np.uint8) for picture in pictures[::4]]
    found = groups_of([look(picture) for picture in pictures])
    assert {tuple(group) for group in found} <= {(4 * i, 40 + i) for i in range(10)}
    # The hash itself misses some.
    assert len(found) >= 7


def test_images_that_only_share_a_hash_stay_apart() -> None:
    looks = [look(smooth(seed)) for seed in range(30)]
    assert one_bucket(looks) == []
    looks.append(look(smooth(3) - np.uint8(2)))
    assert one_bucket(looks) == [[3, 30]]


def test_flat_images_have_no_hash() -> None:
    """Black slices with a little noise, and grey ones, even where their thumbnails are equal."""
    rng = np.random.default_rng(0)
    flat = [np.full((64, 64), level, np.uint8) for level in (0, 0, 100, 200)]
    flat += [rng.integers(0, 3, (64, 64), np.uint8) for _ in range(20)]
    assert {perceptual_hashes(look(image)) for image in flat} == {(b"",)}
    assert groups_of([look(image) for image in flat]) == []


def test_pairs_chain_within_a_bucket_and_over_planes() -> None:
    """0, 1 by their first plane, 1, 2 by their second; equal hashes of different planes join nothing."""
    a, b, c, d = (look(smooth(seed))[0] for seed in range(4))
    looks = [np.stack(pair) for pair in ((a, b), (a, c), (d, c), (b, d))]
    assert groups_of(looks) == [[0, 1, 2]]


def test_groups_are_the_same_in_any_order_and_over_many_blocks() -> None:
    """700 images of one hash: 50 pictures, each 14 times with other noise."""
    rng = np.random.default_rng(0)
    looks = [look(np.clip(smooth(i % 50) + rng.normal(0, 2, (64, 64)), 0, 255).astype(np.uint8)) for i in range(700)]
    assert one_bucket(looks) == [list(range(i, 700, 50)) for i in range(50)]
    order = rng.permutation(700)
    found = one_bucket([looks[i] for i in order])
    assert sorted(sorted(order[group].tolist()) for group in found) == [list(range(i, 700, 50)) for i in range(50)]


def folder(raw: Path, default: Config, kept: int = 30) -> Config:
    """`kept` patients with a picture each, the first of which five patients have, one saved anew."""
    for seed in range(kept):
        (raw / f"p{seed:02d}_0.png").write_bytes(png(smooth(seed)))
    (raw / "p00_0.png").unlink()
    for index, (name, content) in enumerate(copies_of(smooth(0)).items()):
        (raw / f"q{index}_{name}").write_bytes(content)
    values = {"name": "made", "source": "folder", "raw": str(raw), "size": 64, "labels": False}
    changes = {f"data.{key}": value for key, value in values.items()}
    return default.override({**changes, "data.options": {"patient": r"^(\w\d+)_"}})


def table(directory: Path) -> list[dict[str, str]]:
    with (directory / "index.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_copies_of_one_image_under_five_patients_never_cross_a_split(tmp_path: Path, config: Config) -> None:
    (tmp_path / "raw").mkdir()
    made = folder(tmp_path / "raw", config)
    found = set()
    for seed in range(25):
        prepare(made.data, tmp_path / str(seed), seed=seed, naming=Naming(lambda: b"key", tmp_path / "names.csv"))
        rows = table(tmp_path / str(seed))
        copies = [row for row in rows if row["near_copy_of"]]
        assert [row["patient"] for row in copies] == [pseudonym(f"q{i}", b"key") for i in range(5)]
        (first,) = {int(row["near_copy_of"]) for row in copies}
        assert rows[first] == copies[0]
        assert (tmp_path / "names.csv").read_text().splitlines()[1 + first].startswith(f"{first},,q0_original.png,q0,")
        (split,) = {row["split"] for row in copies}
        found.add(split)
    assert found == {"train", "validation", "test"}
    assert any(
        " 5 (in 1 groups, the largest of 5) near-copies" in line
        for line in account(tmp_path / "0", tmp_path / "names.csv")
    )


def test_a_near_copy_in_two_splits_is_named() -> None:
    with pytest.raises(MedganError, match=r"near-copy 'a\.png' is in both train and test"):
        check_leaks({"near-copy": ["a.png", None, "a.png"]}, ["train", "train", "test"])


def test_a_data_set_of_one_image_saved_anew_cannot_be_split(tmp_path: Path, config: Config) -> None:
    (tmp_path / "raw").mkdir()
    made = folder(tmp_path / "raw", config, kept=1)
    with pytest.raises(MedganError, match=r"the data set has 1 group"):
        prepare(made.data, tmp_path / "prepared", seed=0)


def test_flat_images_of_many_patients_join_nobody(tmp_path: Path, config: Config) -> None:
    """Each patient has a dark slice, each with noise of its own: together they would be one patient."""
    (tmp_path / "raw").mkdir()
    made = folder(tmp_path / "raw", config)
    for index in range(30):
        dark = np.random.default_rng(index).integers(0, 3, (64, 64), np.uint8)
        (tmp_path / "raw" / f"p{index:02d}_dark.png").write_bytes(png(dark))
    prepare(made.data, tmp_path / "prepared", seed=0)
    assert Counter(bool(row["near_copy_of"]) for row in table(tmp_path / "prepared")) == {True: 5, False: 59}


def test_phantoms_of_different_patients_are_no_near_copies(tmp_path: Path, config: Config) -> None:
    changes = {"data.size": 32, "data.options": {"count": 2400, "slices": 4}}
    prepare(config.override(changes).data, tmp_path / "prepared", seed=0)
    rows = table(tmp_path / "prepared")
    copies = {(rows[int(row["near_copy_of"])]["patient"], row["patient"]) for row in rows if row["near_copy_of"]}
    assert copies and all(one == other for one, other in copies)


REAL = {
    "medical-mnist": (".", True, 1, "", (7716, 3063, 19)),
    "chest-xray-kermany": ("chest_xray", False, 1, CHILDREN, (28, 13, 3)),
    "isic2017-lesions": ("isic2017/images", False, 3, "", (4, 2, 2)),
}


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_near_copies_of_real_data_sets(tmp_path: Path, config: Config, name: str) -> None:
    """Images that are near-copies, their groups and the largest group."""
    within, labels, channels, patient, expected = REAL[name]
    with tarfile.open(Path(os.environ["MEDGAN_REAL_DATA"]) / f"{name}.tar.xz") as archive:
        archive.extractall(tmp_path / "raw", filter="data")
    values = {"source": "folder", "raw": str(tmp_path / "raw" / within), "size": 64, "channels": channels}
    changes = {f"data.{key}": value for key, value in {**values, "labels": labels}.items()}
    made = config.override({**changes, "data.options": {"patient": patient}})
    prepare(made.data, tmp_path / "prepared", seed=0)
    groups = Counter(row["near_copy_of"] for row in table(tmp_path / "prepared") if row["near_copy_of"])
    assert (groups.total(), len(groups), max(groups.values())) == expected
