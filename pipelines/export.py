"""Stage export: the trained generator -> artifacts/export/generator.onnx with its metadata and golden vectors."""

import json
import shutil

from medgan.config import load_config
from medgan.console import run
from medgan.export import export
from medgan.training.result import load_generators
from pipelines import EXPORT, METRICS, PARAMS, TRAIN


def main() -> None:
    config = load_config(PARAMS)
    gan, generators, description = load_generators(TRAIN)
    quality = json.loads(METRICS.read_text())["quality"]
    scores = {key: quality[key] for key in ("fid", "recall", "precision", "extractor", "digest", "n", "split")}
    shutil.rmtree(EXPORT, ignore_errors=True)
    exported = export(
        gan,
        generators,
        EXPORT,
        {
            "name": config.data.name,
            "label_names": json.dumps(description.label_names if gan.spec.classes else []),
            "value_range": "[-1, 1]",
            "scores": json.dumps(scores, sort_keys=True),
            "fingerprint": description.fingerprint,
            "data_md5": description.data_md5,
            "commit": description.commit,
            "modality": config.data.modality,
            "licence": config.data.licence,
            "notice": "synthetic; not for diagnosis",
        },
    )
    about = {"bytes": exported.bytes, "parity": {str(n): value for n, value in exported.parity.items()}}
    (EXPORT / "parity.json").write_text(json.dumps({**about, "worst": exported.worst}, indent=2) + "\n")
    print(f"{exported.path}: {exported.bytes / 1e6:.2f} MB, largest difference from torch {exported.worst:.1e}")


if __name__ == "__main__":
    run(main)
