"""Stage export: the trained generator -> artifacts/export/generator.onnx with its metadata and golden vectors.

What translates both ways has the way back in artifacts/export/reverse.
"""

import json
import shutil
from dataclasses import asdict

from medgan.config.schema import load_config
from medgan.console import run
from medgan.evaluation.report import read_reports
from medgan.export.metadata import metadata
from medgan.export.onnx_file import export
from medgan.training.result import load_generators
from medgan.workspace.places import EXPORT, METRICS, PARAMS, TRAIN


def main() -> None:
    config = load_config(PARAMS)
    gan, generators, description = load_generators(TRAIN)
    reports = read_reports(METRICS)
    shutil.rmtree(EXPORT, ignore_errors=True)
    for way in gan.ways():
        folder, quality = EXPORT / way.name, asdict(reports[way.name].quality)
        about = {"name": config.data.name, "modality": config.data.modality, "licence": config.data.licence}
        exported = export(way.gan, generators, folder, metadata(way, description, quality, **about))
        parity = {str(n): value for n, value in exported.parity.items()}
        figures = {"bytes": exported.bytes, "parity": parity, "worst": exported.worst}
        (folder / "parity.json").write_text(json.dumps(figures, indent=2) + "\n")
        size = f"{exported.bytes / 1e6:.2f} MB"
        print(f"{exported.path}: {size}, largest difference from torch {exported.worst:.1e}")


if __name__ == "__main__":
    run(main)
