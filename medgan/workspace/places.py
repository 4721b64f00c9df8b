"""Where the files of a clone lie."""

from pathlib import Path

PARAMS = Path("params.yaml")
PREPARED = Path("data/prepared")
FEATURES = Path("artifacts/features")
EXTRACTOR = FEATURES / "extractor.safetensors"
SEARCH = Path("artifacts/search")
TRAIN = Path("artifacts/train")
EXPORT = Path("artifacts/export")
REGISTRY = Path("artifacts/registry.json")
REPORTS = Path("reports")
METRICS = REPORTS / "metrics.json"
_TEMPORARY = (".dvc", "tmp", "exps")


def store_root(here: Path | None = None) -> Path:
    """The repository that owns the stores: `dvc exp run --temp` works in a folder under its .dvc/tmp/exps."""
    here = (here or Path.cwd()).resolve()
    for parent in here.parents:
        if parent.parts[-3:] == _TEMPORARY:
            return parent.parents[2]
    return here


STORES = store_root()
CHECKPOINTS = STORES / ".checkpoints"
STUDIES = f"sqlite:///{STORES / 'optuna.db'}"
