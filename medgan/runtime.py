"""What an app installs: draw with an exported generator, numpy and onnxruntime alone."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from medgan.errors import MedganError

CONTRACT = "medgan/1"


class OnnxGenerator:
    """An exported generator. Raises MedganError for a missing file or one that medgan did not export."""

    def __init__(self, path: Path | str, *, threads: int | None = None) -> None:
        path = Path(path)
        if not path.is_file():
            raise MedganError(f"{path} does not exist; `make repro` writes artifacts/export/generator.onnx")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no common class for its load errors
            raise MedganError(f"{path} is not an ONNX model that onnxruntime can load: {error}") from None
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        if self.metadata.get("contract") != CONTRACT:
            found = self.metadata.get("contract", "none")
            raise MedganError(
                f"{path} follows contract '{found}', this runtime needs '{CONTRACT}'; export it with medgan"
            )
        inputs = {node.name: node.shape for node in self._session.get_inputs()}
        self.latent_dim: int = inputs["z"][1]
        self.conditional: bool = "label" in inputs
        self.label_names: tuple[str, ...] = tuple(json.loads(self.metadata["label_names"]))
        self.image_shape: tuple[int, int, int] = tuple(self._session.get_outputs()[0].shape[1:])

    def run(self, z: NDArray[np.float32], label: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """z (N, latent_dim) float32, label (N,) int64 for a conditional generator: images (N, C, H, W) in [-1, 1]."""
        feed: dict[str, NDArray[Any]] = {"z": z} if label is None else {"z": z, "label": label}
        (image,) = self._session.run(["image"], feed)
        drawn: NDArray[np.float32] = image
        return drawn

    def draw(
        self, count: int, *, seed: int, labels: str | Sequence[int] | NDArray[np.int64] | None = None, batch: int = 64
    ) -> NDArray[np.float32]:
        """Images (count, C, H, W) float32 in [-1, 1]; the same seed and labels draw the same images.

        labels: a class name for all, a class index for each, or None: the classes in turn.
        Raises MedganError for a label that the generator does not know.
        """
        z = np.random.default_rng(seed).standard_normal((count, self.latent_dim), dtype=np.float32)
        chosen = self.codes(count, labels)
        parts = [
            self.run(z[i : i + batch], None if chosen is None else chosen[i : i + batch])
            for i in range(0, count, batch)
        ]
        return np.concatenate(parts) if parts else np.empty((0, *self.image_shape), np.float32)

    def codes(
        self, count: int, labels: str | Sequence[int] | NDArray[np.int64] | None = None
    ) -> NDArray[np.int64] | None:
        """Class indices (count,), or None for an unconditional generator."""
        if not self.conditional:
            if labels is not None:
                raise MedganError("this generator is unconditional: it takes no label")
            return None
        if labels is None:
            return np.arange(count, dtype=np.int64) % len(self.label_names)
        if isinstance(labels, str):
            if labels not in self.label_names:
                raise MedganError(f"unknown label '{labels}'; choices: {', '.join(self.label_names)}")
            return np.full(count, self.label_names.index(labels), dtype=np.int64)
        codes = np.asarray(labels, dtype=np.int64)
        if codes.shape != (count,) or (count and not (codes.min() >= 0 and codes.max() < len(self.label_names))):
            raise MedganError(f"labels must be {count} indices below {len(self.label_names)}")
        return codes


def golden_difference(generator: OnnxGenerator, golden: Path) -> float:
    """Largest absolute difference from the vectors that were saved beside the model when it was exported."""
    if not golden.is_file():
        raise MedganError(f"{golden} does not exist; copy it from beside the exported model")
    try:
        with golden.open("rb") as file, np.load(file) as saved:
            z, label, image = saved["z"], saved.get("label"), saved["image"]
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise MedganError(f"{golden} is damaged ({error}); copy it from beside the exported model") from None
    return float(np.abs(generator.run(z, label) - image).max())
