"""Stage register: a version in the MLflow registry; the alias champion moves only to a winner."""

import json
from dataclasses import asdict

from medgan.config import load_config
from medgan.console import run
from medgan.device import use_threads
from medgan.evaluation.fidelity import Fidelity, check_comparable
from medgan.registry import decide, failed_gates
from medgan.tracking import models
from medgan.training.checkpoint import write_atomically
from pipelines import EXPORT, METRICS, PARAMS, REGISTRY
from pipelines.recording import find_run, open_store
from pipelines.scoring import score_onnx


def main() -> None:
    config = load_config(PARAMS)
    use_threads(config.train.threads)
    metrics = json.loads(METRICS.read_text())
    parity = json.loads((EXPORT / "parity.json").read_text())["worst"]
    name = f"medgan-{config.data.name}-{config.gan.name}"
    store = open_store(config.data.name)
    run_id, description = find_run(store, config.data.name)
    uri = models.log_model(store, run_id, EXPORT / "generator.onnx", fingerprint=description.fingerprint)
    tags = {"fid": f"{metrics['quality']['fid']:.4f}", "floor": f"{metrics['floor']['fid']:.4f}"}
    version = models.register_version(store, name, uri, run_id, fingerprint=description.fingerprint, tags=tags)
    reigning = models.champion(store, name)
    if reigning is not None and reigning.version == version.version:
        reasons: tuple[str, ...]
        crowned, reasons = True, ("is the champion already",)
    else:
        rival: Fidelity | str | None = None
        if reigning is not None:
            with models.downloaded(reigning) as path:
                rival = score_onnx(path, config)
        if isinstance(rival, Fidelity):
            check_comparable(Fidelity(**metrics["quality"]), rival)
        figures = asdict(rival) if isinstance(rival, Fidelity) else rival
        verdict = decide(failed_gates(metrics, parity, config.register_.model_dump()), metrics["quality"], figures)
        crowned, reasons = verdict.crowned, verdict.reasons
        if crowned:
            models.crown(store, name, version.version)
    store.client.set_model_version_tag(name, version.version, "verdict", "; ".join(reasons))
    store.log_tree(run_id, "export", {"parity": parity, "bytes": (EXPORT / "generator.onnx").stat().st_size})
    champion = models.champion(store, name)
    result = {
        "name": name,
        "version": version.version,
        "champion": champion.version if champion else None,
        "crowned": crowned,
        "reasons": list(reasons),
        "fingerprint": description.fingerprint,
    }
    write_atomically(REGISTRY, (json.dumps(result, indent=2) + "\n").encode())
    print(f"{name} version {version.version}: {'champion' if crowned else 'not champion'} ({'; '.join(reasons)})")


if __name__ == "__main__":
    run(main)
