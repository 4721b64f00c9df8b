"""Stage export: the trained generator -> artifacts/export/generator.onnx with its metadata and golden vectors.

What translates both ways has the way back in artifacts/export/reverse.
"""

import json
import shutil
from typing import Any

from medgan.config.schema import Config, load_config
from medgan.console import run
from medgan.data.spec import opposite
from medgan.export.onnx_file import export
from medgan.gans.base import Gan
from medgan.training.result import Description, load_generators
from medgan.workspace.places import EXPORT, METRICS, PARAMS, TRAIN


def main() -> None:
    config = load_config(PARAMS)
    gan, generators, description = load_generators(TRAIN)
    metrics = json.loads(METRICS.read_text())
    shutil.rmtree(EXPORT, ignore_errors=True)
    ways = [(EXPORT, gan, metrics["quality"], description.direction)]
    if (back := gan.reversed()) is not None:
        ways.append((EXPORT / "reverse", back, metrics["reverse"]["quality"], opposite(description.direction)))
    for folder, way, quality, direction in ways:
        about = _metadata(config, way, description, quality) | ({"direction": direction} if direction else {})
        exported = export(way, generators, folder, about)
        found = {"bytes": exported.bytes, "parity": {str(n): value for n, value in exported.parity.items()}}
        (folder / "parity.json").write_text(json.dumps({**found, "worst": exported.worst}, indent=2) + "\n")
        size = f"{exported.bytes / 1e6:.2f} MB"
        print(f"{exported.path}: {size}, largest difference from torch {exported.worst:.1e}")


def _metadata(config: Config, gan: Gan, description: Description, quality: dict[str, Any]) -> dict[str, str]:
    figures = ("fid", "recall", "precision", "mae", "standard", "kid", "extractor", "digest", "n", "split")
    return {
        "name": config.data.name,
        "label_names": json.dumps(description.label_names if gan.spec.classes else []),
        "value_range": "[-1, 1]",
        "intensity": json.dumps(description.intensity, sort_keys=True),
        "scores": json.dumps({key: quality[key] for key in figures if key in quality}, sort_keys=True),
        "fingerprint": description.fingerprint,
        "data_md5": description.data_md5,
        "commit": description.commit,
        "recipe": description.recipe,
        "modality": config.data.modality,
        "licence": config.data.licence,
        "notice": "synthetic; not for diagnosis",
    }


if __name__ == "__main__":
    run(main)
