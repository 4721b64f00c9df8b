"""ONNX models of runs, their registered versions and the champion among them."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
import onnx
from mlflow.entities import LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from medgan.runtime.generator import OnnxGenerator
from medgan.tracking.runs import FINGERPRINT, Store

CHAMPION = "champion"


def log_model(store: Store, run_id: str, path: Path, *, name: str = "generator", fingerprint: str) -> str:
    """The ONNX file as a logged model of its run, with its signature; returns its URI. Found again by fingerprint."""
    found = store.client.search_logged_models(
        [store.experiment_id], filter_string=f"tags.`{FINGERPRINT}` = '{fingerprint}'"
    )
    for model in found:
        if model.status == LoggedModelStatus.READY:  # one that was killed while it was logged has no file
            store.end(run_id)
            return str(model.model_uri)
    generator = OnnxGenerator(path)
    inputs: list[ColSpec | TensorSpec] = [
        TensorSpec(np.dtype(np.int64 if name == "label" else np.float32), (-1, *shape), name)
        for name, shape in generator.inputs.items()
    ]
    outputs: list[ColSpec | TensorSpec] = [TensorSpec(np.dtype(np.float32), (-1, *generator.image_shape), "image")]
    with mlflow.start_run(run_id=run_id):
        info = mlflow.onnx.log_model(
            onnx.load(path),
            name=name,
            signature=ModelSignature(Schema(inputs), Schema(outputs)),
            save_as_external_data=False,
            onnx_execution_providers=["CPUExecutionProvider"],
            pip_requirements=["onnxruntime", "numpy"],
            metadata=generator.metadata,
            tags={FINGERPRINT: fingerprint},
        )
    return str(info.model_uri)


def register_version(
    store: Store, name: str, model_uri: str, run_id: str, *, fingerprint: str, tags: Mapping[str, str]
) -> ModelVersion:
    """The one version with this fingerprint, with its tags set again."""
    versions = _versions(store, name, fingerprint)
    if not versions:
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
    """The earliest first."""
    found = store.client.search_model_versions(f"name = '{name}'")
    return sorted((v for v in found if v.tags.get(FINGERPRINT) == fingerprint), key=lambda v: int(v.version))


def champion(store: Store, name: str) -> ModelVersion | None:
    try:
        return store.client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException:
        return None


def crown(store: Store, name: str, version: str) -> None:
    store.client.set_registered_model_alias(name, CHAMPION, version)


@contextmanager
def downloaded(version: ModelVersion) -> Iterator[Path]:
    """The version's ONNX file, for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as folder:
        path = mlflow.artifacts.download_artifacts(
            artifact_uri=f"models:/{version.name}/{version.version}", dst_path=folder
        )
        yield next(Path(path).rglob("*.onnx"))
