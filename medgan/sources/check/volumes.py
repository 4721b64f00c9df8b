"""NIfTI volumes: which are images, sources and masks."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medgan.errors import MedganError
from medgan.imaging.nifti import Plane, Volume, read_volume, volume_name
from medgan.sources.check.names import folder_pattern
from medgan.sources.check.proposal import Found, Proposal, some

_LOOKED = 6
_SLICES = 10  # that are taken of a volume, about
_MOST_LABELS, _MOST_VALUES = 4, 64  # planes of a mask; values by which a volume may be one
_MOST = 0.8
_SUBJECT = r"(sub-[A-Za-z0-9]+)"
_ENDING = re.compile(r"^(.*[^A-Za-z0-9])([A-Za-z][A-Za-z0-9]*)$")
_PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
_Roles = Mapping[str, Mapping[str, Path]]  # by a folder or ending: files by what tells which belong together


def propose(found: Found) -> Proposal:
    """Masks and pairs are found by folders, or endings of names, that share names. Raises MedganError for no volume."""
    paths = [path for path in found.files if volume_name(path) is not None]
    for groups in (_by_folder(paths), _by_ending(paths)):
        if _are_roles(groups):
            masks = {
                name: labels for name in groups if (labels := _mask_labels(found.raw, list(groups[name].values())))
            }
            images = sorted((name for name in groups if name not in masks), key=lambda name: (-len(groups[name]), name))
            if images and (proposal := _proposal(found, groups, images, masks)):
                return proposal
    return _proposed(found, {}, paths, ["each volume is an image"])


def _proposal(found: Found, groups: _Roles, images: Sequence[str], masks: Mapping[str, list[int]]) -> Proposal | None:
    """An image with its masks, or with its source; None where names do not go together."""
    image = images[0]
    of_mask = next((name for name in masks if _share(groups[name], groups[image]) > _MOST), None)
    source = next((name for name in images[1:] if _share(groups[name], groups[image]) > _MOST), None)
    if of_mask is not None:
        labels = masks[of_mask] if len(masks[of_mask]) <= _MOST_LABELS else []
        options = {"image": _role(image), "mask": _role(of_mask), **({"mask_labels": labels} if labels[1:] else {})}
        notes = [f"masks: {_shown(of_mask)} with values {', '.join(map(str, masks[of_mask]))}"]
        return _proposed(found, options, list(groups[image].values()), notes)
    if source is not None:
        image, source = sorted((image, source), reverse=True)
        options = {"image": _role(image), "source": _role(source), "kinds": [_shown(source), _shown(image)]}
        notes = [f"{_shown(source)} is translated into {_shown(image)}; for the other way exchange image and source"]
        return _proposed(found, options, list(groups[image].values()), notes)
    return None


def _proposed(found: Found, roles: dict[str, Any], images: Sequence[Path], notes: list[str]) -> Proposal:
    seen = [(volume.spacing, {plane: volume.count(plane) for plane in _PLANES}) for volume in _read(found.raw, images)]
    plane = _plane([spacing for spacing, _ in seen])
    count = int(np.median([counts[plane] for _, counts in seen]))
    step = max(1, count // _SLICES)
    options: dict[str, Any] = {**roles, "plane": plane, "slices": f"every {step}"}
    expected = len(images) * (count // step)
    if "mask" in roles:
        options["least_mask"] = 0.005
    if all(re.search(_SUBJECT, path.as_posix()) for path in images):
        options["patient"] = _SUBJECT
    elif pattern := folder_pattern(images):
        options["patient"] = pattern
    notes += [
        f"volumes of {count} {plane} slices in the middle case, of which data.options.slices takes some; plane may be "
        "axial, coronal or sagittal",
        "each file is a subject" if "patient" not in options else f"patients by {options['patient']}",
        "each volume by its own percentiles; data.options.window sets one window with a unit for all",
    ]
    return Proposal(
        "NIfTI volumes", "nifti", found.raw, len(images), False, options, notes=tuple(notes), expected=expected
    )


def _by_folder(paths: Sequence[Path]) -> _Roles:
    """The folders that files lie in, whatever is above them."""
    groups: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in paths:
        groups[path.parent.as_posix()][volume_name(path) or path.stem] = path
    return {name: files for name, files in groups.items() if name != "."}


def _by_ending(paths: Sequence[Path]) -> _Roles:
    """The words that names end in, or are: T1 of `doe_T1.nii` and of `doe/T1.nii`."""
    groups: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in paths:
        match = _ENDING.match((path.parent / (volume_name(path) or path.stem)).as_posix())
        if match is None:
            return {}
        groups[f"({match.group(2)})"][match.group(1)] = path
    return dict(groups)


def _are_roles(groups: _Roles) -> bool:
    """Say whether they are fewer than the files of the largest: else they are rather people, whom nothing may name."""
    return 1 < len(groups) < max(map(len, groups.values()))


def _role(name: str) -> str:
    """The option: a folder, or an expression for what ends in a word."""
    return rf"^(.*[^A-Za-z0-9]){name[1:-1]}$" if name.startswith("(") else name


def _shown(name: str) -> str:
    return name.strip("()")


def _share(a: Mapping[str, Path], b: Mapping[str, Path]) -> float:
    return len(a.keys() & b.keys()) / max(1, len(b))


def _read(raw: Path, paths: Sequence[Path]) -> Iterator[Volume]:
    """Some, one at a time. Raises MedganError with the first reason where none can be read."""
    read, reason = 0, ""
    for path in some(paths, _LOOKED):
        try:
            volume = read_volume(raw / path)
        except ValueError as error:
            reason = reason or f"{path.as_posix()}: {error}"
            continue
        read += 1
        yield volume
    if not read:
        raise MedganError(f"{raw} holds no volume that is read ({reason})")


def _mask_labels(raw: Path, paths: Sequence[Path]) -> list[int]:
    """Values of masks but 0; empty where volumes are no masks."""
    found = set[float]()
    try:
        for volume in _read(raw, paths):
            for voxels in (volume.voxels[::4, ::4, ::4], volume.voxels):  # few first: images are left early
                found |= {*(np.unique(voxels).astype(float) * volume.slope + volume.intercept)}
                if len(found) > _MOST_VALUES or any(value < 0 or value != int(value) for value in found):
                    return []
    except MedganError:
        return []
    return sorted({int(value) for value in found} - {0})


def _plane(spacings: Sequence[tuple[float, float, float]]) -> Plane:
    """Across the axis along which voxels are thickest; axial where none is."""
    sagittal, coronal, axial = (round(float(value), 2) for value in np.median(spacings, axis=0))
    thickness: dict[Plane, float] = {"axial": axial, "coronal": coronal, "sagittal": sagittal}
    return max(thickness, key=lambda plane: thickness[plane])
