"""The champion of this clone's store, fetched and checked."""

from pathlib import Path

from medgan.config.schema import load_config
from medgan.errors import MedganError
from medgan.runtime.generator import OnnxGenerator, golden_difference
from medgan.tracking import models
from medgan.tracking.opening import opened_store
from medgan.workspace.places import PARAMS, store_root

_TOLERANCE = 1e-3


def fetch_champion(clone: Path, name: str | None, out: Path) -> str:
    """Replace the folder `out` by the champion's generator.onnx and golden.npz; says what it is.

    name: of the registered model, by default that of params.yaml.
    Raises MedganError where there is no champion, and for files that are lost or not what was exported.
    """
    config = load_config(clone / PARAMS)
    name = name or f"medgan-{config.data.name}-{config.gan.name}"
    with opened_store(store_root(clone), config.data.name) as store:
        version = models.champion(store, name)
        if version is None:
            raise MedganError(
                f"{name} has no champion: no version has passed the gates; artifacts/export/ has what was exported last"
            )
        models.fetch(version, out)
    generator, golden = OnnxGenerator(out / "generator.onnx"), out / models.GOLDEN_NAME
    if golden.exists() and (difference := golden_difference(generator, golden)) > _TOLERANCE:
        raise MedganError(f"{out}/generator.onnx draws other images than it did when exported: {difference:.2g} apart")
    checked = "checked by its golden vectors" if golden.exists() else "without golden vectors to check it by"
    verdict = version.tags.get("verdict", "")
    return f"{out}/generator.onnx: {name} version {version.version}, {checked} ({verdict})"
