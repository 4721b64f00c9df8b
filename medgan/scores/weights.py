"""Published weights of extractors: where they are, and the checksum by which a file is known. No torch."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medgan.errors import MedganError


@dataclass(frozen=True)
class Weights:
    """extractor: the name under which its scores stand. licence: of the weights. sha256: of the file."""

    extractor: str
    url: str
    sha256: str
    licence: str

    @property
    def file(self) -> str:
        """Its name."""
        return self.url.rpartition("/")[2]


_DINOV2 = "https://dl.fbaipublicfiles.com/dinov2"
WEIGHTS: Mapping[str, Weights] = {
    "inception": Weights(
        "fid_inception",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "Apache-2.0",
    ),
    "dinov2-small": Weights(
        "fid_dinov2_small",
        f"{_DINOV2}/dinov2_vits14/dinov2_vits14_pretrain.pth",
        "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
        "Apache-2.0",
    ),
    "dinov2-base": Weights(
        "fid_dinov2_base",
        f"{_DINOV2}/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
        "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
        "Apache-2.0",
    ),
}


def known(path: Path) -> str:
    """Name in WEIGHTS of a file. Raises MedganError where it is missing, or none of them."""
    if not path.is_file():
        raise MedganError(
            f"features.weights: {path} does not exist; `medgan weights NAME` fetches {', '.join(WEIGHTS)}, "
            "or leave features.weights empty"
        )
    found = file_sha256(path)
    for name, weights in WEIGHTS.items():
        if weights.sha256 == found:
            return name
    expected = ", ".join(f"{name} ({weights.sha256[:12]}...)" for name, weights in WEIGHTS.items())
    raise MedganError(
        f"features.weights: {path} has the sha256 {found[:12]}..., which is none of {expected}; "
        "fetch it anew with `medgan weights NAME`"
    )


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
