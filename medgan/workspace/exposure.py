"""What others get to see of raw files: names that stay, and files that git would take."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from medgan.config.data import DataConfig
from medgan.workspace.places import PARAMS

_ROLES = ("image", "source", "mask", "masks")


def names_that_stay(data: DataConfig, raw: str, labels: Sequence[str]) -> str:
    """A sentence with all that is called as raw files are, but expressions, which name nobody.

    raw: as params.yaml names it.
    """
    table = data.options.get("table") or {}
    roles = [data.options.get(key) for key in _ROLES] + [table.get("path")]
    kinds = [*data.options.get("kinds", ()), *(name for name in roles if name and "(" not in name)]
    named = [name for name in dict.fromkeys([data.name, raw, data.modality, *kinds, *labels]) if name != "unknown"]
    return (
        f"names that {PARAMS}, runs and generators hold: {', '.join(named)}; where one is a person's, rename that "
        "folder or file, and check again"
    )


def left_to_git(root: Path, raw: Path) -> bool:
    """Say whether raw files are in the clone and git, where there is one, does not ignore them."""
    if not raw.resolve().is_relative_to(root.resolve()):
        return False
    command = ("git", "-C", str(root), "check-ignore", "-q", "--", str(raw.resolve()))
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 1
    except OSError:  # no git here
        return False
