"""Source `dicom`: DICOM files, grey or in colour, in sub-folders or not, in the unit of the scanner where asked."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic.dataclasses import dataclass

from medgan.config.checking import STRICT
from medgan.data.spec import ImageSpec, Item, Rejected, Sample
from medgan.errors import MedganError
from medgan.imaging.dicom import Header, pydicom_or_sentence, read_header
from medgan.imaging.dicom_pixels import read_frames
from medgan.imaging.intensity import SIXTEEN_BITS, Intensity
from medgan.sources.files import readable
from medgan.sources.fit import square_pixels
from medgan.walking import walk

HOUNSFIELD = (-1024.0, 3071.0)  # what 12 bits of a CT hold
_SQUARE = 0.01  # pixels count as squares where height and width differ by no more than this share
_LONGEST = 10  # pixels of a greater height or width in the other are no image
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, config=STRICT)
class Dicom:
    """Grey and colour images by their Modality, each file an image unless `frames` says otherwise.

    modalities: those to read, such as [CT]; empty: all. window: [low, high] in the unit of the rescaled values, or
    file: each image by its own window, or else its own range, in 16 bits that have no unit. Left out it is -1024 to
    3071 HU where modalities are [CT], else file. frames: which of a file of several.
    plane: that of the slices; others are rejected. series: a regular expression, looked for in SeriesDescription.
    label: the class; folder, plane, or a tag. patient: whose value keeps images together; where a file has no
    PatientID, its StudyInstanceUID, or else SeriesInstanceUID.
    isotropic: pixels that are no squares are resampled; else they are rejected.
    allow_burned_in: read images that have, or as ultrasound (US) and copies of screens (SC) may have, text in them.
    """

    modalities: tuple[str, ...] = ()
    window: tuple[float, float] | Literal["file"] | None = None
    unit: str = ""
    frames: Literal["first", "middle", "all", "refuse"] = "middle"
    plane: Literal["any", "axial", "coronal", "sagittal"] = "any"
    series: str = ""
    label: Literal[
        "folder", "plane", "Modality", "BodyPartExamined", "ViewPosition", "ImageLaterality", "PatientSex"
    ] = "folder"
    patient: Literal["PatientID", "StudyInstanceUID"] = "PatientID"
    isotropic: bool = True
    allow_burned_in: bool = False

    def __post_init__(self) -> None:
        try:
            re.compile(self.series)
        except re.error as error:
            raise ValueError(f"series = {self.series!r} is not a regular expression: {error}") from None
        if self.unit and self.fixed is None:
            raise ValueError(f"unit = {self.unit!r} needs a window of two values in it, such as window: [0, 400]")

    @property
    def fixed(self) -> Intensity | None:
        """The window of all images, None where each has its own."""
        of_ct = self.modalities == ("CT",)
        window = self.window or (HOUNSFIELD if of_ct else "file")
        if window == "file":
            return None
        low, high = window
        # Steps of 1 as scanners have them, unless the window is too narrow for 8 bits of them.
        return Intensity.windowed(low, high, self.unit or ("HU" if of_ct else ""), step=1.0 if high - low >= 255 else 0)

    @property
    def intensity(self) -> Intensity:
        return self.fixed or SIXTEEN_BITS

    def samples(self, raw: Path, spec: ImageSpec) -> Iterator[Item]:
        pydicom_or_sentence()
        if not raw.is_dir():
            raise MedganError(f"{raw} is not a folder; put DICOM files there, in sub-folders where there are classes")
        headers, damaged = dict[Path, Header](), dict[Path, str]()
        for path in readable(walk(raw), raw):
            if isinstance(path, Rejected):
                yield path
                continue
            try:
                found = read_header(path)
            except ValueError as error:
                damaged[path] = str(error)
                continue
            if found is not None:
                headers[path] = found
        if not headers:
            first = next(iter(damaged.values()), "there is no file")
            raise MedganError(f"{raw} holds no DICOM image ({len(damaged)} other files; first reason: {first})")
        headers = _without_issuers(headers)
        self._announce(headers)
        faults, patients = _faults_of_series(headers), _patients_of_studies(headers)
        for path in sorted(headers.keys() | damaged.keys()):
            within = path.relative_to(raw)
            header = headers.get(path)
            label = self.label_of(header, within)
            if header is None:
                yield Rejected(within.as_posix(), damaged[path], label)
            elif reason := self._unwanted(header):
                yield Rejected(within.as_posix(), reason)  # of no class that is lost, since nobody asks for it
            elif reason := faults.get(header.series) or self._fault(header):
                yield Rejected(within.as_posix(), reason, label)
            else:
                known = replace(header, patient=header.patient or patients.get(header.study, ""))
                yield partial(_read, self, raw, within, known)

    def _announce(self, headers: Mapping[Path, Header]) -> None:
        several = sum(header.frames > 1 for header in headers.values())
        if several and self.frames in ("first", "middle"):
            _LOG.info(
                f"{several:,} files have several frames, and of each the {self.frames} one is read; "
                "data.options.frames: all reads every one"
            )
        people, studies = ({getattr(header, key) for header in headers.values()} for key in ("patient", "study"))
        if self.patient == "PatientID" and len(people) == 1 < len(studies):
            _LOG.warning(
                f"all files have one PatientID, or none, and {len(studies):,} StudyInstanceUIDs; where these are of "
                "several patients, data.options.patient: StudyInstanceUID tells them apart"
            )
        if self.fixed is None and any(header.modality == "CT" for header in headers.values()):
            _LOG.warning(
                "images of CT are stored each by its own window, not in HU; data.options.modalities: [CT] reads "
                "CT alone, in HU, and data.options.window: [low, high] sets one window for all"
            )

    def _unwanted(self, header: Header) -> str:
        """Why options leave a file out; empty where they do not."""
        faults = (
            (
                self.modalities and header.modality not in self.modalities,
                f"its Modality is not among data.options.modalities ({', '.join(self.modalities)})",
            ),
            (header.localizer, "it is a localiser (ImageType)"),
            (
                not re.search(self.series, header.description),
                "its SeriesDescription does not match data.options.series",
            ),
            (
                self.plane not in ("any", header.plane),
                f"its plane is {header.plane or 'not said'}, and data.options.plane is {self.plane}",
            ),
        )
        return next((reason for bad, reason in faults if bad), "")

    def _fault(self, header: Header) -> str:
        """Why a file that is wanted is refused; empty where it is not."""
        text = header.burned_in or header.secondary or header.modality in ("US", "SC")
        has = "it has" if header.burned_in else "ultrasound and copies of screens often have"
        square, near = abs(header.height - 1) <= _SQUARE, 1 / _LONGEST <= header.height <= _LONGEST
        resample = "; data.options.isotropic: true resamples them" if near else ""
        faults = (
            (
                text and not self.allow_burned_in,
                f"{has} text burned in, which may name people; data.options.allow_burned_in: true reads it",
            ),
            (
                header.frames > 1 and self.frames == "refuse",
                f"it has {header.frames} frames, and data.options.frames is refuse",
            ),
            (
                not square and not (self.isotropic and near),
                f"its pixels are no squares, {header.height:.3g} times as high as wide{resample}",
            ),
        )
        return next((reason for bad, reason in faults if bad), "")

    def indices(self, count: int) -> range:
        """Of the frames to read, of so many."""
        if self.frames == "all":
            return range(count)
        only = (count - 1) // 2 if self.frames == "middle" else 0
        return range(only, only + 1)

    def label_of(self, header: Header | None, within: Path) -> str | None:
        if self.label == "folder":
            return within.parts[0] if len(within.parts) > 1 else None
        return (header and (header.plane if self.label == "plane" else header.labels.get(self.label))) or None

    def patient_of(self, header: Header) -> str:
        """Empty where the file does not say; a study, or else a series, is of one patient."""
        return (header.patient if self.patient == "PatientID" else "") or header.study or header.series


def _without_issuers(headers: Mapping[Path, Header]) -> dict[Path, Header]:
    """The same, where some files have a PatientID without its issuer: these may be of anybody who has the number."""
    bare = {header.patient for header in headers.values()}
    numbers = {path: header.patient.partition("/")[2] for path, header in headers.items()}
    return {
        path: replace(header, patient=numbers[path]) if numbers[path] and numbers[path] in bare else header
        for path, header in headers.items()
    }


def _faults_of_series(headers: Mapping[Path, Header]) -> dict[str, str]:
    """Reasons by the series that they are of: several patients, or several planes."""
    patients, planes = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for header in headers.values():
        if header.series:
            patients[header.series].add(header.patient)
            if not header.localizer:
                planes[header.series].add(header.plane or "unknown")
    faults = {
        series: f"its series mixes orientations ({', '.join(sorted(names))})"
        for series, names in planes.items()
        if len(names) > 1 or "mixed" in names
    }
    return faults | {
        series: f"its series has {len(names)} patients (PatientID)"
        for series, names in patients.items()
        if len(names) > 1
    }


def _patients_of_studies(headers: Mapping[Path, Header]) -> dict[str, str]:
    """The patient of each study that has one: files of it that lost their PatientID are still of that patient."""
    pairs = {(header.study, header.patient) for header in headers.values() if header.study and header.patient}
    return dict(sorted(pairs, reverse=True))


def _read(source: Dicom, raw: Path, within: Path, header: Header) -> Iterator[Sample | Rejected]:
    origin = within.as_posix()
    label = source.label_of(header, within)
    try:
        for frame in read_frames(raw / within, source.indices(header.frames), source.fixed):
            name = f"{origin}#{frame.index}" if header.frames > 1 else origin
            sample = Sample(
                image=frame.image,
                patient=source.patient_of(header) or origin,
                origin=name,
                digest=frame.digest,
                label=label,
            )
            if abs(header.height - 1) > _SQUARE:
                sample = replace(sample, image=square_pixels(sample.image, header.height))
            yield sample
    except ValueError as error:
        yield Rejected(origin, str(error), label)
