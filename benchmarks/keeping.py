"""What benchmarks keep in .benchmarks/, so that one that was stopped goes on: prepared data, and rows of tables."""

import json
import shutil
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import judging
from medgan.config.schema import Config
from medgan.data.store import Prepared, open_prepared
from medgan.files import write_atomically
from medgan.fingerprint import fingerprint
from medgan.sources.prepare import prepare, prepare_fingerprint


def prepared(config: Config) -> Prepared | None:
    """Prepare the data of a configuration, or find them from the last time. None where the raw files are not there."""
    if not config.data.raw.exists():
        print(f"{config.data.raw} is not there: left out", flush=True)
        return None
    folder = judging.WORK / f"prepared-{prepare_fingerprint(config.data, config.seed)}"
    if (folder / "spec.json").exists():
        return open_prepared(folder)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"preparing {config.data.raw}", flush=True)
    return prepare(config.data, folder, seed=config.seed)


def kept(kind: str, parts: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Return what `make` returned when it was first called for these parts, as JSON gives it back.

    parts: all that decides it. kind: names its folder.
    """
    file = judging.WORK / kind / f"{fingerprint(dict(parts))}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, (json.dumps(make(), indent=2) + "\n").encode())
    row: dict[str, Any] = json.loads(file.read_text())
    return row
