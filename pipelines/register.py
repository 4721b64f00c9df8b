"""Stage register: a version in the MLflow registry each way; the alias champion moves only to a winner."""

import json

from medgan.config.schema import load_config
from medgan.console import run
from medgan.data.store import open_prepared
from medgan.device import use_cpu
from medgan.evaluation.registration import Candidate, register, to_tree
from medgan.evaluation.report import read_reports
from medgan.files import write_atomically
from medgan.tracking.opening import opened_store
from medgan.tracking.recording import find_run
from medgan.training.result import load_generators
from medgan.usefulness.report import read_verdict
from medgan.workspace.judges import protocol_of
from medgan.workspace.places import EXPORT, METRICS, PARAMS, PREPARED, REGISTRY, TRAIN, UTILITY, store_root


def main() -> None:
    config = load_config(PARAMS)
    use_cpu(config.train.threads)
    prepared, protocol = open_prepared(PREPARED), protocol_of(config)
    reports, useful, results = read_reports(METRICS), read_verdict(UTILITY)["sentence"], {}
    name, gates = f"medgan-{config.data.name}-{config.gan.name}", config.register_.model_dump()
    with opened_store(store_root(), config.data.name) as store:
        run_id, description = find_run(store, config.data.name, TRAIN)
        prepared = prepared.towards(description.between)
        for way in load_generators(TRAIN)[0].ways():
            report = reports[way.name]
            candidate = Candidate.exported(name, way, EXPORT / way.name, report, description.fingerprint)
            data, seen = way.view(prepared), protocol.seen_from(way, prepared)
            said = {} if way.name else {"utility": useful}
            results[way.name] = register(store, run_id, candidate, data, seen, gates=gates, said=said)
            print(results[way.name])
        found = {**to_tree(results), "experiment": store.experiment_id}
    write_atomically(REGISTRY, (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    run(main)
