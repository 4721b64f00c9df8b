"""Folders of pictures: classes by sub-folder or by a CSV file, masks beside, pairs."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medgan.sources.check.likeness import LOOKED, MOST, are_neighbours, are_pairs, read_some
from medgan.sources.check.masks import mask_folder, mask_options, without_masks
from medgan.sources.check.names import UNFIT, are_numbers, are_patients, groups_of, patient_pattern
from medgan.sources.check.proposal import Found, Proposal, numbered, some
from medgan.sources.check.tables import guess_table, unread
from medgan.sources.table import SPLITS

_RANGE = 25  # slices of a patient, at most


def propose(found: Found) -> Proposal:
    """Masks are taken apart first, then pairs; what is left has classes by a table or by folders, or none."""
    found, notes = _entered(found)
    found, ending = without_masks(found, notes)
    by_folder = _by_folder(found.files)
    masks = mask_folder(found, by_folder)
    images = [path for path in found.files if masks is None or path.parts[0] != masks.folder]
    bits = _bits(found.raw, images)
    if masks is None and (pair := _pair(found, by_folder)):
        return _pairs(found, pair, images, bits, notes)
    options: dict[str, Any] = {"bits": bits} if bits == 16 else {}
    table = guess_table(found.raw, images, masks.files if masks else [])
    classes = _classes(images)
    if table.get("label"):
        kind = f"pictures with labels in {table['path']}"
    elif classes:
        kind = f"pictures, classes by sub-folder ({numbered(classes)})"
        if loose := len(images) - len(classes):
            notes.append(f"{loose:,} pictures lie in no class folder, and cannot be used")
        options |= _label(images)
        if all(name.isdecimal() for name in classes) and not options.get("label"):
            notes.append('data.options.classes gives classes names, such as {"0": benign, "1": malignant}')
    else:
        kind = "pictures without classes"
    if table:
        notes += [
            f"{table['path']} names them: columns {', '.join(f'{k} {v}' for k, v in table.items() if k != 'path')}"
        ]
        if "label_else" in table:
            notes.append(
                f"images with 0 in all of these are called {table['label_else']} (data.options.table.label_else)"
            )
        options["table"] = {key: value for key, value in table.items() if key != "mask"}
    else:
        notes += unread(found.raw, found.beside)
    masked = mask_options(found.raw, masks, images, notes) if masks else {}
    options |= masked | _files(found, images, "" if masks is None or masked else masks.folder, ending)
    if not table.get("patient"):
        options |= _patient(found.raw, images, notes, by_folder=bool(classes))
    if masks:
        kind += f", and masks in {masks.folder}"
    if _class_depth(images) and not table.get("split"):
        named = ", ".join(sorted({path.parts[0] for path in images if len(path.parts) > 1}))
        notes.append(
            f"folders {named} are read as one, and split anew by patient; a table with a column split keeps a test set"
        )
    labels = bool(table.get("label") or classes)
    return Proposal(kind, "folder", found.raw, len(images), labels, options, notes=tuple(notes))


def _entered(found: Found) -> tuple[Found, list[str]]:
    """The folder that holds all pictures, where the given one holds nothing but that one."""
    raw, files, beside = found.raw, found.files, found.beside
    while len({path.parts[0] for path in files}) == 1 and all(len(path.parts) > 1 for path in files):
        inner = files[0].parts[0]
        if inner.lower() in SPLITS or guess_table(raw, files, []):
            break
        raw = raw / inner
        files = [path.relative_to(inner) for path in files]
        beside = [path.relative_to(inner) for path in beside if path.is_relative_to(inner) and len(path.parts) > 1]
    notes = [f"all pictures are in {raw}, which is read"] if raw != found.raw else []
    return Found(raw, files, beside), notes


def _by_folder(files: Sequence[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        found[path.parts[0] if len(path.parts) > 1 else ""].append(path)
    return dict(found)


def _bits(raw: Path, images: Sequence[Path]) -> int:
    depths = Counter(8 * picture.itemsize for picture in read_some(raw, some(images, LOOKED)))
    return depths.most_common(1)[0][0] if depths else 8


def _pair(found: Found, by_folder: dict[str, list[Path]]) -> tuple[str, str] | None:
    """Two folders with the same names, and pictures that are more alike than those of other names are."""
    if len(by_folder) != 2 or "" in by_folder or any(name.lower() in SPLITS for name in by_folder):
        return None
    source, image = sorted(by_folder)
    named = [
        {path.relative_to(name).with_suffix("").as_posix(): path for path in by_folder[name]}
        for name in (source, image)
    ]
    common = sorted(named[0].keys() & named[1].keys())
    if len(common) < MOST * max(map(len, named)):
        return None
    pairs = [(named[0][name], named[1][name]) for name in common]
    return (source, image) if are_pairs(found.raw, pairs) else None


def _pairs(found: Found, pair: tuple[str, str], images: Sequence[Path], bits: int, notes: list[str]) -> Proposal:
    source, image = pair
    drawn = [path for path in images if path.parts[0] == image]
    options = {"source": source, "image": image, **({"bits": bits} if bits == 16 else {})}
    pattern = patient_pattern([Path(path.name) for path in drawn], 0)
    notes += [f"{source} is translated into {image}; for the other way exchange source and image"]
    notes += [_patients(pattern, [Path(path.name) for path in drawn])]
    options |= {"patient": pattern} if pattern else {}
    return Proposal(
        f"pairs in {source} and {image}", "pairs", found.raw, len(drawn), False, options, notes=tuple(notes)
    )


def _classes(images: Sequence[Path]) -> list[str]:
    """The class of each image by its folder, but for a few that lie loose; empty where folders say none."""
    depth = _class_depth(images)
    names = [path.parts[depth] for path in images if len(path.parts) > depth + 1]
    if UNFIT * (len(images) - len(names)) > len(images):
        return []
    return names if len({*names}) > 1 and not are_patients(sorted({*names})) else []


def _class_depth(images: Sequence[Path]) -> int:
    """How many folders are above those of classes: one where they are called train, test and the like."""
    in_splits = sum(len(path.parts) > 1 and path.parts[0].lower() in SPLITS for path in images)
    return int(UNFIT * (len(images) - in_splits) <= len(images))


def _label(images: Sequence[Path]) -> dict[str, str]:
    return {"label": "^[^/]+/([^/]+)/"} if _class_depth(images) else {}


def _files(found: Found, images: Sequence[Path], aside: str, ending: str) -> dict[str, str]:
    """What leaves out files that are no pictures, a folder that is left aside, and masks by the end of their names."""
    if not found.beside and not aside and not ending:
        return {}
    suffixes = sorted({path.suffix.lower()[1:] for path in images})
    out = [f"{re.escape(aside)}/"] * bool(aside) + [rf".*{re.escape(ending)}[-_ \d]*\.\w+$"] * bool(ending)
    but = f"^(?!{'|'.join(out)}).*" if out else ""
    return {"files": rf"(?i){but}\.({'|'.join(map(re.escape, suffixes))})$"}


def _patient(raw: Path, images: Sequence[Path], notes: list[str], *, by_folder: bool) -> dict[str, Any]:
    folders = _class_depth(images) + 1 if by_folder else 0
    pattern = patient_pattern(images, folders)
    if not pattern and are_patients(sorted({path.parts[0] for path in images if len(path.parts) > 1})):
        pattern = "^([^/]+)/"
    if pattern or not are_numbers(images):
        notes.append(_patients(pattern, images))
        return {"patient": pattern} if pattern else {}
    ranges = {"patient": r"^(\d+)", "patient_ranges": _RANGE}
    if are_neighbours(raw, images):
        notes.append(
            f"names are numbers, and neighbours look alike: {_RANGE} numbers in a row count as one patient "
            "(data.options.patient_ranges); leave patient out where they are of different people"
        )
        return ranges
    notes.append(f"{_patients('', images)}; where neighbours in number are of one patient: {ranges}")
    return {}


def _patients(pattern: str, images: Sequence[Path]) -> str:
    if pattern:
        groups = groups_of(pattern, images)
        unfit = f", and leaves out {count:,} of other names" if (count := groups.pop("", 0)) else ""
        ((name, most),) = groups.most_common(1)
        return (
            f"names say the patient, it seems: data.options.patient {pattern!r} finds {len(groups):,}, of whom "
            f"{name!r} has most images, {most:,}{unfit}; look whether that is true"
        )
    return "names say no patient: each file counts as one; where several are of one, set data.options.patient"
