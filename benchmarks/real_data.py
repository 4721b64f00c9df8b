"""Where the raw files of real data sets are: in data/raw/, or unpacked from the archives of MEDGAN_REAL_DATA."""

import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import judging
from benchmarks.judging import configuration
from medgan.config.schema import Config

# The patient of a chest X-ray, from the name of its file.
CHILDREN = r"^((?:NORMAL2-)?IM-\d+|person\d+_(?:bacteria|virus))"
# By the name of the folder in data/raw/: the archive, and the folder of images in it.
SETS: Mapping[str, tuple[str, str]] = {
    "medical-mnist": ("medical-mnist.tar.xz", "."),
    "chest-xray": ("chest-xray-kermany.tar.xz", "chest_xray/train"),
    "isic2017": ("isic2017-lesions.tar.xz", "isic2017/images"),
    "isic2017-with-table": ("isic2017-lesions.tar.xz", "isic2017"),
}


def configured(recipe: str, changes: Mapping[str, Any]) -> Config | None:
    """A recipe with dotted paths replaced, `data.raw` by one of SETS; None where that is not at hand."""
    if "data.raw" not in changes:
        return configuration(recipe, changes=changes)
    folder = raw(changes["data.raw"])
    return None if folder is None else configuration(recipe, changes={**changes, "data.raw": str(folder)})


def raw(name: str) -> Path | None:
    """The folder of images of one of SETS, unpacked once; None where neither folder nor archive is at hand."""
    return unpacked(name, *SETS[name])


def unpacked(name: str, archive: str, within: str) -> Path | None:
    """A folder in data/raw/NAME, or in an archive that is unpacked once; None where neither is at hand."""
    place = judging.WORK / "raw" / name
    for folder in (judging.ROOT / "data" / "raw" / name, place):
        if (folder / within).is_dir():
            return folder / within
    packed = Path(os.environ.get("MEDGAN_REAL_DATA", "")) / archive
    if not packed.is_file():
        print(f"data/raw/{name} is not there, nor {archive} in a folder MEDGAN_REAL_DATA", flush=True)
        return None
    aside = place.with_name(f"{name}.unpacking")
    with tarfile.open(packed) as tar:
        for member in tar:
            _unpack(tar, member, aside)
    aside.rename(place)
    return place / within


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Files alone, and below the folder alone: Python's own filter for that has a hole before 3.11.13."""
    path, content = folder / member.name, tar.extractfile(member)
    if content is not None and path.resolve().is_relative_to(folder.resolve()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read())
