"""Source dicom: what is read, what is refused and why, who counts as one patient, and what must not be told."""

import logging
import os
import tarfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicoms import AXIAL, CORONAL, SAGITTAL, dataset, ramp, save
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
)

from medgan.config.checking import build
from medgan.config.data import DataConfig
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.drawn import write_dicom
from medgan.imaging.intensity import SIXTEEN_BITS, Intensity
from medgan.sources import SOURCES, Source
from medgan.sources.prepare import prepare

SPEC = ImageSpec(16, 1)
REAL = Path(os.environ.get("MEDGAN_REAL_DATA", ""))


def source(**options: Any) -> Source:
    return build(SOURCES, "dicom", options, "data.options")


def read(raw: Path, **options: Any) -> tuple[list[Sample], dict[str, str]]:
    """Samples, and reasons by file."""
    items = [part for item in source(**options).samples(raw, SPEC) for part in (item() if callable(item) else (item,))]
    return (
        [item for item in items if isinstance(item, Sample)],
        {item.origin: item.reason for item in items if isinstance(item, Rejected)},
    )


def slice_(**tags: Any) -> Dataset:
    return dataset(ramp(0, 2000, "u2"), **tags)


def test_ct_is_in_hounsfield_units_by_default_and_all_else_by_its_own_window(caplog: pytest.LogCaptureFixture) -> None:
    ct = source(modalities=["CT"]).intensity
    assert (ct.low, ct.high, ct.unit, ct.levels) == (-1024, 3071, "HU", 4096)
    assert source().intensity == source(modalities=["CT", "MR"]).intensity == SIXTEEN_BITS
    assert source(modalities=["CT"], window="file").intensity == SIXTEEN_BITS
    soft = source(modalities=["CT"], window=[-160, 240]).intensity
    assert (soft.low, soft.high, soft.unit, soft.levels) == (-160, 240, "HU", 401)
    uptake = source(modalities=["PT"], window=[0, 10], unit="SUV").intensity
    assert (uptake.high, uptake.unit, uptake.levels) == (10, "SUV", 65536)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": [5, 5]}, "give two finite values, the lower first"),
        ({"series": "("}, "series = '\\(' is not a regular expression"),
        ({"unit": "SUV"}, "unit = 'SUV' needs a window of two values"),
        ({"label": "PatientName"}, "data.options.label"),
        ({"frames": "last"}, "data.options.frames"),
    ],
)
def test_options_that_cannot_be_are_sentences(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MedganError, match=message):
        _ = source(**options).intensity


def test_files_are_known_by_their_content(tmp_path: Path) -> None:
    save(tmp_path / "with-suffix.dcm", slice_())
    save(tmp_path / "IM000001", slice_())
    save(tmp_path / "a b" / "été.ima", slice_())
    bare = slice_()
    del bare.file_meta
    bare.save_as(tmp_path / "bare", enforce_file_format=False, implicit_vr=True, little_endian=True)
    whole = save(tmp_path / "no-preamble", slice_()).read_bytes()
    (tmp_path / "no-preamble").write_bytes(whole[132:])
    directory = slice_()
    directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    directory.SOPClassUID = MediaStorageDirectoryStorage
    del directory.PixelData
    save(tmp_path / "DICOMDIR", directory)
    (tmp_path / "notes.txt").write_text("not an image")
    samples, rejected = read(tmp_path)
    assert {sample.origin for sample in samples} == {
        "with-suffix.dcm",
        "IM000001",
        "a b/été.ima",
        "bare",
        "no-preamble",
    }
    assert len({sample.image.tobytes() for sample in samples}) == len({sample.digest for sample in samples}) == 1
    assert rejected == {"notes.txt": "it is no DICOM file"}


@pytest.mark.parametrize(
    ("tags", "options", "reason"),
    [
        ({"Modality": "MR"}, {"modalities": ["CT"]}, "its Modality is not among data.options.modalities (CT)"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, {}, "it is a localiser (ImageType)"),
        ({"BurnedInAnnotation": "YES"}, {}, "it has text burned in"),
        ({"Modality": "US"}, {}, "ultrasound and copies of screens often have text burned in"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, {}, "copies of screens often have text burned in"),
        ({"ImageOrientationPatient": CORONAL}, {"plane": "axial"}, "its plane is coronal, and data.options.plane is"),
        ({"ImageOrientationPatient": None}, {"plane": "axial"}, "its plane is not said"),
        ({"SeriesDescription": "LUNG"}, {"series": "(?i)soft"}, "its SeriesDescription does not match"),
        ({"PixelSpacing": [1, 2]}, {"isotropic": False}, "its pixels are no squares, 0.5 times as high as wide; data"),
        ({"PixelSpacing": [1, 20]}, {}, "its pixels are no squares, 0.05 times as high as wide"),
        ({"Rows": None}, {}, "it has no Rows"),
        ({"PhotometricInterpretation": None}, {}, "it has no PhotometricInterpretation"),
        ({"PhotometricInterpretation": "CMYK"}, {}, "its PhotometricInterpretation is none of MONOCHROME1"),
        ({"BitsAllocated": 32}, {}, "its pixels have 32 bits, and up to 16 are read"),
        ({"Rows": 60000, "Columns": 60000}, {}, "its image has 60000 x 60000 pixels"),
        ({"NumberOfFrames": -3}, {}, "its NumberOfFrames is below 1"),
    ],
)  # fmt: skip
def test_what_is_refused_has_a_reason(
    tmp_path: Path, tags: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    plain = {key: value for key, value in tags.items() if key != "NumberOfFrames"}
    save(tmp_path / "good.dcm", slice_(SeriesDescription="Soft tissue"))
    bad = slice_(**plain)
    if "NumberOfFrames" in tags:
        bad.NumberOfFrames = tags["NumberOfFrames"]
    save(tmp_path / "bad.dcm", bad)
    samples, rejected = read(tmp_path, **options)
    assert [sample.origin for sample in samples] == ["good.dcm"]
    assert rejected.keys() == {"bad.dcm"} and reason in rejected["bad.dcm"]


def test_a_file_that_cannot_be_used_is_of_a_class_that_may_be_lost_unless_nobody_asks_for_it(tmp_path: Path) -> None:
    save(tmp_path / "well" / "a", slice_())
    for name in ("cut", "short"):
        whole = save(tmp_path / name / "a", slice_()).read_bytes()
        (tmp_path / name / "a").write_bytes(whole[: 10 if name == "short" else -20])
    for name, tags in (("mr", {"Modality": "MR"}), ("text", {"BurnedInAnnotation": "YES"})):
        save(tmp_path / name / "a", slice_(**tags))
    for patient in "12":
        save(tmp_path / "two" / patient, slice_(PatientID=patient, SeriesInstanceUID="1.2"))
    given = source(modalities=["CT"]).samples(tmp_path, SPEC)
    items = [part for item in given for part in (item() if callable(item) else (item,))]
    assert {item.origin: item.label for item in items if isinstance(item, Rejected)} == {
        "cut/a": "cut",
        "short/a": "short",
        "mr/a": None,
        "text/a": "text",
        "two/1": "two",
        "two/2": "two",
    }


def test_text_is_read_where_it_is_allowed(tmp_path: Path) -> None:
    save(tmp_path / "a.dcm", slice_(BurnedInAnnotation="YES"))
    save(tmp_path / "b.dcm", slice_(Modality="US"))
    save(tmp_path / "c.dcm", slice_(SOPClassUID=SecondaryCaptureImageStorage))
    assert len(read(tmp_path, allow_burned_in=True)[0]) == 3


def damaged(folder: Path) -> dict[str, bytes]:
    good = save(folder / "whole", slice_()).read_bytes()
    (folder / "whole").unlink()
    structures = slice_(SOPClassUID=RTStructureSetStorage)
    floats = slice_()
    floats.add_new("FloatPixelData", "OF", np.zeros(64, np.float32).tobytes())
    for made in (structures, floats):
        del made.PixelData
    deflated = slice_()
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    files = {"empty": b"", "head": good[:140], "half a header": good[:400], "half the pixels": good[:-64]}
    for name, made in {"structures": structures, "floats": floats, "deflated": deflated}.items():
        made.save_as(folder / "made", enforce_file_format=True)
        files[name] = (folder / "made").read_bytes()
    (folder / "made").unlink()
    rows = good.index(b"\x28\x00\x10\x00US\x02\x00")
    files["wrong type"] = good[: rows + 4] + b"LO" + good[rows + 6 :]
    files["garbage"] = good[:200] + bytes(np.random.default_rng(0).integers(0, 256, 900, np.uint8))
    files["text"] = b"PatientName: nobody\n" * 100
    return files


def test_damaged_files_are_named_and_nothing_else_happens(tmp_path: Path) -> None:
    files = damaged(tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    save(tmp_path / "good", slice_())
    samples, rejected = read(tmp_path)
    assert [sample.origin for sample in samples] == ["good"]
    assert rejected.keys() == files.keys()
    assert "RT Structure Set Storage" in rejected["structures"] and "floating-point" in rejected["floats"]
    assert "Deflated" in rejected["deflated"] and "cut off" in rejected["half the pixels"]


def test_cut_and_changed_bytes_never_end_in_a_traceback(tmp_path: Path) -> None:
    """A byte in eight places changed, or the end cut, 150 times over."""
    good = save(tmp_path / "good.dcm", slice_(SeriesInstanceUID=None, WindowCenter=40, WindowWidth=400)).read_bytes()
    random = np.random.default_rng(1)
    for number in range(150):
        content = bytearray(good[: random.integers(100, len(good))] if number % 3 == 0 else good)
        for place in random.integers(0, len(content), 8):
            content[place] = random.integers(0, 256)
        (tmp_path / f"{number}.dcm").write_bytes(content)
    samples, rejected = read(tmp_path, allow_burned_in=True)
    assert len(samples) + len(rejected) >= 151 - 5  # some changes make a directory of a file, or more frames
    assert len(samples) >= 10 and len(rejected) > 50


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    save(tmp_path / "good.dcm", slice_())
    (tmp_path / "loop.dcm").symlink_to("loop.dcm")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "up").symlink_to(tmp_path)
    assert [sample.origin for sample in read(tmp_path)[0]] == ["good.dcm"]
    with pytest.raises(MedganError, match="holds no DICOM image"):
        read(tmp_path / "folder")


def test_series_of_several_planes_or_patients_are_refused(tmp_path: Path) -> None:
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "ImageOrientationPatient": CORONAL}
    for name, tags in {
        "sound1": {"SeriesInstanceUID": "1.1"}, "sound2": {"SeriesInstanceUID": "1.1"},
        "scout": {"SeriesInstanceUID": "1.1", **scout},
        "mixed1": {"SeriesInstanceUID": "1.2"},
        "mixed2": {"SeriesInstanceUID": "1.2", "ImageOrientationPatient": SAGITTAL},
        "two1": {"SeriesInstanceUID": "1.3"}, "two2": {"SeriesInstanceUID": "1.3", "PatientID": "p2"},
    }.items():  # fmt: skip
        save(tmp_path / name, slice_(**tags))
    samples, rejected = read(tmp_path)
    assert [sample.origin for sample in samples] == ["sound1", "sound2"]
    assert rejected == {
        "scout": "it is a localiser (ImageType)",
        **dict.fromkeys(("mixed1", "mixed2"), "its series mixes orientations (axial, sagittal)"),
        **dict.fromkeys(("two1", "two2"), "its series has 2 patients (PatientID)"),
    }


@pytest.mark.parametrize(
    ("cosines", "plane"),
    [(AXIAL, "axial"), (CORONAL, "coronal"), (SAGITTAL, "sagittal"), ([1, 0, 0, 0, 0.94, 0.34], "axial"),
     ([1, 0, 0, 0, 0.71, 0.71], "oblique"), (None, None), ([0, 0, 0, 0, 0, 0], None)],
)  # fmt: skip
def test_planes_are_labels(tmp_path: Path, cosines: list[float] | None, plane: str | None) -> None:
    save(tmp_path / "a.dcm", slice_(ImageOrientationPatient=cosines))
    ((sample,), _) = read(tmp_path, label="plane")
    assert sample.label == plane


def test_labels_are_folders_or_tags(tmp_path: Path) -> None:
    save(tmp_path / "ill" / "a.dcm", slice_(BodyPartExamined="CHEST", PatientSex="F"))
    save(tmp_path / "b.dcm", slice_())
    for label, expected in (
        ("folder", {"ill/a.dcm": "ill", "b.dcm": None}),
        ("BodyPartExamined", {"ill/a.dcm": "CHEST", "b.dcm": None}),
        ("Modality", {"ill/a.dcm": "CT", "b.dcm": "CT"}),
    ):
        assert {sample.origin: sample.label for sample in read(tmp_path, label=label)[0]} == expected


def test_patients_are_those_of_the_header(tmp_path: Path) -> None:
    for name, tags in {
        "a": {}, "b": {}, "c": {"IssuerOfPatientID": "north"}, "d": {"PatientID": None, "StudyInstanceUID": "1.9"},
        "e": {"PatientID": "", "StudyInstanceUID": "1.9"}, "f": {"PatientID": None, "StudyInstanceUID": None},
        "g": {"PatientID": "p7", "StudyInstanceUID": "1.7"}, "h": {"PatientID": None, "StudyInstanceUID": "1.7"},
        "i": {"PatientID": "p9", "IssuerOfPatientID": "north"}, "j": {"PatientID": "p9", "IssuerOfPatientID": "south"},
        "k": {"PatientID": None, "StudyInstanceUID": None, "SeriesInstanceUID": None},
    }.items():  # fmt: skip
        series = {"SeriesInstanceUID": "1.8"} if name == "f" else {}
        save(tmp_path / name, slice_(**series | tags))
    # Nothing says that p1 of no issuer is not p1 of north.
    shown = ["p1", "p1", "p1", "1.9", "1.9", "1.8", "p7", "p7", "north/p9", "south/p9", "k"]
    assert [sample.patient for sample in read(tmp_path)[0]] == shown
    by_study = [sample.patient for sample in read(tmp_path, patient="StudyInstanceUID")[0]]
    assert by_study == ["1.2.3"] * 3 + ["1.9"] * 2 + ["1.8"] + ["1.7"] * 2 + ["1.2.3"] * 2 + ["k"]


@pytest.mark.parametrize(("studies", "told"), [(("1.1", "1.2"), True), (("1.1", "1.1"), False)])
def test_one_word_for_all_patients_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, studies: tuple[str, str], told: bool
) -> None:
    for study, name in zip(studies, "ab", strict=True):
        save(tmp_path / name, slice_(PatientID="ANON", StudyInstanceUID=study))
    read(tmp_path)
    assert ("data.options.patient: StudyInstanceUID tells them apart" in caplog.text) == told


@pytest.mark.parametrize(
    ("frames", "expected"), [("first", [0]), ("middle", [2]), ("all", [0, 1, 2, 3, 4]), ("refuse", [])]
)
def test_frames_follow_the_rule(
    tmp_path: Path, frames: str, expected: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    pixels = np.stack([ramp(0, 100, "u2") + 100 * frame for frame in range(5)])
    save(tmp_path / "a.dcm", dataset(pixels, NumberOfFrames=5))
    with caplog.at_level(logging.INFO):
        samples, rejected = read(tmp_path, frames=frames, modalities=["CT"])
    assert [(sample.origin, int(sample.image.min())) for sample in samples] == [
        (f"a.dcm#{frame}", 100 * frame) for frame in expected
    ]
    assert bool(rejected) == (frames == "refuse")
    assert ("1 files have several frames" in caplog.text) == (frames in ("first", "middle"))


def test_frames_that_are_not_there_end_a_file(tmp_path: Path) -> None:
    """A header that promises a thousand million frames is no reason to try them all."""
    save(tmp_path / "a.dcm", dataset(np.stack([ramp(0, 100, "u2")] * 2), NumberOfFrames=10**9))
    samples, rejected = read(tmp_path, frames="all")
    assert len(samples) <= 2 and rejected.keys() == {"a.dcm"}


def test_pixels_that_are_no_squares_are_resampled(tmp_path: Path) -> None:
    save(tmp_path / "a.dcm", slice_(PixelSpacing=[2, 1]))
    save(tmp_path / "b.dcm", slice_(PixelSpacing=None, PixelAspectRatio=[1, 2]))
    save(tmp_path / "c.dcm", slice_(PixelSpacing=[0, 0]))
    shapes = [sample.image.shape for sample in read(tmp_path, modalities=["CT"])[0]]
    assert shapes == [(16, 8, 1), (8, 16, 1), (8, 8, 1)]


IDENTIFIERS = {
    "PatientName": "Zyxwv^Planted01", "PatientBirthDate": "19770702", "OtherPatientIDs": "Planted03",
    "PatientAddress": "Planted04 Street", "PatientTelephoneNumbers": "Planted05", "PatientMotherBirthName": "Planted06",
    "ReferringPhysicianName": "Planted07", "PerformingPhysicianName": "Planted08", "OperatorsName": "Planted09",
    "InstitutionName": "Planted10", "InstitutionAddress": "Planted11", "StationName": "Planted12",
    "AccessionNumber": "Planted13", "StudyDescription": "Planted14", "SeriesDescription": "Planted15",
    "ImageComments": "Planted16", "StudyID": "Planted17", "DeviceSerialNumber": "Planted18",
}  # fmt: skip


@pytest.mark.parametrize(
    "broken",
    [{}, {"Rows": None}, {"BurnedInAnnotation": "YES"}, {"WindowCenter": 1, "WindowWidth": 0},
     {"Modality": "Planted19"}, {"RescaleType": "Planted20"}, {"PhotometricInterpretation": "PLANTED21"},
     {"SOPClassUID": "1.2.66666"}],
)  # fmt: skip
@pytest.mark.parametrize("options", [{}, {"modalities": ["CT"]}, {"series": "no such"}, {"plane": "sagittal"}])
def test_nothing_that_names_people_leaves_the_header(
    tmp_path: Path, broken: dict[str, Any], options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with warnings.catch_warnings():  # pydicom's, of values that tags of their kind do not have
        warnings.simplefilter("ignore")
        save_with_names(tmp_path / "a.dcm", broken)
    save(tmp_path / "b.dcm", slice_())
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        samples, rejected = read(tmp_path, **options)
    assert len(samples) + len(rejected) == 2
    told = [caplog.text, str(rejected), *(str((s.patient, s.origin, s.label, s.digest)) for s in samples)]
    assert not any(word in " ".join(told).lower() for word in ("planted", "zyxwv", "19770702", "66666"))
    assert not any(b"lanted" in sample.image.tobytes() for sample in samples)


def save_with_names(path: Path, broken: dict[str, Any]) -> None:
    made = slice_(**IDENTIFIERS, **broken)
    made.add_new(0x00091001, "LO", "Planted22")  # a private tag
    item = Dataset()
    item.PatientName = "Planted23"
    made.ReferencedPatientSequence = [item]
    made.add_new(0x60003000, "OB", b"Planted24 ")  # an overlay
    made.PatientBirthDate = "Planted25"  # of no date's form, of which pydicom warns
    save(path, made)


def test_the_words_of_a_damaged_tag_are_not_told(tmp_path: Path) -> None:
    made = slice_()
    made.add_new("NumberOfFrames", "LO", "Planted26")
    save(tmp_path / "a.dcm", made)
    save(tmp_path / "b.dcm", slice_())
    assert read(tmp_path)[1] == {"a.dcm": "its header is damaged: a tag that images need cannot be read"}


def test_a_missing_library_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(MedganError, match=r"DICOM needs pydicom; pip install 'medgan\[dicom\]'"):
        read(tmp_path)


def test_a_drawn_file_is_read_back_in_its_unit(tmp_path: Path) -> None:
    hounsfield = Intensity.windowed(-1024, 3071, "HU")
    image = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    for name in ("a.dcm", "b.dcm"):
        write_dicom(tmp_path / name, image, hounsfield)
    drawn = [pydicom.dcmread(tmp_path / name) for name in ("a.dcm", "b.dcm")]
    assert drawn[0].SeriesInstanceUID == drawn[1].SeriesInstanceUID
    assert drawn[0].SOPInstanceUID != drawn[1].SOPInstanceUID
    assert drawn[0].ImageComments == "synthetic; not for diagnosis" and drawn[0].PatientName == drawn[0].PatientID == ""
    samples, _ = read(tmp_path, window=[-1024, 3071], unit="HU", allow_burned_in=True)
    values = samples[0].image.astype(float) - 1024
    assert np.abs(values[..., 0] - hounsfield.values(image)[0]).max() <= 0.5 + 1e-3
    own, _ = read(tmp_path, allow_burned_in=True)
    assert np.abs(own[0].image[..., 0] / 65535 * 2 - 1 - image[0]).max() <= 1 / 4095


def unpacked(folder: Path, name: str) -> Path:
    with tarfile.open(REAL / name) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.real
def test_ten_patients_come_out_in_hounsfield_units(tmp_path: Path) -> None:
    raw = unpacked(tmp_path, "dicom-ct-ny-sbu.tar.xz") / "dicom_ct"
    samples, rejected = read(raw, modalities=["CT"], label="plane")
    assert len(samples) == 62 and len({sample.patient for sample in samples}) == 10
    assert set(rejected) == {"README-upstream.md", "SOURCE.txt"}
    assert Counter(sample.label for sample in samples) == {"axial": 20, "coronal": 22, "sagittal": 20}
    values = [sample.image.astype(int) - 1024 for sample in samples]
    corners = [image[:4, :4] for sample, image in zip(samples, values, strict=True) if sample.label == "axial"]
    assert np.median([corner.max() for corner in corners]) <= -950  # air, or outside of the circle
    for image in values:
        soft = np.histogram(image, np.arange(-200, 220, 20))
        assert -140 <= soft[1][soft[0].argmax()] <= 80  # fat or soft tissue is most of a body
        assert image.min() <= -990 and image.max() > 300
    digests = Counter(sample.digest for sample in samples)
    assert sum(count > 1 for count in digests.values()) == 2  # the two slices of another name


# What pydicom, Pillow and pyjpegls do not decode; GDCM reads three of them.
UNDECODED = {
    "JPEG-LL.dcm", "JPEG-lossy.dcm", "JPEG2000-embedded-sequence-delimiter.dcm", "JPGExtended.dcm",
    "JPGLosslessP14SV1_1s_1f_8b.dcm", "MR_truncated.dcm", "bad_sequence.dcm",
}  # fmt: skip


@pytest.mark.real
def test_each_of_the_varied_files_is_used_or_named(tmp_path: Path) -> None:
    raw = unpacked(tmp_path, "dicom-varied-pydicom.tar.xz") / "dicom_varied"
    samples, rejected = read(raw, allow_burned_in=True)
    files = {path.name for path in raw.glob("*.dcm")}
    used = {sample.origin.split("#")[0]: sample for sample in samples}
    assert len(files) == 56 and used.keys() | rejected.keys() >= files
    assert files & rejected.keys() <= UNDECODED
    assert {"JPEG-lossy.dcm", "JPEG2000-embedded-sequence-delimiter.dcm", "MR_truncated.dcm"} <= rejected.keys()
    copies = ["MR_small", "MR_small_RLE", "MR_small_bigendian", "MR_small_implicit", "MR_small_jpeg_ls_lossless"]
    assert len({used[f"{name}.dcm"].digest for name in copies}) == 1
    for first, second in (("OBXXXX1A", "OBXXXX1A_expb"), ("gdcm-US-ALOKA-16", "gdcm-US-ALOKA-16_big")):
        np.testing.assert_array_equal(used[f"{first}.dcm"].image, used[f"{second}.dcm"].image)
    # Radiographs, MONOCHROME1: the air beside the leg is dark and bone is bright; lungs are darker than the spine.
    leg, chest = (used[name].image[..., 0] / 65535 for name in ("RG3_J2KR.dcm", "RG1_J2KI.dcm"))
    assert leg[700:900, 450:520].mean() < 0.2 and leg[700:900, 800:900].max() > 0.5
    assert chest[500:700, 350:550].mean() < chest[500:700, 880:960].mean() - 0.1


@pytest.mark.real
def test_the_slices_of_ct_are_prepared(tmp_path: Path) -> None:
    raw = unpacked(tmp_path, "dicom-ct-ny-sbu.tar.xz") / "dicom_ct"
    config = DataConfig.model_validate(
        {"name": "ct", "source": "dicom", "raw": raw, "size": 64, "channels": 1, "labels": False, "validation": 0.3,
         "test": 0.3, "max_rejected": 0.05, "options": {"modalities": ["CT"]}}
    )  # fmt: skip
    prepared = prepare(config, tmp_path / "prepared", seed=0)
    assert prepared.images.dtype == np.uint16 and prepared.intensity.unit == "HU" and len(prepared.images) == 62
    assert len(set(prepared.patients)) == 10
