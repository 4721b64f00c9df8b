"""Stage register: a version in the MLflow registry each way; the alias champion moves only to a winner."""

import json
from pathlib import Path
from typing import Any

from medgan.config.schema import Config, load_config
from medgan.console import run
from medgan.device import use_processor
from medgan.evaluation.champion import decide, failed_gates, headline
from medgan.files import write_atomically
from medgan.fingerprint import file_digest
from medgan.tracking import models
from medgan.tracking.opening import store_at
from medgan.tracking.recording import find_run
from medgan.tracking.runs import Store
from medgan.workspace.places import EXPORT, METRICS, PARAMS, REGISTRY, TRAIN, store_root
from pipelines.quality import against


def main() -> None:
    config = load_config(PARAMS)
    use_processor(config.train.threads)
    metrics = json.loads(METRICS.read_text())
    name = f"medgan-{config.data.name}-{config.gan.name}"
    store = store_at(store_root(), config.data.name)
    result = _register(store, config, name, EXPORT, metrics)
    if "reverse" in metrics:
        result["reverse"] = _register(store, config, f"{name}-reverse", EXPORT / "reverse", metrics["reverse"])
    write_atomically(REGISTRY, (json.dumps(result, indent=2) + "\n").encode())


def _register(store: Store, config: Config, name: str, folder: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    path, parity = folder / "generator.onnx", json.loads((folder / "parity.json").read_text())["worst"]
    run_id, description = find_run(store, config.data.name, TRAIN)
    way = "" if folder == EXPORT else f"-{folder.name}"
    quality, key = metrics["quality"], headline(metrics["quality"])
    # Of the file too: a corrected licence or another n is another file and another version.
    identity = f"{description.fingerprint}-{file_digest(path)[:8]}"
    uri = models.log_model(store, run_id, path, name=f"generator{way}", fingerprint=identity)
    tags = {key: f"{quality[key]:.4f}", "floor": f"{metrics['floor'][key]:.4f}" if key == "fid" else "none"}
    version = models.register_version(store, name, uri, run_id, fingerprint=identity, tags=tags)
    reigning = models.champion(store, name)
    reasons: tuple[str, ...]
    if reigning is not None and reigning.version == version.version:
        crowned, reasons = True, ("is the champion already",)
    else:
        rival: dict[str, Any] | str | None = None
        margin, lost = None, False
        if reigning is not None:
            with models.downloaded(reigning) as onnx:
                if lost := onnx is None:
                    rival = None
                else:
                    rival, margin = against(onnx, path, quality, config, reverse=bool(way))
        failed = failed_gates(metrics, parity, config.register_.model_dump())
        verdict = decide(failed, quality, rival, margin=margin)
        crowned, reasons = verdict.crowned, verdict.reasons
        if reigning is not None and lost:
            sentence = f"the file of the champion, version {reigning.version}, is lost: nothing is left to compare with"
            reasons = (sentence,) if crowned else (*reasons, sentence)
        if crowned:
            models.crown(store, name, version.version)
    store.client.set_model_version_tag(name, version.version, "verdict", "; ".join(reasons))
    store.log_tree(run_id, f"export{way}", {"parity": parity, "bytes": path.stat().st_size})
    champion = models.champion(store, name)
    print(f"{name} version {version.version}: {'champion' if crowned else 'not champion'} ({'; '.join(reasons)})")
    return {
        "name": name,
        "version": version.version,
        "champion": champion.version if champion else None,
        "crowned": crowned,
        "reasons": list(reasons),
        "fingerprint": description.fingerprint,
    }


if __name__ == "__main__":
    run(main)
