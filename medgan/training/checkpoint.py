"""Checkpoints that survive: written aside, fsynced, renamed, with a digest; a damaged one falls back to the other."""

import contextlib
import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from medgan.errors import MedganError
from medgan.files import write_atomically, writing
from medgan.locks import locked

_LOG = logging.getLogger(__name__)

KEPT = 2
KEPT_FOLDERS = 6
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class Checkpoint:
    """tensors by flat name; meta: anything JSON; step: steps done."""

    step: int
    tensors: dict[str, Tensor]
    meta: dict[str, Any]


def save_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Atomic: after a crash at any moment the newest readable file is complete. Keeps the newest two.

    Raises MedganError where the file cannot be written, as on a full disk; the files there are left as they were.
    """
    meta = {"json": json.dumps({**checkpoint.meta, "step": checkpoint.step})}
    body = save({name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}, metadata=meta)
    target = directory / f"step-{checkpoint.step:08d}.checkpoint"
    last = next((f"the last one, {path.name}, is whole" for path in _files(directory)), "there is none before it")
    with writing(target, f"it takes {len(body) / 1e6:.0f} MB, and {last}"):
        write_atomically(target, hashlib.sha256(body).digest() + body)
    for old in _files(directory)[KEPT:]:
        old.unlink()


def load_checkpoint(directory: Path) -> Checkpoint | None:
    """The newest undamaged checkpoint, or None. A damaged one is named on stdout and put aside as damaged.checkpoint.

    Were it left in its place, it would count among the newest two when the next one is saved.
    """
    while files := _files(directory):
        checkpoint = read_checkpoint(files[0])
        if checkpoint is not None:
            return checkpoint
        then = "using the one before it" if len(files) > 1 else "there is none before it: starting anew"
        _LOG.info(f"{files[0].name} is damaged (its digest does not match); {then}")
        files[0].replace(directory / "damaged.checkpoint")
    return None


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Read one file; None where its digest does not match its content."""
    content = path.read_bytes()
    digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        return None
    header = json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])
    meta = json.loads(header["__metadata__"]["json"])
    return Checkpoint(step=meta.pop("step"), tensors=load(body), meta=meta)


def discard(directory: Path) -> None:
    for path in _files(directory):
        path.unlink()
    shutil.rmtree(directory / "samples", ignore_errors=True)


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold a training's folder, made where it is missing. Raises MedganError where another process holds it."""
    with locked(directory / "lock", f"another process trains in {directory}; wait for it or stop it"):
        yield


def prune_folders(root: Path, keep: Path) -> None:
    """Remove all but the newest few trainings' folders; `keep` always stays."""
    folders = sorted((p for p in root.glob("train-*") if p != keep), key=lambda p: p.stat().st_mtime)
    remove_folders(folders[: max(0, len(folders) - (KEPT_FOLDERS - 1))])


def remove_folders(folders: Iterable[Path]) -> None:
    """Remove folders of trainings; those that another process holds stay."""
    for folder in folders:
        with contextlib.suppress(MedganError), held(folder):
            shutil.rmtree(folder)


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("step-*.checkpoint"), reverse=True)
