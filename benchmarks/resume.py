"""Trainings that are killed at random moments against the same ones left alone -> results/resume.*.

    python -m benchmarks.resume [KILLS]              # some 15 minutes for 50

Each training is a process of its own. SIGKILL hits it at random moments after its first step, every fifth one while a
checkpoint is being written, and it is started again until it ends. Then every byte of its state, its history and its
sample grids is compared with those of the unbroken one.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judging import ROOT, WORK, configuration
from benchmarks.tables import save
from medgan.config.schema import Config, parse_config
from medgan.data.loader import conditions
from medgan.data.store import open_prepared
from medgan.device import use_cpu
from medgan.sources.prepare import prepare
from medgan.training.checkpoint import load_checkpoint
from medgan.training.judge import Judge
from medgan.training.loop import Listener, fit

PLACE = WORK / "resume"
SMALL: dict[str, Any] = {
    "data.size": 16,
    "data.options.count": 480,
    "gan.batch": 8,
    "train.steps": 300,
    "train.evaluations": 4,
    "train.checkpoint_every": 2,  # so that kills inside a save are not rare
}
NETWORKS = {"name": "dcgan", "latent_dim": 8, "width": 8, "max_width": 16, "embedding_dim": 4}
SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "DCGAN": ("dcgan-published", {"gan.model": {**NETWORKS, "discriminator_norm": "batch"}}),
    "SNGAN, conditional": (
        "default",
        {
            "gan.model": {**NETWORKS, "discriminator_norm": "spectral"},
            "gan.loss": "hinge",
            "gan.r1": 0.0,
            "gan.r2": 0.0,
            "gan.discriminator_steps": 2,
        },
    ),
    "relativistic": ("residual", {"gan.model": {"name": "residual", "latent_dim": 8, "width": 8, "max_width": 16}}),
}
KILLS_EACH = 3
SAVING_EVERY = 5


@dataclass(frozen=True)
class Row:
    """kills: that hit a training; saving: those while a checkpoint was being written. identical: of the trainings."""

    system: str
    trainings: int
    kills: int
    saving: int
    identical: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", type=int, nargs="?", default=50, help="50 unless told")
    parser.add_argument("--train", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        _train(*arguments.train)
        return
    use_cpu(1)
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    chance = random.Random(0)
    left, rows = arguments.kills, []
    for rank, (system, (recipe, changes)) in enumerate(SYSTEMS.items()):
        share = left // (len(SYSTEMS) - rank)
        rows.append(_killed(system, configuration(recipe, changes={**SMALL, **changes}), share, chance))
        left -= share
    _write(rows)


def _killed(system: str, config: Config, kills: int, chance: random.Random) -> Row:
    """Trainings of one system, each killed up to three times."""
    path = PLACE / f"{system}.json"
    path.write_text(json.dumps(config.model_dump(mode="json", by_alias=True)))
    prepare(config.data, _data(path), seed=config.seed)
    unbroken = _started(path, "whole")
    _until(unbroken, b"step")
    began = time.monotonic()
    _until(unbroken, b"end")
    lifetime = time.monotonic() - began
    _ended(unbroken)
    whole = left_behind(_folder(path, "whole"))
    done = saving = trainings = identical = 0
    while done < kills:
        name, before = f"killed-{trainings}", done
        for number in range(min(KILLS_EACH, kills - done)):
            victim = _started(path, name)
            _until(victim, b"step")
            # The later kills of a training find less of it left.
            moment = time.monotonic() + chance.uniform(0, 1 / (number + 1)) * lifetime
            aside = partial(_folder(path, name).glob, f".new-{victim.pid}-*.checkpoint")
            while victim.poll() is None and (
                time.monotonic() < moment or (done % SAVING_EVERY == 0 and not any(aside()))
            ):
                time.sleep(0)
            victim.send_signal(signal.SIGKILL)
            assert victim.stdout is not None
            if victim.wait() != -signal.SIGKILL or b"end" in victim.stdout.read():
                break  # it had ended before its moment came
            done += 1
            saving += any(aside())
        if done == before:
            shutil.rmtree(_folder(path, name))  # its first moment came too late
            continue
        _ended(_started(path, name))
        trainings += 1
        identical += left_behind(_folder(path, name)) == whole
        print(f"{system}: {done}/{kills} kills, {identical}/{trainings} trainings identical", flush=True)
    return Row(system, trainings, done, saving, identical)


def _data(config: Path) -> Path:
    return PLACE / f"data-{config.stem}"


def _folder(config: Path, name: str) -> Path:
    return PLACE / f"{config.stem}-{name}"


def _started(config: Path, name: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "benchmarks.resume", "--train", str(config), str(_folder(config, name))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)


def _until(process: "subprocess.Popen[bytes]", word: bytes) -> None:
    """Wait for a line: for the first step, since before that, seconds of imports, there is nothing to lose."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return


def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.communicate()
    if process.returncode:
        sys.exit(f"a training ended with status {process.returncode}, see above")


def _train(path: Path, folder: Path) -> None:
    use_cpu(1)
    config, prepared = parse_config(json.loads(path.read_text())), open_prepared(_data(path))
    given = conditions(prepared, np.arange(16))
    judge = Judge(16, given, lambda images: float(images.mean()), given)
    listener = Listener(on_step=lambda step: print("step", step, flush=True))
    fit(config.gan, config.train, prepared, seed=config.seed, judge=judge, directory=folder, listener=listener)
    print("end", flush=True)


def left_behind(folder: Path) -> tuple[Any, ...]:
    """Everything but when it was: the newest checkpoint, its rows without their times, the sample grids."""
    checkpoint = load_checkpoint(folder)
    assert checkpoint is not None, f"{folder} holds no checkpoint"
    tensors = {name: tensor.numpy().tobytes() for name, tensor in checkpoint.tensors.items()}
    rows = [{key: value for key, value in row.items() if key != "time"} for row in checkpoint.meta.pop("rows")]
    samples = {path.name: path.read_bytes() for path in (folder / "samples").iterdir()}
    return checkpoint.step, tensors, rows, checkpoint.meta, samples


def _write(rows: list[Row]) -> None:
    trainings, identical = sum(row.trainings for row in rows), sum(row.identical for row in rows)
    lines = [
        "# Killed and resumed",
        "",
        f"`python -m benchmarks.resume`: {sum(row.kills for row in rows)} SIGKILLs at random moments, "
        f"every {SAVING_EVERY}th held until a save; {sum(row.saving for row in rows)} hit one. {identical} of "
        f"{trainings} trainings ended with the bits of the unbroken one: networks, average, optimisers, best weights, "
        "history and grids.",
        "",
        "| system | trainings | kills | while saving | identical |",
        "| --- | --- | --- | --- | --- |",
        *(f"| {row.system} | {row.trainings} | {row.kills} | {row.saving} | {row.identical} |" for row in rows),
    ]
    save("resume", [asdict(row) for row in rows], lines)


if __name__ == "__main__":
    main()
