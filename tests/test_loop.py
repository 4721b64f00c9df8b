"""One loop: the same seed gives the same bits, however often it was stopped on the way."""

import errno
import json
import math
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medgan.config.schema import Config
from medgan.data.loader import conditions, gather
from medgan.data.store import Prepared
from medgan.errors import DivergedError, MedganError, TrainingInterrupted
from medgan.fingerprint import Origin
from medgan.gans.drawing import generate
from medgan.randomness import StepRandomness
from medgan.training import identity
from medgan.training import judge as judging
from medgan.training import state as state_module
from medgan.training import steps as steps_module
from medgan.training.checkpoint import held, load_checkpoint
from medgan.training.judge import Judge
from medgan.training.loop import Listener, Trained, fit
from medgan.training.result import describe, write_trained
from medgan.training.state import State
from medgan.training.steps import Steps
from medgan.training.task import Task


def judge(
    prepared: Prepared, score: Callable[[Any], float] = lambda images: float(images.mean()), held_out: Any = None
) -> Judge:
    given = conditions(prepared, np.arange(16))
    return Judge(16, given, score, given, held_out)


def train(
    config: Config, prepared: Prepared, folder: Path, *, seed: int = 1, listener: Listener | None = None, **values: Any
) -> Trained:
    """`values`: paths in the configuration, with their dots as double underscores."""
    changed = config.override({key.replace("__", "."): value for key, value in values.items()})
    return fit(
        changed.gan, changed.train, prepared, seed=seed, judge=judge(prepared), directory=folder, listener=listener
    )


def weights(trained: Trained) -> dict[str, bytes]:
    """Of the best generator, and of the discriminator at the end."""
    tensors = {**trained.generators.state_dict(), **trained.gan.discriminators.state_dict()}
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def timeless(trained: Trained) -> list[dict[str, float]]:
    return [{key: value for key, value in row.items() if key != "time"} for row in trained.rows]


class StoppedError(Exception):
    pass


def stop_at(wanted: int) -> Listener:
    def heard(step: int) -> None:
        if step == wanted:
            raise StoppedError

    return Listener(on_step=heard)


def resumes_bit_identically(config: Config, prepared: Prepared, folder: Path, stopped: int, **values: Any) -> None:
    values = {"train__steps": 8, "train__evaluations": 3, **values}
    whole = train(config, prepared, folder / "whole", **values)
    with pytest.raises(StoppedError):
        train(config, prepared, folder / "broken", listener=stop_at(stopped), **values)
    resumed = train(config, prepared, folder / "broken", **values)
    assert 2 <= resumed.resumed_from < stopped
    assert timeless(resumed) == timeless(whole)
    assert weights(resumed) == weights(whole)
    one, other = load_checkpoint(folder / "whole"), load_checkpoint(folder / "broken")
    assert one is not None and other is not None
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(tensor, other.tensors[name]) for name, tensor in one.tensors.items())


@pytest.mark.parametrize("stopped", [3, 4, 5, 6, 7])
def test_resumed_after_any_checkpoint_is_bit_identical(
    config: Config, prepared: Prepared, tmp_path: Path, stopped: int
) -> None:
    resumes_bit_identically(config, prepared, tmp_path, stopped)


@pytest.mark.parametrize(
    "values",
    [
        {"optimizer": "adam", "betas": [0.5, 0.9]},
        {"optimizer": "adamw", "betas": [0.5, 0.9], "weight_decay": 0.1},
        {"optimizer": "rmsprop", "betas": [0.0, 0.9]},
        {"optimizer": "sgd", "betas": [0.9, 0.0]},
        {"optimizer": "sgd", "betas": [0.0, 0.0]},
        {"discriminator_steps": 2},
        {"model__discriminator_norm": "spectral"},
        {"instance_noise": 0.5, "instance_noise_until": 0.9},
        {"augment": ["brightness", "contrast", "saturation", "translation", "cutout", "mirror"]},
    ],
    ids=lambda values: " ".join(f"{key}={value}" for key, value in values.items()),
)
def test_resumed_with_any_option_is_bit_identical(
    config: Config, prepared: Prepared, tmp_path: Path, values: dict[str, Any]
) -> None:
    resumes_bit_identically(config, prepared, tmp_path, 5, **{f"gan__{key}": value for key, value in values.items()})


def test_the_restored_state_steps_as_the_saved_one(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    """Adam's moments keep the memory layout of their weights: the fused kernel walks raw memory."""
    train(config, prepared, tmp_path, train__steps=4)
    restored = State(config.gan, config.train.model_copy(update={"steps": 4}), prepared.spec, seed=1)
    assert restored.restore(tmp_path) == 4
    for optimizer in restored.optimizers.values():
        for weight in optimizer.param_groups[0]["params"]:
            assert optimizer.state[weight]["exp_avg"].stride() == weight.stride()
            assert optimizer.state[weight]["exp_avg_sq"].stride() == weight.stride()
            assert float(optimizer.state[weight]["step"]) == 4


def test_a_finished_training_is_returned_without_a_step(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    first = train(config, prepared, tmp_path)
    heard: list[int] = []
    again = train(config, prepared, tmp_path, listener=Listener(on_step=heard.append))
    assert heard == [6] and again.resumed_from == 6
    assert weights(again) == weights(first) and again.rows == first.rows


def test_same_seed_same_weights_and_another_seed_others(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    one, two, other = (
        train(config, prepared, tmp_path / name, seed=seed) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert weights(one) == weights(two)
    assert not {name for name, value in weights(one).items() if "embedding" in name and value == weights(other)[name]}


def test_global_random_state_and_threads_are_left_alone(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    torch.manual_seed(11)
    np.random.seed(11)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    train(config, prepared, tmp_path / "a", train__threads=2)
    with pytest.raises(StoppedError):
        train(config, prepared, tmp_path / "b", train__threads=2, listener=stop_at(1))
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()
    assert torch.get_num_threads() == 1


def test_a_folder_in_use_is_refused(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    refused: list[str] = []

    def second(_: int) -> None:
        def attempt() -> None:
            try:
                train(config, prepared, tmp_path)
            except MedganError as error:
                refused.append(str(error))

        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()

    train(config, prepared, tmp_path, listener=Listener(on_step=second))
    assert len(refused) == 6 and "another process trains in" in refused[0]
    with held(tmp_path):  # released at the end
        pass


def test_what_a_gpu_has_begun_is_not_continued_unsaid(
    config: Config, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the other way round. Captured steps round otherwise than plain ones."""
    plain, captured = state_module.identity, {"captured steps": "all"}
    monkeypatch.setattr(state_module, "identity", lambda *gans, **options: plain(*gans, **options) | captured)
    with pytest.raises(StoppedError):
        train(config, prepared, tmp_path / "there", listener=stop_at(5))
    monkeypatch.setattr(state_module, "identity", plain)
    with pytest.raises(MedganError, match=r"captured steps \(all then, none now\)"):
        train(config, prepared, tmp_path / "there")
    with pytest.raises(StoppedError):
        train(config, prepared, tmp_path / "here", listener=stop_at(5))
    monkeypatch.setattr(state_module, "identity", lambda *gans, **options: plain(*gans, **options) | captured)
    with pytest.raises(MedganError, match=r"captured steps \(none then, all now\)"):
        train(config, prepared, tmp_path / "here")


def test_other_code_refuses_an_unfinished_training_and_restarts_a_finished_one(
    config: Config, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = train(config, prepared, tmp_path / "done")
    with pytest.raises(StoppedError):
        train(config, prepared, tmp_path / "cut", listener=stop_at(5))
    monkeypatch.setattr(identity, "code_digest", lambda starts: "0123456789abcdef")
    with pytest.raises(MedganError, match=r"step 4 of 6.*code \(.* then, 0123456789abcdef now\).*train.restart: true"):
        train(config, prepared, tmp_path / "cut")
    with pytest.raises(MedganError, match=r"threads \(1 then, 2 now\)"):
        train(config, prepared, tmp_path / "cut", train__threads=2)
    anew = train(config, prepared, tmp_path / "done")
    assert anew.resumed_from == 0 and weights(anew) == weights(reference)
    restarted = train(config, prepared, tmp_path / "cut", train__restart=True)
    assert restarted.resumed_from == 0 and weights(restarted) == weights(reference)


def test_the_number_of_processes_is_no_difference(
    config: Config, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although they share the cores; the MLflow run is found by the same identity."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(2))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(StoppedError):
        train(config, prepared, tmp_path, listener=stop_at(5), train__threads="auto")
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    assert train(config, prepared, tmp_path, train__threads="auto").resumed_from == 4


def test_restart_discards_what_is_there(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        train(config, prepared, tmp_path, listener=stop_at(5))
    (tmp_path / "samples" / "step-000099.png").write_bytes(b"of another training")
    assert train(config, prepared, tmp_path, train__restart=True).resumed_from == 0
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        f"step-{step:06d}.png" for step in (0, 3, 6)
    ]


def test_a_restarted_training_goes_on_although_the_parameters_still_say_restart(
    config: Config, prepared: Prepared, tmp_path: Path
) -> None:
    train(config, prepared, tmp_path)
    with pytest.raises(StoppedError):
        train(config, prepared, tmp_path, listener=stop_at(5), train__restart=True)
    assert train(config, prepared, tmp_path, train__restart=True).resumed_from == 4
    assert train(config, prepared, tmp_path, train__restart=True).resumed_from == 6


def test_what_is_saved_names_the_code_that_made_it(
    config: Config, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the code that lies there at the moment of saving, after an edit."""

    def edited(step: int) -> None:
        monkeypatch.setattr(identity, "code_digest", lambda starts: "0123456789abcdef")
        stop_at(5).on_step(step)

    with pytest.raises(StoppedError):
        train(config, prepared, tmp_path, listener=Listener(on_step=edited))
    with pytest.raises(MedganError, match=r"step 4 of 6.*differs in code"):
        train(config, prepared, tmp_path)


@pytest.mark.parametrize(("asked", "at"), [(1, 3), (2, 3), (3, 6), (4, 6)])
def test_a_stop_breaks_off_an_evaluation_which_is_made_again(
    config: Config, prepared: Prepared, tmp_path: Path, asked: int, at: int
) -> None:
    """Steps 3 and 6 are evaluated, two scores each; the last one too must not swallow the request."""
    whole = train(config, prepared, tmp_path / "whole")
    calls: list[int] = []

    def score(images: Any) -> float:
        calls.append(1)
        if len(calls) == asked:
            os.kill(os.getpid(), signal.SIGTERM)
        return float(images.mean())

    def go() -> Trained:
        given = judge(prepared, score)
        return fit(config.gan, config.train, prepared, seed=1, judge=given, directory=tmp_path / "cut")

    with pytest.raises(TrainingInterrupted, match=f"stopped and saved at step {at} of 6; the same command goes on"):
        go()
    assert len(calls) == asked
    resumed = go()
    assert resumed.resumed_from == at
    assert timeless(resumed) == timeless(whole) and weights(resumed) == weights(whole)
    pictures = [sorted((tmp_path / name / "samples").iterdir()) for name in ("whole", "cut")]
    assert len(pictures[0]) == 3
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(*pictures, strict=True))


def test_a_picture_that_cannot_be_written_is_a_sentence(
    config: Config, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        listener = Listener(on_step=lambda step: patch.setattr(judging, "save_image", full))
        with pytest.raises(MedganError, match=r"step-000003.png cannot be written: No space left.*Make room"):
            train(config, prepared, tmp_path, listener=listener)
    assert train(config, prepared, tmp_path).resumed_from == 3


def task(config: Config, prepared: Prepared, checkpoints: Path) -> Task:
    return Task(config.gan, config.train, 1, prepared, judge(prepared), "extractor", checkpoints)


def test_a_result_that_cannot_be_written_is_a_sentence(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    trained, target = train(config, prepared, tmp_path / "checkpoints"), tmp_path / "result"
    target.write_text("a file where a folder must be")
    description = describe(task(config, prepared, tmp_path), trained, Origin("", ""))
    with pytest.raises(MedganError, match=r"result cannot be written: Not a directory; the training itself is whole"):
        write_trained(target, trained, description, tmp_path / "checkpoints" / "samples")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stage_that_is_stopped_outside_its_steps_says_so(number: signal.Signals) -> None:
    waiting = "import time; from medgan.console import run; run(lambda: (print('on', flush=True), time.sleep(60)))"
    with subprocess.Popen(
        [sys.executable, "-c", waiting], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "on\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (1, "stopped; run the same command again\n")


@pytest.mark.parametrize("steps", [6, 1200], ids=["every step is logged", "the checkpoint comes before the log"])
def test_a_loss_that_is_not_finite_ends_it_and_is_not_saved(
    config: Config, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    taken, original = [0], steps_module.update

    def spoilt(*arguments: Any) -> dict[str, torch.Tensor]:
        values = original(*arguments)
        taken[0] += 1
        return values | {"loss/generator": torch.tensor(math.inf if taken[0] >= 3 else 1.0)}

    monkeypatch.setattr(steps_module, "update", spoilt)
    with pytest.raises(DivergedError, match="loss/generator is not finite") as caught:
        train(config, prepared, tmp_path, train__steps=steps)
    assert "gan.lr" in str(caught.value)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint is not None and checkpoint.step == 2


def test_spoilt_weights_are_not_saved_although_the_losses_were_finite(
    config: Config, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = steps_module.update

    def spoilt(running: State, *arguments: Any) -> dict[str, torch.Tensor]:
        values = original(running, *arguments)
        if running.step == 3:
            next(running.gan.generators.parameters()).data[0] = torch.nan
        return {name: torch.zeros(()) for name in values}

    monkeypatch.setattr(steps_module, "update", spoilt)
    with pytest.raises(DivergedError, match=r"step 4: generators\.generator\.\S+ is not finite"):
        train(config, prepared, tmp_path, train__evaluations=1)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint is not None and checkpoint.step == 2
    assert all(tensor.isfinite().all() for tensor in checkpoint.tensors.values())


def test_a_real_divergence_is_found(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    with pytest.raises(DivergedError):
        train(config, prepared, tmp_path, gan__lr=1e30, train__steps=12)


def test_a_score_that_is_not_a_number_is_a_divergence(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="validation/raw is not finite"):
        nothing = judge(prepared, lambda images: math.nan)
        fit(config.gan, config.train, prepared, seed=1, judge=nothing, directory=tmp_path)


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([5.0, 4.0, 3.0, 6.0], (3.0, 6, "raw")),
        ([5.0, 4.0, 6.0, 3.0], (3.0, 6, "ema")),
        ([5.0, 2.0, 3.0, 3.0], (2.0, 3, "ema")),
        ([2.0, 2.0, 2.0, 2.0], (2.0, 3, "raw")),
    ],
)
def test_best_is_the_lowest_of_raw_and_averaged_weights(
    config: Config, prepared: Prepared, tmp_path: Path, scores: list[float], best: tuple[float, int, str]
) -> None:
    """Steps 3 and 6 are evaluated, raw first; the images of the winner are those of the result."""
    left, seen = list(scores), []

    def score(images: Any) -> float:
        seen.append(images)
        return left.pop(0)

    told: list[tuple[int, float]] = []
    given = judge(prepared, score)
    listener = Listener(on_evaluation=lambda step, value: told.append((step, value)))
    trained = fit(config.gan, config.train, prepared, seed=1, judge=given, directory=tmp_path, listener=listener)
    assert (trained.best.score, trained.best.step, trained.best.weights) == best
    assert told == [(3, min(scores[:2])), (6, min(scores))]
    winner = seen[scores.index(min(scores))]
    assert (generate(trained.gan, trained.generators, 16, given.conditions, seed=1) == winner).all()
    assert not (seen[0] == seen[1]).all()


def test_a_resumed_training_tells_the_scores_before_it(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    """A trial that is tried again reports, and is pruned by, what its first attempt had seen."""
    first: list[tuple[int, float]] = []
    second: list[tuple[int, float]] = []
    with pytest.raises(StoppedError):
        heard = Listener(on_step=stop_at(5).on_step, on_evaluation=lambda *told: first.append(told))
        train(config, prepared, tmp_path, listener=heard)
    train(config, prepared, tmp_path, listener=Listener(on_evaluation=lambda *told: second.append(told)))
    assert len(first) == 1 and [step for step, _ in second] == [3, 6]
    assert second[0] == first[0]


def stepped(config: Config, prepared: Prepared, steps: int, *, still: bool = False, **values: Any) -> State:
    """After some steps at a constant learning rate. still: the generator learns nothing."""
    changed = config.override({"gan.decay_from": 1, **{f"gan.{key}": value for key, value in values.items()}})
    current = State(changed.gan, changed.train.model_copy(update={"steps": 100}), prepared.spec, seed=0)
    if still:
        current.base_lr["generator"] = 0.0
    ahead = Steps(current, prepared)
    for _ in range(steps):
        ahead.take()
    return current


def updates(current: State, name: str) -> set[float]:
    optimizer = current.optimizers[name]
    return {float(optimizer.state[weight]["step"]) for weight in optimizer.param_groups[0]["params"]}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_discriminator_is_updated_k_times_a_step(config: Config, prepared: Prepared, count: int) -> None:
    current = stepped(config, prepared, 4, discriminator_steps=count)
    assert updates(current, "generator") == {4} and updates(current, "discriminator") == {4 * count}


def test_k_updates_in_a_step_are_those_of_k_steps_of_one(config: Config, prepared: Prepared) -> None:
    """Each on a batch, a z and changes of its own; the generator stands still, so that nothing else differs."""

    def parameters(steps: int, count: int) -> dict[str, torch.Tensor]:
        values = {"discriminator_steps": count, "augment": ["translation"]}
        return dict(stepped(config, prepared, steps, still=True, **values).gan.discriminators.named_parameters())

    one, together, fewer = parameters(6, 1), parameters(2, 3), parameters(2, 1)
    assert all(torch.equal(tensor, together[name]) for name, tensor in one.items())
    assert not any(torch.equal(tensor, fewer[name]) for name, tensor in one.items())


def test_instance_noise_ends_at_its_share_of_the_budget(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    """Networks that learn next to nothing give the same figures but for the noise."""
    values: dict[str, Any] = {"train__steps": 8, "gan__lr": 1e-30, "gan__instance_noise_until": 0.5}
    noisy, quiet = (
        timeless(train(config, prepared, tmp_path / str(noise), gan__instance_noise=noise, **values))
        for noise in (0.5, 0.0)
    )
    logged = [(row["step"], row != other) for row, other in zip(noisy, quiet, strict=True) if "loss/generator" in row]
    assert logged == [(step, step <= 4) for step in range(1, 9)]


def test_held_out_figures_stand_in_the_evaluation_rows(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    """Of the raw weights of that step, which play against the discriminator; fewer images than the score has."""
    scores, held_out = [4.0, 4.0, 3.0, 5.0], gather(prepared, np.arange(10))
    given = judge(prepared, lambda images: scores.pop(0), held_out)
    trained = fit(config.gan, config.train, prepared, seed=1, judge=given, directory=tmp_path)
    names = {"held_out/logits_real", "held_out/logits_fake", "held_out/accuracy"}
    for row in trained.rows:
        assert names & row.keys() == (names if "validation/best" in row else set())
    assert (trained.best.step, trained.best.weights) == (6, "raw")
    drawn = torch.from_numpy(generate(trained.gan, trained.generators, 16, given.conditions, seed=1)[:10])
    figures = trained.gan.held_out_figures(held_out, drawn)
    assert figures == {name: trained.rows[-1][name] for name in names}


@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
def test_held_out_figures_leave_the_training_alone(
    config: Config, prepared: Prepared, tmp_path: Path, norm: str
) -> None:
    changed = config.override({"gan.model.discriminator_norm": norm})
    without = judge(prepared)
    with_figures = replace(without, held_out=gather(prepared, np.arange(16)))
    one, other = (
        fit(changed.gan, changed.train, prepared, seed=1, judge=given, directory=tmp_path / name)
        for name, given in (("without", without), ("with", with_figures))
    )
    assert weights(one) == weights(other)
    trimmed = [{k: v for k, v in row.items() if not k.startswith("held_out/")} for row in timeless(other)]
    assert trimmed == timeless(one) != timeless(other)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_held_out_figures_are_what_training_would_log(
    config: Config, prepared: Prepared, tmp_path: Path, norm: str
) -> None:
    """With batch norm too, whose running statistics mix real images and drawn ones."""
    gan = train(config, prepared, tmp_path, gan__model__discriminator_norm=norm).gan
    batch, randomness = gather(prepared, np.arange(16)), StepRandomness(0, 0)
    fakes = gan.fakes(batch, randomness)
    _, logged = gan.discriminator_losses(batch, fakes, randomness)
    figures = gan.held_out_figures(batch, fakes["image"].detach())
    for name in ("logits_real", "logits_fake"):
        assert figures[f"held_out/{name}"] == pytest.approx(float(logged[name]), rel=1e-5)


def test_learning_rates_are_constant_then_half_a_cosine(config: Config, prepared: Prepared) -> None:
    changed = config.override({"gan.lr": 0.01, "gan.discriminator_lr_ratio": 2, "gan.decay_from": 0.5})
    current = State(changed.gan, changed.train.model_copy(update={"steps": 100}), prepared.spec, seed=0)

    def rates(step: int) -> tuple[float, float]:
        current.step = step
        current.set_levels()
        return current.rates["generator"].now, current.rates["discriminator"].now

    for step, expected in ((0, 0.01), (50, 0.01), (75, 0.005), (100, 0.0)):
        assert rates(step) == pytest.approx((expected, 2 * expected))
    assert rates(60)[0] == pytest.approx(0.005 * (1 + math.cos(math.pi / 5)))


def test_labelled_data_train_an_unconditional_generator(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    """The judge brings the labels of its real images all the same."""
    trained = train(config, prepared, tmp_path, gan__conditional=False)
    assert trained.gan.spec.classes == 0
    assert generate(trained.gan, trained.generators, 3, {}, seed=0).shape == (3, 1, 16, 16)


def test_balance_shows_the_networks_other_images_and_resumes(
    config: Config, prepared: Prepared, tmp_path: Path
) -> None:
    """With labels that the networks are not told, too."""
    whole = weights(train(config, prepared, tmp_path / "as they are"))
    assert weights(train(config, prepared.balanced(False), tmp_path / "not wanted")) == whole
    for name, told in (("told", True), ("untold", False)):
        values = {"gan__conditional": told}
        resumes_bit_identically(config, prepared.balanced(True), tmp_path / name, 4, **values)
        balanced = weights(train(config, prepared.balanced(True), tmp_path / name / "balanced", **values))
        assert balanced != weights(train(config, prepared, tmp_path / name / "as they are", **values))


def test_balance_is_another_training_only_where_it_is_wanted(
    config: Config, prepared: Prepared, tmp_path: Path
) -> None:
    asked = task(config, prepared, tmp_path)
    assert asked.folder == task(config, prepared.balanced(False), tmp_path).folder
    assert "balance" not in asked.sections
    balanced = task(config, prepared.balanced(True), tmp_path)
    assert balanced.folder != asked.folder and balanced.sections["balance"] is True
    trained = train(config, prepared, tmp_path / "checkpoints")
    assert [describe(one, trained, Origin("", "")).balance for one in (asked, balanced)] == [False, True]


def test_bf16_trains_and_draws_float32(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    trained = train(config, prepared, tmp_path, train__precision="bf16")
    assert {p.dtype for p in trained.generators.parameters()} == {torch.float32}
    plain = train(config, prepared, tmp_path / "plain")
    assert weights(trained) != weights(plain)


@pytest.mark.parametrize("loss", ["bce", "hinge", "relativistic"])
def test_the_discriminator_learns_under_any_loss(config: Config, prepared: Prepared, tmp_path: Path, loss: str) -> None:
    """Against a generator that stands still."""
    changed = config.override({"gan.loss": loss, "gan.r1": 0, "gan.r2": 0, "gan.lr": 0.003, "gan.batch": 16})
    current = State(changed.gan, changed.train.model_copy(update={"steps": 1000}), prepared.spec, seed=0)
    current.base_lr["generator"] = 0.0
    ahead = Steps(current, prepared)
    losses = []
    for _ in range(40):
        losses.append(float(ahead.take()["loss/discriminator"]))
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_a_damaged_checkpoint_costs_a_few_steps_and_no_bits(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    whole = train(config, prepared, tmp_path / "whole", train__steps=8)
    with pytest.raises(StoppedError):
        train(config, prepared, tmp_path / "cut", train__steps=8, listener=stop_at(7))
    newest = sorted((tmp_path / "cut").glob("step-*"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    resumed = train(config, prepared, tmp_path / "cut", train__steps=8)
    assert resumed.resumed_from == 4
    assert weights(resumed) == weights(whole) and timeless(resumed) == timeless(whole)


def test_what_is_written_can_be_read(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    from medgan.training.result import load_generators, read_rows

    trained = train(config, prepared, tmp_path / "run")
    asked = task(config, prepared, tmp_path)
    description = describe(asked, trained, Origin("c0", "mine"))
    write_trained(tmp_path / "out", trained, description, tmp_path / "run" / "samples")
    gan, generators, description = load_generators(tmp_path / "out")
    assert (description.fingerprint, description.data_md5) == (asked.fingerprint, prepared.md5)
    assert description.label_names == prepared.label_names
    assert description.score == trained.best.score
    labels = {"label": torch.arange(6) % 3}
    drawn = generate(gan, generators, 6, labels, seed=4)
    assert (drawn == generate(trained.gan, trained.generators, 6, labels, seed=4)).all()
    assert read_rows(tmp_path / "out") == trained.rows == json.loads(json.dumps(trained.rows))
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(MedganError, match="does not exist"):
        load_generators(tmp_path / "out")


@pytest.mark.parametrize("turns", [1, 2])
def test_penalties_are_seen_however_seldom_rows_are_logged(
    config: Config, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    monkeypatch.setattr("medgan.training.loop.LOG_POINTS", 2)
    trained = train(config, prepared, tmp_path, train__steps=12, gan__penalty_every=4, gan__discriminator_steps=turns)
    logged = [row for row in trained.rows if "loss/generator" in row]
    assert [row["step"] for row in logged] == [1, 9]
    assert all("loss/r1" in row and "loss/r2" in row for row in logged)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_step_does_not_ask_the_kernel_anew_for_the_memory_of_the_last_one() -> None:
    code = """
import resource, torch
from medgan.device import use_cpu

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

use_cpu(1)
for _ in range(30):
    faults()  # until small things have filled the edges of what was freed
print(faults())
"""
    # In a process of its own, without what other tests left: threads that fault too, and holes to fill.
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(found) < 10  # 64 MB are 32 huge pages or 16,384 of the others
