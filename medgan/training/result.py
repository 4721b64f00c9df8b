"""What a training leaves behind: the generator's weights and a description that later stages find everything by."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from medgan.config.schema import GanConfig
from medgan.data.spec import Direction, ImageSpec
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.gans import build_gan
from medgan.gans.base import Gan
from medgan.training.checkpoint import write_atomically, writing
from medgan.training.loop import Trained
from medgan.training.state import Row


@dataclass(frozen=True)
class Description:
    """fingerprint: of params, data and code. weights: raw or ema. step, score: where validation was best.

    commit, recipe: of the code and params.yaml that trained it; not in the fingerprint, since most commits change no
    training and two recipes may be one configuration.
    """

    fingerprint: str
    gan: dict[str, Any]
    train: dict[str, Any]
    seed: int
    spec: dict[str, int]
    label_names: tuple[str, ...]
    direction: Direction | None
    data_md5: str
    commit: str
    recipe: str
    weights: str
    step: int
    score: float


def describe(
    fingerprint: str, sections: Mapping[str, Any], prepared: Prepared, trained: Trained, *, commit: str, recipe: str
) -> Description:
    """sections: the effective "gan" and "train" of the configuration, and "seed"."""
    return Description(
        fingerprint=fingerprint,
        **sections,
        spec=asdict(prepared.spec),
        label_names=prepared.label_names,
        direction=prepared.direction,
        data_md5=prepared.md5,
        commit=commit,
        recipe=recipe,
        weights=trained.best.weights,
        step=trained.best.step,
        score=trained.best.score,
    )


def write_trained(directory: Path, trained: Trained, description: Description, samples: Path) -> None:
    rows = "".join(json.dumps(row) + "\n" for row in trained.rows)
    tensors = {name: tensor.contiguous() for name, tensor in trained.generators.state_dict().items()}
    with writing(directory, "the training itself is whole in its last checkpoint"):
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copytree(samples, directory / "samples", dirs_exist_ok=True)
        write_atomically(directory / "history.jsonl", rows.encode())
        write_atomically(directory / "generator.safetensors", save(tensors))
        write_atomically(directory / "fingerprint.json", (json.dumps(asdict(description), indent=2) + "\n").encode())


def read_description(directory: Path) -> Description:
    path = directory / "fingerprint.json"
    if not path.exists():
        raise MedganError(f"{path} does not exist; run `make repro`, or `dvc repro train`")
    content = json.loads(path.read_text())
    direction = content.pop("direction")
    return Description(
        **{**content, "label_names": tuple(content["label_names"])},
        direction=Direction(**direction) if direction else None,
    )


def read_rows(directory: Path) -> list[Row]:
    return [json.loads(line) for line in (directory / "history.jsonl").read_text().splitlines()]


def load_generators(directory: Path) -> tuple[Gan, nn.ModuleDict, Description]:
    """The GAN with its trained generators in evaluation mode; the discriminators are fresh."""
    description = read_description(directory)
    with torch.random.fork_rng(devices=[]):
        gan = build_gan(GanConfig(**description.gan), ImageSpec(**description.spec))
    gan.generators.load_state_dict(load_file(directory / "generator.safetensors"))
    return gan, gan.generators.eval(), description
