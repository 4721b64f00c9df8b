"""What an app installs: draw with an exported generator, numpy and onnxruntime alone."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from medgan.errors import MedganError
from medgan.imaging.intensity import EIGHT_BITS, Intensity

CONTRACT = "medgan/1"
# A class name for all images, a name or an index for each, or None: the classes in turn.
Labels = str | Sequence[str] | Sequence[int] | NDArray[Any] | None
_LEAST_TRUNCATION = 0.05  # below, nearly every value would be drawn anew, again and again


class OnnxGenerator:
    """An exported generator. Raises MedganError for a missing file or one that medgan did not export."""

    def __init__(self, path: Path | str, *, threads: int | None = None) -> None:
        path = Path(path)
        if not _is_file(path):
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
            contract = self.metadata.get("contract", "none")
            raise MedganError(
                f"{path} follows contract '{contract}', this runtime needs '{CONTRACT}'; export it with medgan"
            )
        # Shape of one element of each input, by name: of z, label, mask and source, those that this model takes.
        self.inputs: dict[str, tuple[int, ...]] = {
            node.name: tuple(node.shape[1:]) for node in self._session.get_inputs()
        }
        self.latent_dim: int = self.inputs.get("z", (0,))[0]
        self.conditional: bool = "label" in self.inputs
        self.label_names: tuple[str, ...] = tuple(json.loads(self.metadata["label_names"]))
        self.image_shape: tuple[int, int, int] = tuple(self._session.get_outputs()[0].shape[1:])

    @property
    def intensity(self) -> Intensity:
        """What -1 and 1 mean in the unit of the data, and how these are stored; 8 bits where the file does not say."""
        text = self.metadata.get("intensity")
        return Intensity.of_json(text) if text else EIGHT_BITS

    def run(self, **inputs: NDArray[Any]) -> NDArray[np.float32]:
        """The model as it is: z (N, latent_dim), mask (N, M, H, W) and source (N, C, H, W) float32, label (N,) int64.

        Those that it takes, by name.

        Returns images (N, C, H, W) float32 in [-1, 1]. Raises MedganError for inputs that the model does not take.
        """
        try:
            (image,) = self._session.run(["image"], inputs)
        except Exception as error:  # onnxruntime has no common class for its errors
            message = " ".join(str(error).split())[:300]
            raise MedganError(f"the model cannot take these inputs: {message}") from None
        images: NDArray[np.float32] = image
        return images

    def draw(
        self,
        count: int,
        *,
        seed: int,
        labels: Labels = None,
        masks: NDArray[Any] | None = None,
        truncation: float | None = None,
        batch: int = 64,
    ) -> NDArray[np.float32]:
        """Images (count, C, H, W) float32 in [-1, 1]; the same seed, labels and masks draw the same images.

        labels: a class name for all, a class name or index for each, or None: the classes in turn.
        masks: (H, W) for all, or (count, M, H, W); where not zero, the lesion goes.
        truncation: see `latents`. batch: how many are drawn at a time.
        Raises MedganError for a label that the generator does not know, and a mask that is missing or does not fit.
        """
        return self.images(self.latents(count, seed=seed, truncation=truncation), labels, masks, batch=batch)

    def latents(self, count: int, *, seed: int, truncation: float | None = None) -> NDArray[np.float32]:
        """z (count, latent_dim): standard normal; values beyond +-truncation are drawn anew (Brock 2019, "BigGAN").

        Low truncation gives typical images of little variety. Raises MedganError below 0.05.
        """
        _check_whole("count", count, 0)
        _check_whole("seed", seed, 0)
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
        z: NDArray[Any],
        labels: Labels = None,
        masks: NDArray[Any] | None = None,
        *,
        batch: int = 64,
    ) -> NDArray[np.float32]:
        """Draw as `draw` does, for z (count, latent_dim) of one's own.

        Raises MedganError for a model that draws from an image and not from z, and for z of another shape.
        """
        if "z" not in self.inputs:
            raise MedganError("this model translates images and draws none from noise; use `medgan translate`")
        z = _to_float32("z", z)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise MedganError(f"z has shape {z.shape}; this model needs (count, {self.latent_dim})")
        count, inputs = len(z), dict[str, NDArray[Any]](z=z)
        if (codes := self.codes(count, labels)) is not None:
            inputs["label"] = codes
        if (planes := self.check_masks(count, masks)) is not None:
            inputs["mask"] = planes
        return self._in_batches(count, batch, inputs)

    def translate(self, sources: NDArray[np.float32], *, batch: int = 64) -> NDArray[np.float32]:
        """Images (count, C, H, W) float32 in [-1, 1] of as many sources, which have the shape and range of its input.

        Raises MedganError for a model that does not translate, and for sources of another shape or range.
        """
        if "source" not in self.inputs:
            raise MedganError("this model draws images from noise and translates none; use `medgan generate`")
        sources = _to_float32("sources", sources)
        if sources.shape[1:] != self.inputs["source"]:
            raise MedganError(f"this model translates images {self.inputs['source']}, not {sources.shape[1:]}")
        if len(sources) and (largest := np.abs(sources).max()) > 1 + 1e-5:
            raise MedganError(f"sources are in [-1, 1], not up to {largest:.3g}")
        return self._in_batches(len(sources), batch, {"source": sources})

    def _in_batches(self, count: int, batch: int, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        _check_whole("batch", batch, 1)
        parts = [
            self.run(**{name: array[i : i + batch] for name, array in inputs.items()}) for i in range(0, count, batch)
        ]
        return np.concatenate(parts) if parts else np.empty((0, *self.image_shape), np.float32)

    def check_masks(self, count: int, masks: NDArray[Any] | None) -> NDArray[np.float32] | None:
        """Masks (count, M, H, W) of 0 and 1, or None where the generator takes none. Raises as `draw` does."""
        if "mask" not in self.inputs:
            if masks is not None:
                raise MedganError("this generator takes no mask")
            return None
        shape = self.inputs["mask"]
        masks = None if masks is None else np.asarray(masks)
        if masks is None or masks.shape not in (shape[1:], (count, *shape)):
            problem = (
                "none was given; name one with --mask (masks=)" if masks is None else f"it has shape {masks.shape}"
            )
            raise MedganError(f"this generator needs a mask of {shape[1]}x{shape[2]} pixels; {problem}")
        return np.ascontiguousarray(np.broadcast_to(masks != 0, (count, *shape)), dtype=np.float32)

    def codes(self, count: int, labels: Labels = None) -> NDArray[np.int64] | None:
        """Class indices (count,), or None for an unconditional generator. Raises as `draw` does."""
        if not self.conditional:
            if labels is not None:
                raise MedganError("this generator is unconditional: it takes no label")
            return None
        if labels is None:
            return np.arange(count, dtype=np.int64) % len(self.label_names)
        if isinstance(labels, str):
            return np.full(count, self._code(labels), dtype=np.int64)
        each: Any = labels.tolist() if hasattr(labels, "tolist") else labels  # also those of torch and pandas
        if not isinstance(each, Sequence) or len(each) != count:
            raise MedganError(
                f"labels must be {count} class names or {count} indices, one an image, not {labels!r:.80}"
            )
        if all(isinstance(label, str) for label in each):
            return np.array([self._code(label) for label in each], dtype=np.int64)
        for label in each:
            if isinstance(label, bool | str) or not isinstance(label, int | np.integer):
                raise MedganError(f"labels must all be class names or all integers; {label!r:.80} is among them")
            if not 0 <= label < len(self.label_names):
                raise MedganError(f"label {label} is unknown; choices: 0 to {len(self.label_names) - 1}")
        return np.array(each, dtype=np.int64)

    def _code(self, name: str) -> int:
        if name not in self.label_names:
            raise MedganError(f"unknown label '{name}'; choices: {', '.join(self.label_names)}")
        return self.label_names.index(name)


def golden_difference(generator: OnnxGenerator, golden: Path) -> float:
    """Largest absolute difference from the vectors that were saved beside the model when it was exported.

    Raises MedganError for a file that is missing, damaged or of another model.
    """
    if not _is_file(golden):
        raise MedganError(f"{golden} does not exist; copy it from beside the exported model")
    try:
        with golden.open("rb") as file, np.load(file) as saved:
            inputs, image = {name: saved[name] for name in generator.inputs}, saved["image"]
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise MedganError(f"{golden} is damaged ({error}); copy it from beside the exported model") from None
    images = generator.run(**inputs)
    if image.shape != images.shape:
        raise MedganError(f"{golden} holds images {image.shape}, and the model draws {images.shape}: it is of another")
    return float(np.abs(images - image).max())


def _is_file(path: Path) -> bool:
    """Say whether it is a file; a name that no file can have is none."""
    with suppress(OSError):
        return path.is_file()
    return False


def _to_float32(name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers that are finite in float32. Raises MedganError for others."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiu":
        raise MedganError(f"{name} must be an array of numbers, not of {array.dtype}")
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(floats).all():
        raise MedganError(f"{name} must be finite in float32; it holds NaN, infinite or larger values")
    return floats


def _check_whole(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise MedganError(f"{name} must be a whole number of at least {least}, not {value!r}")
