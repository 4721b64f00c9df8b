"""Rows of tables that benchmarks keep in .benchmarks/, so that one that was stopped goes on."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import judging
from medgan.files import write_atomically
from medgan.fingerprint import fingerprint


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
