"""Weights of published extractors: fetched into data/weights, or checked where they are there already."""

from http.client import HTTPException
from pathlib import Path

from medgan.config.checking import nearest
from medgan.errors import MedganError
from medgan.scores.weights import WEIGHTS, file_sha256
from medgan.workspace.recipes import clone_root


def fetch_weights(here: Path, name: str) -> str:
    """Put the file of an extractor into data/weights unless it is there, check it, and return what to do with it.

    Raises MedganError for an unknown name, another file in its place, or no network.
    """
    if name not in WEIGHTS:
        raise MedganError(f"unknown extractor '{name}'{nearest(name, list(WEIGHTS))}")
    weights, root = WEIGHTS[name], clone_root(here)
    path = root / "data" / "weights" / weights.file
    present = path.exists()
    if not present:
        _fetch(weights.url, path, weights.sha256)
    if file_sha256(path) != weights.sha256:
        raise MedganError(f"{path} has another sha256 than {weights.sha256}; remove it and run this again")
    return (
        f"{path.relative_to(root)}: {'found' if present else 'fetched'}, sha256 {weights.sha256[:12]}..., licence "
        f"{weights.licence}; for {weights.extractor} beside fid_domain: params.yaml, features: "
        f"{{weights: {path.relative_to(root)}}}"
    )


def _fetch(url: str, path: Path, sha256: str) -> None:
    """Nothing is at `path` before it is complete."""
    from torch.hub import download_url_to_file  # noqa: PLC0415 (torch takes seconds, and a wrong name none)

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        download_url_to_file(url, str(path), hash_prefix=sha256)
    except (OSError, RuntimeError, HTTPException) as error:
        raise MedganError(
            f"{url} cannot be fetched ({' '.join(str(error).split())[:160]}); where there is no network, put "
            f"{path.name} into {path.parent} yourself and run this again"
        ) from None
