"""What an exported file says of itself, by the contract."""

import json
from collections.abc import Mapping
from typing import Any

from medgan.gans.base import Way
from medgan.training.result import Description


def metadata(
    way: Way, description: Description, scores: Mapping[str, Any], *, name: str, modality: str, licence: str
) -> dict[str, str]:
    """scores: those of its report that apps need, as JSON has them. name, modality, licence: of the data."""
    direction = way.direction(description.direction)
    return {
        "name": name,
        "label_names": json.dumps(description.label_names if way.gan.spec.classes else []),
        "value_range": "[-1, 1]",
        "intensity": json.dumps(description.intensity, sort_keys=True),
        "scores": json.dumps(scores, sort_keys=True),
        "fingerprint": description.fingerprint,
        "data_md5": description.data_md5,
        "commit": description.commit,
        "recipe": description.recipe,
        "modality": modality,
        "licence": licence,
        "notice": "synthetic; not for diagnosis",
        **({"direction": str(direction)} if direction else {}),
    }
