"""Where the files of a clone lie."""

from pathlib import Path

from medgan.config.search import SQLITE
from medgan.databases import sqlite_url

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
UTILITY = REPORTS / "utility.json"
REPORT, MODEL_CARD, PLOTS = REPORTS / "report.html", REPORTS / "model_card.md", REPORTS / "plots"
FIGURES = REPORTS / "test"
_TEMPORARY = (".dvc", "tmp", "exps")


def store_root(here: Path | None = None) -> Path:
    """The repository that owns the stores: `dvc exp run --temp` works in a folder under its .dvc/tmp/exps."""
    here = (here or Path.cwd()).resolve()
    for parent in here.parents:
        if parent.parts[-3:] == _TEMPORARY:
            return parent.parents[2]
    return here


def repository() -> Path:
    """The folder that git and DVC share, in whichever folder of it the command was given."""
    here = store_root()
    return next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), here)


def checkpoints() -> Path:
    """The folder of trainings' checkpoints, by fingerprint. DVC removes outputs before a stage runs; these stay."""
    return store_root() / ".checkpoints"


def results(here: Path | None = None) -> Path:
    """The folder of stages' results, by fingerprint (see kept.py)."""
    return store_root(here) / ".results"


def features_seen() -> Path:
    """The folder of what extractors have seen in images, by content."""
    return store_root() / ".features"


def studies(storage: str = SQLITE) -> str:
    """The address of Optuna's database. storage: `search.storage` of params.yaml."""
    return sqlite_url(store_root() / "optuna.db") if storage == SQLITE else storage
