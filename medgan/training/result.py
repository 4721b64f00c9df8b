"""What a training leaves behind: the generator's weights and a description that later stages find everything by."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from medgan.config.gan import parse_gan
from medgan.data.spec import Direction, ImageSpec
from medgan.errors import MedganError
from medgan.files import replacing, write_atomically, writing
from medgan.fingerprint import Origin
from medgan.gans import build_gan
from medgan.gans.base import Gan
from medgan.training.loop import Trained
from medgan.training.state import Row
from medgan.training.task import Task

WEIGHTS_NAME = "generator.safetensors"


@dataclass(frozen=True)
class Description:
    """fingerprint: of params, data and code. weights: raw or ema. step, score: where validation was best.
    commit, recipe, changed: see `Origin`. balance: whether it saw every class equally often.
    """

    fingerprint: str
    gan: dict[str, Any]
    train: dict[str, Any]
    seed: int
    spec: dict[str, int]
    intensity: dict[str, Any]
    label_names: tuple[str, ...]
    direction: Direction | None
    data_md5: str
    commit: str
    recipe: str
    weights: str
    step: int
    score: float
    balance: bool = False
    changed: dict[str, Any] = field(default_factory=dict)

    @property
    def between(self) -> tuple[str, str] | None:
        """Names of the two kinds of image between which it translates, if it does."""
        return self.direction.names if self.direction else None


def first_origin(task: Task, origin: Origin) -> Origin:
    """Where a training was begun, which its folder keeps; `origin` for one that is begun now.

    Code may have changed since, in comments say: the training, and the files that name its origin, are the same.
    """
    path = task.folder / "origin.json"
    if path.exists() and not task.train.restart:
        known = json.loads(path.read_text())
        if known.pop("fingerprint") == task.fingerprint:
            return Origin(**known)
    with writing(path, "nothing has been trained yet"):
        content = {"fingerprint": task.fingerprint, **asdict(origin)}
        write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
    return origin


def describe(task: Task, trained: Trained, origin: Origin) -> Description:
    """Describe a training that has ended."""
    prepared = task.prepared
    return Description(
        fingerprint=task.fingerprint,
        **task.sections,
        spec=asdict(prepared.spec),
        intensity=asdict(prepared.intensity),
        label_names=prepared.label_names,
        direction=prepared.direction,
        data_md5=prepared.md5,
        **asdict(origin),
        weights=trained.best.weights,
        step=trained.best.step,
        score=trained.best.score,
    )


def write_trained(directory: Path, trained: Trained, description: Description, samples: Path) -> None:
    """Replace `directory` by the results of a training; samples: the folder of its sample grids."""
    rows = "".join(json.dumps(row) + "\n" for row in trained.rows)
    tensors = {name: tensor.contiguous() for name, tensor in trained.generators.state_dict().items()}
    with writing(directory, "the training itself is whole in its last checkpoint"), replacing(directory) as aside:
        aside.mkdir()
        shutil.copytree(samples, aside / "samples")
        (aside / "history.jsonl").write_text(rows)
        (aside / WEIGHTS_NAME).write_bytes(save(tensors))
        (aside / "fingerprint.json").write_text(json.dumps(asdict(description), indent=2) + "\n")


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
    config = parse_gan(description.gan, f"{directory / 'fingerprint.json'} is of other code, run `dvc repro train`")
    with torch.random.fork_rng(devices=[]):
        gan = build_gan(config, ImageSpec(**description.spec))
    gan.generators.load_state_dict(load_file(directory / WEIGHTS_NAME))
    return gan, gan.generators.eval(), description
