"""Short digests by which runs, studies and versions are found again."""

import hashlib
import json
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent

# What can change the weights that training produces.
TRAINING_CODE = ("config.py", "randomness.py", "device.py", "losses.py", "data", "models", "gans", "training")


def fingerprint(parts: dict[str, Any]) -> str:
    """16 hex digits of the canonical JSON of `parts`."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def code_hash(names: tuple[str, ...] = TRAINING_CODE, root: Path = PACKAGE) -> str:
    """16 hex digits of the Python sources of these modules and packages."""
    digest = hashlib.sha256()
    for name in names:
        path = root / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
