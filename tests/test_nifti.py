"""Volumes are read by the axes of the body, or refused with a reason, and never cost more than the file holds."""

import gzip
import itertools
import resource
import struct
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from volumes import nifti, patched, ramp

from medgan.imaging.nifti import Plane, VolumeError, read_volume, volume_name

_DIM, _TYPE, _OFFSET, _SLOPE = 40, 70, 108, 112  # bytes of the header


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(VolumeError) as caught:
        read_volume(path, **options)
    reason = str(caught.value)
    assert reason and "\n" not in reason and path.name not in reason
    return reason


def test_slices_are_shown_as_radiologists_see_them(tmp_path: Path) -> None:
    """Marks at the right, the front and the top of the body."""
    voxels = np.zeros((12, 14, 10), np.int16)
    voxels[-1], voxels[:, -1], voxels[:, :, -1] = 1, 2, 3
    volume = read_volume(nifti(tmp_path / "a.nii", voxels))
    axial, coronal, sagittal = (volume.slice(plane, 4) for plane in ("axial", "coronal", "sagittal"))
    assert axial.shape == (14, 12) and coronal.shape == (10, 12) and sagittal.shape == (10, 14)
    assert (axial[0] == 2).all() and (axial[1:, 0] == 1).all() and (axial[1:, 1:] == 0).all()
    assert (coronal[0] == 3).all() and (coronal[1:, 0] == 1).all() and (coronal[1:, 1:] == 0).all()
    assert (sagittal[0] == 3).all() and (sagittal[1:, 0] == 2).all() and (sagittal[1:, 1:] == 0).all()


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_every_way_of_storing_shows_the_same(tmp_path: Path, plane: Plane) -> None:
    """All 48 orders and directions of the axes, against nibabel's own canonical form."""
    expected = read_volume(nifti(tmp_path / "a.nii", ramp(), np.diag([1, 2, 3, 1])))
    original = nibabel.Nifti1Image(ramp(), np.diag([1, 2, 3, 1]))
    for axes, flips in itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)):
        turned = original.as_reoriented(np.stack([axes, flips], axis=1))
        volume = read_volume(nifti(tmp_path / "b.nii.gz", np.asarray(turned.dataobj), turned.affine))
        assert volume.spacing == (1, 2, 3) and volume.count(plane) == expected.count(plane)
        assert (volume.slice(plane, 3) == expected.slice(plane, 3)).all()
        assert volume.pixel(plane) == expected.pixel(plane) and expected.agrees(volume)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float32, np.float64, ">i2"])
def test_values_of_every_type(tmp_path: Path, name: str, dtype: Any) -> None:
    voxels = (ramp() % 100).astype(dtype)
    volume = read_volume(nifti(tmp_path / name, voxels, slope=(0.5, -20)))
    assert np.allclose(volume.slice("sagittal", 2), np.asarray(voxels[2]).T[::-1, ::-1] * 0.5 - 20)
    assert volume.percentiles(0, 100) == (-20, 29.5)


def test_a_slope_of_nothing_is_none(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", ramp())
    for slope in (0.0, np.nan):
        patched(path, _SLOPE, struct.pack("<ff", slope, 5))
        assert read_volume(path).slice("axial", 0).max() == ramp()[..., 0].max()


def test_nifti_2(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti2Image(ramp(), np.eye(4)), tmp_path / "a.nii.gz")  # type: ignore[attr-defined]
    assert read_volume(tmp_path / "a.nii.gz").voxels.shape == (12, 14, 10)


def test_one_volume_of_several(tmp_path: Path) -> None:
    four = np.stack([ramp(), ramp() + 1], axis=3)
    for name in ("a.nii", "a.nii.gz"):
        path = nifti(tmp_path / name, four)
        assert refusal(path) == "it has 2 volumes; data.options.volume: 0 takes the first of each file"
        assert (read_volume(path, number=1).voxels == ramp() + 1).all()
        assert "counted from 0, and data.options.volume is 2" in refusal(path, number=2)
    assert (read_volume(nifti(tmp_path / "b.nii", ramp()[..., None, None])).voxels == ramp()).all()
    assert "(x, y, z) or (x, y, z, volume)" in refusal(nifti(tmp_path / "c.nii", four[:, :, :, None]))
    assert read_volume(nifti(tmp_path / "d.nii", ramp()[..., 0])).voxels.shape == (12, 14, 1)


def test_voxels_that_are_no_numbers(tmp_path: Path) -> None:
    values = ramp().astype(np.float32)
    values[0, 0, :3] = np.nan, np.inf, -np.inf
    for name in ("a.nii", "a.nii.gz"):
        assert refusal(nifti(tmp_path / name, values)).startswith("3 of its 1680 voxels are NaN or infinite")
    assert "complex" in refusal(nifti(tmp_path / "b.nii", ramp().astype(np.complex64)))
    rgb = np.zeros((12, 14, 10), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "colours (RGB)" in refusal(nifti(tmp_path / "c.nii", rgb))
    assert "not that of NIfTI" not in refusal(patched(nifti(tmp_path / "d.nii", ramp()), _TYPE, b"\x39\x05"))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr"])
def test_a_header_that_lies_costs_nothing(tmp_path: Path, name: str) -> None:
    path = nifti(tmp_path / name, ramp())
    lies: list[tuple[int, bytes]] = [
        (_DIM, struct.pack("<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1)),
        (_DIM, struct.pack("<8h", 7, 32767, 32767, 32767, 32767, 1, 1, 1)),
        (_DIM, struct.pack("<8h", 3, -5, 14, 10, 1, 1, 1, 1)),
        (_DIM, struct.pack("<8h", 3, 0, 14, 10, 1, 1, 1, 1)),
        (_DIM, struct.pack("<8h", 0, 0, 0, 0, 0, 0, 0, 0)),
        (_DIM, struct.pack("<8h", 3, 400, 14, 10, 1, 1, 1, 1)),
        (_OFFSET, struct.pack("<f", 2e9)),
        (_OFFSET, struct.pack("<f", np.nan)),
        (_OFFSET, struct.pack("<f", -400)),
    ]
    for offset, content in lies:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        refusal(patched(nifti(path, ramp()), offset, content))
        scale = 1 if sys.platform == "darwin" else 1024
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * scale < 2**27


@pytest.mark.parametrize("offset", [0, 100])
def test_voxels_do_not_begin_within_the_header(tmp_path: Path, offset: int) -> None:
    """Else the header's bytes would be the first of them, and all others a little off their place."""
    path = patched(nifti(tmp_path / "a.nii", np.stack([ramp()] * 2, axis=3)), _OFFSET, struct.pack("<f", offset))
    for number in (0, 1):
        assert refusal(path, number=number) == "its header says that voxels begin before it ends"
    assert read_volume(nifti(tmp_path / "b.hdr", ramp())).voxels[1, 2, 3] == ramp()[1, 2, 3]  # at 0 of its .img


def test_a_pair_in_capitals_is_one(tmp_path: Path) -> None:
    header = nifti(tmp_path / "a.hdr", ramp())
    header.with_suffix(".img").rename(tmp_path / "a.IMG")
    assert read_volume(header.rename(tmp_path / "a.HDR")).voxels[1, 2, 3] == ramp()[1, 2, 3]


def test_what_is_packed_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = nifti(tmp_path / "a.nii.gz", np.zeros((64, 64, 64), np.uint8))
    monkeypatch.setattr("medgan.imaging.nifti.MOST_UNPACKED", 2**17)
    assert "gunzip it" in refusal(path)
    plain = tmp_path / "a.nii"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    voxels: Any = read_volume(plain).voxels
    while not isinstance(voxels, np.memmap):
        voxels = voxels.base


def test_files_that_are_damaged_or_something_else(tmp_path: Path) -> None:
    whole = nifti(tmp_path / "whole.nii.gz", np.random.default_rng(0).integers(0, 255, (20, 20, 20), np.uint8))
    content, path = whole.read_bytes(), tmp_path / "a.nii.gz"
    for cut in (content[: len(content) // 2], content[:50], b"no gzip at all", b"\x1f\x8b"):
        path.write_bytes(cut)
        refusal(path)
    turned = bytearray(content)
    turned[len(content) // 2] ^= 255
    path.write_bytes(turned)
    refusal(path)
    plain = tmp_path / "a.nii"
    for found, reason in {
        b"": "it is empty: 0 bytes",
        content: "its content is gzip's; name it .nii.gz",
        b"text" * 200: "its content is not that of NIfTI",
        gzip.decompress(content)[:5000]: "cannot hold them",
    }.items():
        plain.write_bytes(found)
        assert reason in refusal(plain)
    assert "Analyze" in refusal(patched(nifti(plain, ramp()), 344, b"\0\0\0\0"))
    (tmp_path / "f.nii").mkdir()
    assert refusal(tmp_path / "f.nii") == "it is no file"
    assert "No such file" in refusal(tmp_path / "none.nii")
    nifti(tmp_path / "p.hdr", ramp())
    (tmp_path / "p.img").unlink()
    assert refusal(tmp_path / "p.hdr") == "there is no .img of its name beside it"


def test_an_affine_that_says_nothing(tmp_path: Path) -> None:
    def rows(*values: float) -> NDArray[np.float32]:
        return np.array(values, np.float32)

    for row in (rows(0, 0, 0, 0), rows(np.nan, 0, 0, 0)):
        path = nifti(tmp_path / "a.nii", ramp(), srow_x=rows(1, 0, 0, 0), sform_code=1)
        assert "affine" in refusal(patched(path, 280, row.tobytes()))


def test_volumes_agree_where_their_voxels_are_at_the_same_places(tmp_path: Path) -> None:
    volume = read_volume(nifti(tmp_path / "a.nii", ramp()))
    for shift, agrees in ((0.05, True), (0.5, False)):
        affine = np.eye(4)
        affine[0, 3] = shift
        assert volume.agrees(read_volume(nifti(tmp_path / "b.nii", ramp(), affine))) == agrees
    assert not volume.agrees(read_volume(nifti(tmp_path / "c.nii", ramp((12, 14, 11)))))


def test_names_without_suffix() -> None:
    names = {"a.b.nii.gz": "a.b", "A.NII": "A", "a.hdr": "a", "a.img": None, "a.gz": None}
    assert {name: volume_name(Path(name)) for name in names} == names
