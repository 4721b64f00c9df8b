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
_LEAST_TRUNCATION = 0.05  # below, nearly every value would be drawn anew, again and again


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
        # Shape of one element of each input, by name: of z, label, mask and source, those that this model takes.
        self.inputs: dict[str, tuple[int, ...]] = {
            node.name: tuple(node.shape[1:]) for node in self._session.get_inputs()
        }
        self.latent_dim: int = self.inputs.get("z", (0,))[0]
        self.conditional: bool = "label" in self.inputs
        self.label_names: tuple[str, ...] = tuple(json.loads(self.metadata["label_names"]))
        self.image_shape: tuple[int, int, int] = tuple(self._session.get_outputs()[0].shape[1:])

    def run(self, **inputs: NDArray[Any]) -> NDArray[np.float32]:
        """The model as it is: z (N, latent_dim), mask (N, M, H, W) and source (N, C, H, W) float32, label (N,) int64.

        Those that it takes, by name.

        Returns images (N, C, H, W) float32 in [-1, 1].
        """
        (image,) = self._session.run(["image"], inputs)
        drawn: NDArray[np.float32] = image
        return drawn

    def draw(
        self,
        count: int,
        *,
        seed: int,
        labels: str | Sequence[int] | NDArray[np.int64] | None = None,
        masks: NDArray[Any] | None = None,
        truncation: float | None = None,
        batch: int = 64,
    ) -> NDArray[np.float32]:
        """Images (count, C, H, W) float32 in [-1, 1]; the same seed, labels and masks draw the same images.

        labels: a class name for all, a class index for each, or None: the classes in turn.
        masks: (H, W) for all, or (count, M, H, W); where not zero, the lesion goes.
        truncation: see `latents`.
        Raises MedganError for a label that the generator does not know, and a mask that is missing or does not fit.
        """
        return self.images(self.latents(count, seed=seed, truncation=truncation), labels, masks, batch=batch)

    def latents(self, count: int, *, seed: int, truncation: float | None = None) -> NDArray[np.float32]:
        """z (count, latent_dim): standard normal; values beyond +-truncation are drawn anew (Brock 2019, "BigGAN").

        Low truncation gives typical images of little variety. Raises MedganError below 0.05.
        """
        rng = np.random.default_rng(seed)
        z = rng.standard_normal((count, self.latent_dim), dtype=np.float32)
        if truncation is not None:
            if not truncation >= _LEAST_TRUNCATION:  # which nan is not either
                raise MedganError(f"truncation must be at least {_LEAST_TRUNCATION}, not {truncation}")
            while (beyond := np.abs(z) > truncation).any():
                z[beyond] = rng.standard_normal(int(beyond.sum()), dtype=np.float32)
        return z

    def images(
        self,
        z: NDArray[np.float32],
        labels: str | Sequence[int] | NDArray[np.int64] | None = None,
        masks: NDArray[Any] | None = None,
        *,
        batch: int = 64,
    ) -> NDArray[np.float32]:
        """What `draw` gives, for z (count, latent_dim) of one's own.

        Raises MedganError for a model that draws from an image and not from z.
        """
        if "z" not in self.inputs:
            raise MedganError("this model translates images and draws none from noise; use `medgan translate`")
        count, inputs = len(z), dict[str, NDArray[Any]](z=z)
        if (codes := self.codes(count, labels)) is not None:
            inputs["label"] = codes
        if (planes := self.check_masks(count, masks)) is not None:
            inputs["mask"] = planes
        parts = [
            self.run(**{name: array[i : i + batch] for name, array in inputs.items()}) for i in range(0, count, batch)
        ]
        return np.concatenate(parts) if parts else np.empty((0, *self.image_shape), np.float32)

    def translate(self, sources: NDArray[np.float32], *, batch: int = 64) -> NDArray[np.float32]:
        """Images (count, C, H, W) float32 in [-1, 1] of as many sources, which have the shape and range of its input.

        Raises MedganError for a model that does not translate, and for sources of another shape or range.
        """
        if "source" not in self.inputs:
            raise MedganError("this model draws images from noise and translates none; use `medgan generate`")
        if sources.shape[1:] != self.inputs["source"]:
            raise MedganError(f"this model translates images {self.inputs['source']}, not {sources.shape[1:]}")
        if len(sources) and not np.abs(sources).max() <= 1 + 1e-5:
            raise MedganError(f"sources are in [-1, 1], not up to {np.abs(sources).max():.3g}")
        given = np.ascontiguousarray(sources, dtype=np.float32)
        parts = [self.run(source=given[i : i + batch]) for i in range(0, len(given), batch)]
        return np.concatenate(parts) if parts else np.empty((0, *self.image_shape), np.float32)

    def check_masks(self, count: int, masks: NDArray[Any] | None) -> NDArray[np.float32] | None:
        """Masks (count, M, H, W) of 0 and 1, or None where the generator takes none. Raises as `draw` does."""
        if "mask" not in self.inputs:
            if masks is not None:
                raise MedganError("this generator takes no mask")
            return None
        shape = self.inputs["mask"]
        if masks is None or masks.shape not in (shape[1:], (count, *shape)):
            given = "none was given; name one with --mask (masks=)" if masks is None else f"it has shape {masks.shape}"
            raise MedganError(f"this generator needs a mask of {shape[1]}x{shape[2]} pixels; {given}")
        return np.ascontiguousarray(np.broadcast_to(masks != 0, (count, *shape)), dtype=np.float32)

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
            inputs, image = {name: saved[name] for name in generator.inputs}, saved["image"]
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise MedganError(f"{golden} is damaged ({error}); copy it from beside the exported model") from None
    return float(np.abs(generator.run(**inputs) - image).max())
