"""MLflow, where every call can be repeated: runs, the trials of a search, models and their versions."""

import os
from pathlib import Path

from medgan.databases import anchored, sqlite_url

# Only ONNX is ever loaded from the store; a pickle could run code.
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
# Its steps of making a database, and bars over files of a few kilobytes, are nobody's concern.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
# A server that is away is asked for seconds, one that never answers for a minute; by MLflow's own settings for many.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")


def tracking_uri(root: Path) -> str:
    """MLFLOW_TRACKING_URI, where a relative SQLite file is one under `root`; without it, mlflow.db under `root`."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    return anchored(uri, root.resolve()) if uri else sqlite_url((root / "mlflow.db").resolve())
