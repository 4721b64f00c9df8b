"""Which pictures are masks of others: those of a second folder, or those beside their images."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medgan.errors import MedganError
from medgan.imaging.masks import read_mask
from medgan.sources.check.likeness import LOOKED, MOST, are_masks, read_some
from medgan.sources.check.proposal import Found, some

# The name of an image and what is behind it in that of its mask, as in scan_mask.png and scan_mask_1.png.
_BESIDE = re.compile(
    r"(.+?)([-_. ]*(?:mask|seg|segmentation|label|gt|annotation|roi|lesion))[-_ \d]*", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Masks:
    """A folder of masks: its files, and what their names have behind those of images."""

    folder: str
    files: list[Path]
    suffix: str


def mask_folder(found: Found, by_folder: dict[str, list[Path]]) -> Masks | None:
    """The folder whose pictures have few colours each, under names that begin with those of images elsewhere."""
    for folder, files in sorted(by_folder.items()):
        stems = {path.stem for path in found.files if path.parts[0] != folder}
        if not folder or not stems:
            continue
        suffixes = Counter(_suffix(path.stem, stems) for path in some(files, 200))
        suffix, number = suffixes.most_common(1)[0]
        if suffix is not None and number > MOST * min(200, len(files)) and are_masks(found.raw, files):
            return Masks(folder, files, suffix)
    return None


def _suffix(stem: str, images: set[str]) -> str | None:
    return next((stem[length:] for length in range(len(stem), 0, -1) if stem[:length] in images), None)


def without_masks(found: Found, notes: list[str]) -> tuple[Found, str]:
    """Leave out masks that lie beside their images; with what their names have behind those of images, "" for none."""
    stems = {path.with_suffix("").as_posix() for path in found.files}
    endings: dict[str, list[Path]] = defaultdict(list)
    for path in found.files:
        match = _BESIDE.fullmatch(path.with_suffix("").as_posix())
        if match and match.group(1) in stems:
            endings[match.group(2).lower()].append(path)
    ending, masks = max(endings.items(), key=lambda item: len(item[1]), default=("", list[Path]()))
    if 4 * len(masks) < len(found.files) or not are_masks(found.raw, masks):
        return found, ""
    notes.append(
        f"{len(masks):,} pictures such as {masks[0].as_posix()} are masks, it seems, and left out; to use them, move "
        "them into a folder masks beside that of the images, and check again"
    )
    return replace(found, files=[path for path in found.files if path not in {*masks}]), ending


def mask_options(raw: Path, masks: Masks, images: Sequence[Path], notes: list[str]) -> dict[str, Any]:
    """Options of the masks; none where they cannot be laid over the images without a guess."""
    options = {"masks": masks.folder, **({"mask_suffix": masks.suffix} if masks.suffix else {})}
    of_image = {path.stem: path for path in masks.files}
    for image in some(images, LOOKED):
        mask = of_image.get(image.stem + masks.suffix)
        if mask is None:
            continue
        try:
            height, width = read_mask(raw / mask).shape
        except MedganError as error:
            notes.append(f"masks in {masks.folder} are left aside: {error}")
            return {}
        for picture in read_some(raw, [image]):
            if abs(width * picture.shape[0] / height - picture.shape[1]) > 1:
                own, its = f"{picture.shape[1]}x{picture.shape[0]}", f"{width}x{height}"
                notes.append(
                    f"masks in {masks.folder} are left aside, since some are of another shape than their images, such "
                    f"as {its} of {own}; where images were squashed and masks were not, add {options} and mask_fit: "
                    "stretch to data.options, and take gan from recipe mscgan"
                )
                return {}
    return options
