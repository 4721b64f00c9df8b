"""ONNX models of runs, their registered versions and the champion among them."""

import io
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnx
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from numpy.typing import NDArray

from medgan.databases import redacted
from medgan.errors import MedganError
from medgan.files import replacing
from medgan.runtime import OnnxGenerator
from medgan.tracking.opening import STORE_ERRORS
from medgan.tracking.runs import FINGERPRINT, Store

_LOG = logging.getLogger(__name__)
CHAMPION, PREVIOUS = "champion", "previous"
Version = ModelVersion
GOLDEN_NAME = "golden.npz"
_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


def log_model(store: Store, run_id: str, path: Path, *, name: str = "generator", fingerprint: str) -> str:
    """The ONNX file as a logged model of its run, with its signature; returns its URI.

    Found again by fingerprint, which is to be of the file's bytes too: a file that was lost is put back.
    """
    known = store.client.search_logged_models(
        [store.experiment_id], filter_string=f"tags.`{FINGERPRINT}` = '{fingerprint}'"
    )
    for model in known:
        if model.status == LoggedModelStatus.READY:  # one that was killed while it was logged has no file
            if not _has_file(store, model, path):
                _put_back(store, model, path)
            store.end(run_id)
            return str(model.model_uri)
    with mlflow.start_run(run_id=run_id):
        info = mlflow.onnx.log_model(
            onnx.load(path),
            name=name,
            metadata=OnnxGenerator(path).metadata,
            tags={FINGERPRINT: fingerprint},
            input_example=_example(path),
            **_flavour(path),
        )
    _log_golden(store, info.model_id, path)
    return str(info.model_uri)


def _flavour(path: Path) -> dict[str, Any]:
    """How MLflow is to save this file: by the contract's signature, in one file, for CPUs."""
    generator = OnnxGenerator(path)
    inputs: list[ColSpec | TensorSpec] = [
        TensorSpec(np.dtype(np.int64 if name == "label" else np.float32), (-1, *shape), name)
        for name, shape in generator.inputs.items()
    ]
    outputs: list[ColSpec | TensorSpec] = [TensorSpec(np.dtype(np.float32), (-1, *generator.image_shape), "image")]
    return {
        "signature": ModelSignature(Schema(inputs), Schema(outputs)),
        "save_as_external_data": False,
        "onnx_execution_providers": ["CPUExecutionProvider"],
        "pip_requirements": ["onnxruntime", "numpy"],
    }


def _example(path: Path) -> dict[str, NDArray[Any]]:
    """Inputs of one image: z as it is drawn, everything else zero."""
    generator = OnnxGenerator(path)
    blank = {
        name: np.zeros((1, *shape), np.int64 if name == "label" else np.float32)
        for name, shape in generator.inputs.items()
    }
    return blank | ({"z": generator.latents(1, seed=0)} if "z" in blank else {})


def _log_golden(store: Store, model_id: str, path: Path) -> None:
    """The vectors by which whoever fetches the model checks it."""
    golden = path.with_name(GOLDEN_NAME)
    if golden.exists():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy2(golden, folder)
            store.client.log_model_artifacts(model_id, folder)


def _has_file(store: Store, model: LoggedModel, path: Path) -> bool:
    names = {Path(item.path).name for item in store.client.list_logged_model_artifacts(model.model_id)}
    wanted = {"MLmodel", *(name for name in (GOLDEN_NAME,) if path.with_name(name).exists())}
    return wanted <= names and any(name.endswith(".onnx") for name in names)


def _put_back(store: Store, model: LoggedModel, path: Path) -> None:
    """The files of a model that MLflow knows and has lost: versions name the model, so they have them again."""
    about = Model(
        artifact_path=model.artifact_location,
        model_uuid=model.model_id,
        run_id=model.source_run_id,
        metadata=OnnxGenerator(path).metadata,
        model_id=model.model_id,
    )
    with tempfile.TemporaryDirectory() as folder:
        mlflow.onnx.save_model(onnx.load(path), f"{folder}/model", mlflow_model=about, **_flavour(path))
        store.client.log_model_artifacts(model.model_id, f"{folder}/model")
    _log_golden(store, model.model_id, path)
    _LOG.warning("MLflow had lost the files of %s; they are put back from %s", model.model_uri, path)


def register_version(
    store: Store, name: str, model_uri: str, run_id: str, *, fingerprint: str, tags: Mapping[str, str]
) -> ModelVersion:
    """The one version with this fingerprint, with its tags set again."""
    versions = _versions(store, name, fingerprint)
    if not versions:
        with redirect_stderr(io.StringIO()):  # it says there that a name is new, or is not
            made = mlflow.register_model(model_uri, name, tags={FINGERPRINT: fingerprint})
        versions = _versions(store, name, fingerprint) or [made]
    # MLflow asks again where an answer was lost, and each request makes a version.
    version, *twins = versions
    for twin in twins:
        store.client.delete_model_version(name, twin.version)
    for key, value in tags.items():
        store.client.set_model_version_tag(name, version.version, key, value)
    return version


def _versions(store: Store, name: str, fingerprint: str) -> list[ModelVersion]:
    """List the versions with this fingerprint, the earliest first."""
    every = store.client.search_model_versions(f"name = '{name}'")
    return sorted((v for v in every if v.tags.get(FINGERPRINT) == fingerprint), key=lambda v: int(v.version))


def up_to(store: Store, version: ModelVersion, *, tag: str, every_name: bool = False) -> list[ModelVersion]:
    """List the versions that have this tag as it has it: earlier ones, then itself.

    every_name: of all registered models, by when they were made; otherwise of its own name alone.
    """
    own = store.client.get_model_version(version.name, version.version)
    value = own.tags[tag]
    within = "" if every_name else f"name = '{own.name}' and "
    alike = store.client.search_model_versions(f"{within}tags.`{tag}` = '{value}'")
    earlier = sorted((v for v in alike if _made(v) < _made(own)), key=_made)
    return [*earlier, own]


def _made(version: ModelVersion) -> tuple[int, int, str]:
    """When; two that were made in one millisecond follow their numbers."""
    return version.creation_timestamp, int(version.version), version.name


def champion(store: Store, name: str) -> ModelVersion | None:
    """The champion of this name; None where nothing is registered under it, or nothing is crowned.

    Raises MedganError for a store that does not answer: nobody may be crowned because of that.
    """
    try:
        # Not by the alias itself: of one that is not there MLflow says only that a parameter is invalid.
        number = store.client.get_registered_model(name).aliases.get(CHAMPION)
        return None if number is None else store.client.get_model_version(name, number)
    except STORE_ERRORS as error:
        if isinstance(error, MlflowException) and error.error_code in _NOT_THERE:
            return None
        raise _unanswered(f"the champion of {name} cannot be looked up", error) from None


def crown(store: Store, name: str, version: str) -> None:
    """Make a version champion; the one that was it until now is called previous."""
    reigning = champion(store, name)
    if reigning is not None and str(reigning.version) != str(version):
        store.client.set_registered_model_alias(name, PREVIOUS, reigning.version)
    store.client.set_registered_model_alias(name, CHAMPION, version)


@contextmanager
def downloaded(version: ModelVersion) -> Iterator[Path | None]:
    """The version's ONNX file, for as long as the context lasts; None where MLflow has lost it, which is said.

    Raises MedganError for a store that does not answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            uri = f"models:/{version.name}/{version.version}"
            mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
        except STORE_ERRORS as error:
            if not _says_lost(error):
                raise _unanswered(f"{uri} cannot be fetched", error) from None
        path = next(Path(folder).rglob("*.onnx"), None)
        if path is None:
            _LOG.warning("MLflow has lost the files of %s version %s", version.name, version.version)
        yield path


def fetch(version: ModelVersion, out: Path) -> None:
    """Copy a version's generator.onnx and golden.npz into a folder, which is replaced.

    Raises MedganError where MLflow has lost them, or does not answer.
    """
    with downloaded(version) as onnx_file:
        if onnx_file is None:
            raise MedganError(f"MLflow has lost the files of {version.name} version {version.version}; train it again")
        golden = next(onnx_file.parent.rglob(GOLDEN_NAME), None)
        with replacing(out) as aside:
            aside.mkdir(parents=True)
            shutil.copy2(onnx_file, aside / "generator.onnx")
            if golden is not None:
                shutil.copy2(golden, aside / GOLDEN_NAME)


def _unanswered(what: str, error: Exception) -> MedganError:
    message = redacted(" ".join(str(error).split()))[:300]
    return MedganError(f"{what}: {message}; mend that, and run again")


def _says_lost(error: Exception) -> bool:
    """Say whether the store answers, and has no such file."""
    if isinstance(error, MlflowException):
        return error.error_code in _NOT_THERE or "404" in str(error) or "No such" in str(error)
    return isinstance(error, FileNotFoundError) or "No such file or directory" in str(error)
