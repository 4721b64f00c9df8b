"""Stage register: a version in the MLflow registry; the alias champion moves only to a winner."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from medgan import tracking
from medgan.config import load_config
from medgan.console import run
from medgan.data.store import open_prepared
from medgan.device import use_threads
from medgan.evaluation.fidelity import measure, reference
from medgan.pictures import to_uint8
from medgan.randomness import derive_seed
from medgan.registry import decide, failed_gates
from medgan.runtime import OnnxGenerator
from medgan.training.checkpoint import write_atomically
from pipelines import EXPORT, METRICS, PARAMS, PREPARED, REGISTRY
from pipelines.recording import find_run, open_store
from pipelines.scoring import load_extractor


def main() -> None:
    config = load_config(PARAMS)
    use_threads(config.train.threads)
    metrics = json.loads(METRICS.read_text())
    parity = json.loads((EXPORT / "parity.json").read_text())["worst"]
    name = f"medgan-{config.data.name}-{config.gan.name}"
    store = open_store(config.data.name)
    run_id, description = find_run(store, f"train {config.data.name}")
    uri = tracking.log_model(store, run_id, EXPORT / "generator.onnx", fingerprint=description.fingerprint)
    tags = {"fid": f"{metrics['quality']['fid']:.4f}", "floor": f"{metrics['floor']['fid']:.4f}"}
    version = tracking.register_version(store, name, uri, run_id, fingerprint=description.fingerprint, tags=tags)
    reigning = tracking.champion(store, name)
    if reigning is not None and reigning.version == version.version:
        reasons: tuple[str, ...]
        crowned, reasons = True, ("is the champion already",)
    else:
        rival: dict[str, float] | str | None = None
        if reigning is not None:
            with tracking.downloaded(reigning) as path:
                rival = _score_again(path)
        verdict = decide(failed_gates(metrics, parity, config.register_.model_dump()), metrics["quality"], rival)
        crowned, reasons = verdict.crowned, verdict.reasons
        if crowned:
            tracking.crown(store, name, version.version)
    store.client.set_model_version_tag(name, version.version, "verdict", "; ".join(reasons))
    store.log_tree(run_id, "export", {"parity": parity, "bytes": (EXPORT / "generator.onnx").stat().st_size})
    champion = tracking.champion(store, name)
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


def _score_again(path: Path) -> dict[str, float] | str:
    """The champion's figures under today's protocol: same test images, extractor, n and labels as the challenger."""
    config = load_config(PARAMS)
    prepared, extractor, n = open_prepared(PREPARED), load_extractor(), config.evaluate.n
    test = prepared.take("test", n, derive_seed(config.seed, "evaluate"))
    generator, spec = OnnxGenerator(path), prepared.spec
    if generator.image_shape != (spec.channels, spec.size, spec.size):
        return f"the champion draws {generator.image_shape}, this data has {spec}; give it another data.name"
    if generator.conditional and generator.label_names != prepared.label_names:
        return f"the champion draws the classes {', '.join(generator.label_names)}; give this data another data.name"
    labels = np.asarray(prepared.labels[test]) if generator.conditional and prepared.labels is not None else None
    drawn = to_uint8(generator.draw(n, seed=derive_seed(config.seed, "test"), labels=labels))
    real = reference(extractor, prepared.images[test], split="test")
    return asdict(measure(extractor, drawn, real, bootstrap=config.evaluate.bootstrap, seed=config.seed))


if __name__ == "__main__":
    run(main)
