"""Stage export: the trained generator -> artifacts/export/generator.onnx with its metadata and golden vectors.

What translates both ways has the way back in artifacts/export/reverse.
"""

import json

from medgan.config.schema import load_config
from medgan.console import run
from medgan.evaluation.report import read_reports
from medgan.evaluation.summary import shipped_scores
from medgan.export.metadata import metadata
from medgan.export.onnx_file import export
from medgan.files import replacing
from medgan.training.result import load_generators
from medgan.workspace.places import EXPORT, METRICS, PARAMS, TRAIN


def main() -> None:
    config = load_config(PARAMS)
    gan, generators, description = load_generators(TRAIN)
    reports = read_reports(METRICS)
    about = {"name": config.data.name, "modality": config.data.modality, "licence": config.data.licence}
    with replacing(EXPORT) as aside:
        for way in gan.ways():
            scores = shipped_scores(reports[way.name])
            exported = export(way.gan, generators, aside / way.name, metadata(way, description, scores, **about))
            figures = {"bytes": exported.bytes, "parity": exported.parity, "worst": exported.worst}
            (aside / way.name / "parity.json").write_text(json.dumps(figures, indent=2) + "\n")
            size, path = f"{exported.bytes / 1e6:.2f} MB", EXPORT / way.name / exported.path.name
            print(f"{path}: {size}, largest difference from torch {exported.worst:.1e}")


if __name__ == "__main__":
    run(main)
