"""Short digests by which runs, studies and versions are found again, and the commit that they come from."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent

# What can change the weights that training produces, or which of them it takes for the best.
TRAINING_CODE = (
    "config",
    "randomness.py",
    "device.py",
    "data",
    "models",
    "gans",
    "training",
    "scores",
    "imaging/grids.py",
)


def fingerprint(parts: dict[str, Any]) -> str:
    """16 hex digits of the canonical JSON of `parts`."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """16 hex digits of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def code_hash(names: tuple[str, ...] = TRAINING_CODE, root: Path = PACKAGE) -> str:
    """16 hex digits of the Python sources of these modules and packages."""
    digest = hashlib.sha256()
    for name in names:
        path = root / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def git_commit(root: Path) -> str:
    """The commit of the code, with "-dirty" where tracked files differ from it; empty outside a git repository."""
    git = ("git", "-C", str(root))
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
        status = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit}-dirty" if status.strip() else commit
