"""What the curves of a training are called in MLflow, which sorts by name: test first, then training, validation."""

from collections.abc import Iterable

from medgan.training.state import Row

_VALIDATION = "validation/"
_OUTSIDE = ("step", "time")


def named(rows: Iterable[Row], score: str) -> list[Row]:
    """Rows of a history under the names that MLflow shows. score: the one on validation images."""
    return [{_name(key, score): value for key, value in row.items()} for row in rows]


def _name(key: str, score: str) -> str:
    if key in _OUTSIDE:
        return key
    if not key.startswith(_VALIDATION):
        return f"training/{key}"
    weights = key.removeprefix(_VALIDATION)
    return f"{_VALIDATION}{score}" if weights == "best" else f"{_VALIDATION}{score}_{weights}"
