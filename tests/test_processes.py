"""Two processes on one batch train what one trains; what they cannot share is refused."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_kills import TRAINING

from medgan.config.schema import Config
from medgan.data.loader import Batches, conditions
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.gans import build_gan
from medgan.randomness import Draw, Integers, Normal, StepRandomness, Uniform
from medgan.training.checkpoint import load_checkpoint
from medgan.training.judge import Judge
from medgan.training.loop import Trained, fit
from medgan.training.processes import check_shareable

ROOT = Path(__file__).parents[1]
# Without batch norm; penalties, instance noise, augmentation and jitter are on.
VALUES: dict[str, Any] = {
    "gan.model": {"name": "transformer", "latent_dim": 8, "width": 32, "blocks": 1, "embedding_dim": 4},
    "gan.batch": 8,
    "gan.lr": 0.001,
    "gan.penalty_every": 2,
    "gan.instance_noise": 0.1,
    "gan.augment": ["brightness", "translation", "cutout"],
    "gan.jitter": 2,
    "train.precision": "fp64",
    "train.steps": 20,
    "train.checkpoint_every": 10,
    "train.evaluations": 2,
}
SHARED = TRAINING.replace("run(main)", "with joined():\n    run(main)").replace(
    "from medgan.training.loop", "from medgan.training.processes import joined\nfrom medgan.training.loop"
)


# From the fifth step on the second process alone has a loss or a figure that is infinite, and no gradient that is.
SPOILT = """
import os, torch
from medgan.gans.synthesis import Synthesis
generator_losses, discriminator_losses, calls = Synthesis.generator_losses, Synthesis.discriminator_losses, [0]

def bad(of):
    return torch.inf if of == "WHICH" and os.environ["RANK"] == "1" and calls[0] >= 5 else 0.0

def spoilt_loss(gan, *arguments):
    losses = generator_losses(gan, *arguments)
    return losses | {"generator": losses["generator"] + bad("loss/generator")}

def spoilt_figure(gan, *arguments):
    calls[0] += 1
    losses, figures = discriminator_losses(gan, *arguments)
    return losses, figures | {"logits_real": figures["logits_real"] + bad("logits_real")}

Synthesis.generator_losses, Synthesis.discriminator_losses = spoilt_loss, spoilt_figure
"""


def ended(
    folder: Path, name: str, prepared: Prepared, config: Config, processes: int, *, script: str = SHARED
) -> list[tuple[int, str, str]]:
    """Train in a folder of this name with so many processes; exit status, stdout and stderr of each."""
    (folder / "config.json").write_text(json.dumps(config.model_dump(mode="json", by_alias=True)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    own = {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    images = Path(prepared.images.filename).parent  # type: ignore[attr-defined]
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", script, str(images), name],
            cwd=folder,
            env={**os.environ, **own, "WORLD_SIZE": str(processes), "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    said = [process.communicate(timeout=200) for process in started]
    return [(process.returncode, *printed) for process, printed in zip(started, said, strict=True)]


def trained_by_two(folder: Path, name: str, prepared: Prepared, config: Config) -> None:
    found = ended(folder, name, prepared, config, 2)
    assert all(status == 0 for status, _, _ in found), "\n".join(err for _, _, err in found)


def trained_here(folder: Path, name: str, prepared: Prepared, config: Config) -> Trained:
    """What TRAINING does, without a process for it."""
    data = prepared.balanced(config.data.balance)
    given = conditions(data, np.arange(16))
    judge = Judge(16, given, lambda images: float(images.mean()), given)
    return fit(config.gan, config.train, data, seed=3, judge=judge, directory=folder / name)


def difference(one: Path, other: Path) -> float:
    """Largest difference of any tensor of two newest checkpoints, which must have the same step."""
    first, second = load_checkpoint(one), load_checkpoint(other)
    assert first is not None and second is not None and first.step == second.step
    assert first.tensors.keys() == second.tensors.keys()
    return max(float((first.tensors[n].double() - second.tensors[n].double()).abs().max()) for n in first.tensors)


def logged(folder: Path) -> list[dict[str, float]]:
    """Losses and figures, which are those of the whole batch."""
    checkpoint = load_checkpoint(folder)
    assert checkpoint is not None
    return [{key: value for key, value in row.items() if key != "time"} for row in checkpoint.meta["rows"]]


@pytest.mark.slow
def test_two_processes_end_where_one_ends(
    config: Config, prepared: Prepared, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = config.override({**VALUES, "data.balance": True})
    trained_here(tmp_path, "one", prepared, whole)
    trained_by_two(tmp_path, "two", prepared, whole)
    assert difference(tmp_path / "one", tmp_path / "two") <= 1e-10
    assert logged(tmp_path / "one") == [pytest.approx(row, rel=1e-9) for row in logged(tmp_path / "two")]
    # Two begin, one goes on: steps 11 to 20.
    (tmp_path / "mixed").mkdir()
    (early,) = (path for path in (tmp_path / "two").glob("*.checkpoint") if "00010" in path.name)
    (tmp_path / "mixed" / early.name).write_bytes(early.read_bytes())
    with caplog.at_level("INFO"):
        assert trained_here(tmp_path, "mixed", prepared, whole).resumed_from == 10
    assert "goes on with 1 process(es) after 2" in caplog.text
    assert difference(tmp_path / "one", tmp_path / "mixed") <= 1e-10


# The first process fails between two steps, as it does on a full disk.
FAILING = """
import os
from medgan.errors import MedganError
from medgan.training.state import State

def full(state, directory):
    raise MedganError("the disk is full")

State.save = full
"""


@pytest.mark.slow
def test_a_process_whose_fellow_has_ended_says_that(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    """It notices in the gradients' exchange of the next step."""
    often = config.override({**VALUES, "train.checkpoint_every": 5})
    (_, _, first), (_, _, other) = ended(tmp_path, "two", prepared, often, 2, script=FAILING + SHARED)
    assert "the disk is full" in first
    assert other.endswith("error: process 1: another process has ended, see what it says\n")


@pytest.mark.slow
@pytest.mark.parametrize("which", ["loss/generator", "logits_real"])
def test_what_one_process_finds_not_finite_ends_all(
    config: Config, prepared: Prepared, tmp_path: Path, which: str
) -> None:
    script = SPOILT.replace("WHICH", which) + SHARED
    found = ended(tmp_path, "two", prepared, config.override(VALUES), 2, script=script)
    assert all(f"step 5: {which} is not finite" in err for _, _, err in found), found
    checkpoint = load_checkpoint(tmp_path / "two")
    assert checkpoint is None or checkpoint.step < 5


@pytest.mark.parametrize("balance", [True, False])
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("size", [2, 4])
def test_processes_share_the_rows_of_a_batch(prepared: Prepared, size: int, paired: bool, balance: bool) -> None:
    data = replace(prepared, sources=prepared.images).balanced(balance)
    whole = Batches(data, "train", batch=8, seed=1, paired=paired).at(3)
    parts = [Batches(data, "train", batch=8, seed=1, paired=paired, rank=rank, size=size).at(3) for rank in range(size)]
    for name in ("image", "source", "label"):
        shares = [getattr(part, name) for part in parts]
        assert torch.equal(torch.stack(shares, dim=1).flatten(0, 1), getattr(whole, name))


@pytest.mark.parametrize("draw", [Normal((3,)), Uniform(), Integers(-4, 5, 2)], ids=["normal", "uniform", "integers"])
def test_processes_share_the_rows_of_what_one_would_draw(draw: Draw) -> None:
    whole = StepRandomness(1, 2).draw("z", draw, 6)
    parts = [StepRandomness(1, 2, rank, 2).draw("z", draw, 3) for rank in (0, 1)]
    assert torch.equal(torch.stack(parts, dim=1).flatten(0, 1), whole)
    assert not torch.equal(whole, StepRandomness(1, 2).draw("noise", draw, 6))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"gan.batch": 7}, "gan.batch: 7 cannot be shared by 2 processes"),
        ({}, "2 processes on CPUs would each norm their own rows"),
    ],
)
def test_what_cannot_be_shared_is_a_sentence(
    config: Config, prepared: Prepared, values: dict[str, Any], says: str
) -> None:
    changed = config.override(values).gan
    with pytest.raises(MedganError, match=says):
        check_shareable(build_gan(changed, prepared.spec), changed.batch, 2)
