"""Stage register: a version in the MLflow registry each way; the alias champion moves only to a winner."""

import json

from medgan.config.schema import load_config
from medgan.console import run
from medgan.data.store import open_prepared
from medgan.device import use_processor
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.registration import Candidate, register, to_tree
from medgan.evaluation.report import read_reports
from medgan.files import write_atomically
from medgan.scores.extractor import Extractor
from medgan.tracking.opening import store_at
from medgan.tracking.recording import find_run
from medgan.training.result import load_generators
from medgan.workspace.places import EXPORT, EXTRACTOR, METRICS, PARAMS, PREPARED, REGISTRY, TRAIN, store_root


def main() -> None:
    config = load_config(PARAMS)
    use_processor(config.train.threads)
    prepared, reports = open_prepared(PREPARED), read_reports(METRICS)
    protocol = EvaluationProtocol.of(config.evaluate, Extractor.load(EXTRACTOR), seed=config.seed)
    store = store_at(store_root(), config.data.name)
    run_id, description = find_run(store, config.data.name, TRAIN)
    results = {}
    for way in load_generators(TRAIN)[0].ways():
        onnx, name = EXPORT / way.name / "generator.onnx", f"medgan-{config.data.name}-{config.gan.name}{way.suffix}"
        parity = json.loads(onnx.with_name("parity.json").read_text())["worst"]
        candidate = Candidate(name, way.suffix, onnx, parity, reports[way.name], description.fingerprint)
        data, gates = way.view(prepared), config.register_.model_dump()
        results[way.name] = register(store, run_id, candidate, data, protocol.seen_from(way), gates=gates)
        print(results[way.name])
    write_atomically(REGISTRY, (json.dumps(to_tree(results), indent=2) + "\n").encode())


if __name__ == "__main__":
    run(main)
