"""DICOM files."""

from collections import Counter
from pathlib import Path
from typing import Any

from medgan.errors import MedganError
from medgan.imaging.dicom import Header, read_header
from medgan.sources.check.proposal import Found, Proposal, numbered, some

_LOOKED = 400  # headers
_TEXT_IN_PIXELS = ("US", "SC")
_MOST_CLASSES, _LEAST_PATIENTS = 20, 3


def is_scan(path: Path) -> bool:
    try:
        return read_header(path) is not None
    except ValueError:
        return False


def propose(found: Found) -> Proposal:
    """One modality, the most frequent: images of several have no unit in common. Raises MedganError where none is."""
    headers = dict[Path, Header]()
    first = "no file is an image"
    for path in some(found.files, _LOOKED):
        try:
            header = read_header(found.raw / path)
        except ValueError as error:
            first = f"{path.as_posix()}: {error}"
            continue
        if header is not None:
            headers[path] = header
    if not headers:
        raise MedganError(f"{found.raw} holds no DICOM image ({first})")
    counts = Counter(header.modality for header in headers.values())
    modality = max(counts, key=lambda name: (name not in _TEXT_IN_PIXELS, counts[name]))
    mine = {path: header for path, header in headers.items() if header.modality == modality}
    looked = f"of {len(headers):,} headers: " if len(headers) < len(found.files) else ""
    notes = [f"{looked}Modality {numbered(h.modality or 'not said' for h in headers.values())}"]
    if len(counts) > 1:
        notes.append(f"{modality} alone is read; data.options.modalities names others, all where it is left out")
    planes = [header.plane or "not said" for header in mine.values()]
    if len({*planes}) > 1:
        notes.append(
            f"planes are {numbered(planes)}; data.options.plane reads one alone, label: plane tells them apart"
        )
    several = sum(header.frames > 1 for header in mine.values())
    if several:
        notes.append(f"{several:,} files have several frames; data.options.frames: all reads more than the middle one")
    options: dict[str, Any] = {"modalities": [modality]} if modality else {}
    if modality in _TEXT_IN_PIXELS or all(header.burned_in for header in mine.values()):
        notes.append("text may be burned in: nothing is read before data.options.allow_burned_in is true")
    classes = _classes(mine)
    notes.append(
        f"classes by sub-folder: {', '.join(classes)}"
        if classes
        else "no classes; data.options.label names a tag or folder"
    )
    notes.append(f"patients by PatientID: {len({h.patient for h in mine.values()}):,} in these headers")
    return Proposal(
        kind="DICOM files",
        source="dicom",
        raw=found.raw,
        files=len(found.files),
        labels=bool(classes),
        options=options,
        modality=modality or "unknown",
        notes=tuple(notes),
        aside=round(len(found.files) * (len(headers) - len(mine)) / len(headers)),
    )


def _classes(headers: dict[Path, Header]) -> list[str]:
    """The first sub-folders, where they are rather classes than patients or series."""
    if any(len(path.parts) < 2 for path in headers):
        return []
    patients: dict[str, set[str]] = {}
    for path, header in headers.items():
        patients.setdefault(path.parts[0], set()).add(header.patient)
    enough = all(len(names) >= _LEAST_PATIENTS for names in patients.values())
    return sorted(patients) if 2 <= len(patients) <= _MOST_CLASSES and enough else []
