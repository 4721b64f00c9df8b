"""On a GPU: captured steps against eager ones and the textbook loop, equal and profiled -> results/gpu-speed.*.

    python -m benchmarks.gpu_speed [ROUNDS]          # at most 6 minutes; without a GPU it rehearses, and writes nothing

Needs of packages: torch, torchvision, numpy, scipy, pydantic, pyyaml, safetensors, pillow, imagehash, torch-fidelity.
Loops take turns in one process, so that whatever else the machine does hits all alike; ratios are medians over rounds.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

from benchmarks.judging import configuration, prepared
from benchmarks.tables import rounds, save
from benchmarks.textbook import BATCH, RECIPE, Textbook, image_folder
from benchmarks.turns import in_turns
from medgan.config.schema import Config
from medgan.data.store import Prepared
from medgan.device import failure_as_error, resolve_device, use_cpu
from medgan.errors import MedganError
from medgan.training.state import State
from medgan.training.steps import Steps

GPU = torch.cuda.is_available()
STEPS = 40 if GPU else 1  # of a way in a round
WARM = 240 if GPU else 1  # until every shape of a step is recorded
COMPARED = 60 if GPU else 2
DATA = {"data.options.count": 4000 if GPU else 400}
SHARE = 1 if GPU else 16  # of a batch: the rehearsal takes one of so many images
FAMILIES = (
    "default", "residual", "dcgan-published", "sngan-published", "cgan-published", "transformer", "mscgan", "unet",
    "pix2pix", "cyclegan",
)  # fmt: skip
Take = Callable[[], Any]


def main() -> None:
    turns = rounds(__doc__, default=5)
    use_cpu("auto" if GPU else 1)
    began = time.perf_counter()
    equal = {name: _differences(name) for name in (FAMILIES if GPU else FAMILIES[:1])}
    print(f"equality: {time.perf_counter() - began:.0f} s", flush=True)
    speeds: dict[str, dict[str, list[float]]] = {}
    profiles: dict[str, dict[str, float]] = {}
    for title, batch, recipe in (("DCGAN", BATCH, RECIPE), ("residual", 32, "residual"), ("residual", 256, "residual")):
        ways = _ways(recipe, batch // SHARE)
        found = in_turns(ways, turns, times=STEPS, clock=time.perf_counter)
        speeds[f"{title}, batch {batch}"] = {name: [batch / taken for taken in found[name]] for name in ways}
        profiles |= {f"{title}, batch {batch}: {name}": _profile(take) for name, take in ways.items() if "ours" in name}
        print(f"{title} {batch}: {time.perf_counter() - began:.0f} s", flush=True)
    failure = _no_room()
    lines = _lines(equal, speeds, profiles, failure)
    if GPU:
        save("gpu-speed", {"equal": equal, "images_per_second": speeds, "profiles": profiles}, lines)
    else:
        print("\n".join(lines))


def _configuration(recipe: str, **changes: Any) -> Config:
    """On phantoms: pairs where it translates."""
    size = {"data.size": 32} if recipe == "cgan-published" else {}
    whole = configuration(recipe, changes=changes)
    if whole.data.source != "phantom":
        source = "unet-phantom" if whole.gan.name in ("translation", "cyclegan") else "residual"
        whole = configuration(recipe, data=source, changes=changes)
    return whole.override({**DATA, **size})


def _state(config: Config, data: Prepared, *, captured: bool, steps: int = 100_000) -> State:
    train = config.train.model_copy(update={"steps": steps, "capture": captured, "restart": False})
    return State(config.gan, train, data.spec, seed=0)


def _differences(recipe: str) -> dict[str, float]:
    """Largest differences from an eager run after some steps, of losses, and of weights relative to the largest one.

    eager: of another one, since kernels may add in any order; captured; resumed: captured, and broken off on the way.
    """
    config = _configuration(recipe, **{"train.precision": "fp32"})
    data = prepared(config)
    losses, weights = _run(config, data, captured=False)
    found = {}
    for name, captured, broken in (("eager", False, False), ("captured", True, False), ("resumed", True, True)):
        other_losses, other_weights = _run(config, data, captured=captured, broken=broken)
        found[f"{name}: losses"] = max(abs(a - b) for a, b in zip(losses, other_losses, strict=True))
        found[f"{name}: weights"] = max(
            float((a - b).abs().max() / a.abs().max().clamp_min(1e-6))
            for a, b in zip(weights, other_weights, strict=True)
        )
    print(recipe, found, flush=True)
    return found


def _run(config: Config, data: Prepared, *, captured: bool, broken: bool = False) -> tuple[list[float], list[Tensor]]:
    """All losses of a training whose schedules move, and the weights at its end. broken: go on from a checkpoint."""
    figures: list[dict[str, Tensor]] = []
    with TemporaryDirectory() as folder:
        for steps in (COMPARED // 2, COMPARED) if broken else (COMPARED,):
            state = _state(config, data, captured=captured, steps=2 * COMPARED)
            state.restore(Path(folder))
            ahead = Steps(state, data)
            while state.step < steps:
                figures.append({name: value.clone() for name, value in ahead.take().items()})
            if steps < COMPARED:
                state.save(Path(folder))
    weights = [weight.detach().clone() for weight in state.gan.parameters()]
    return [float(value) for row in figures for value in row.values()], weights


def _ways(recipe: str, batch: int) -> dict[str, Take]:
    config = _configuration(recipe, **{"gan.batch": batch})
    data = prepared(config)
    ways: dict[str, Take] = {}
    if recipe == RECIPE:
        for name, workers in (("textbook", 0), ("textbook, 12 workers", 12 if GPU else 1)):
            ways[name] = Textbook(image_folder(data), data.spec, seed=0, workers=workers).step
    for name, precision, captured in (
        ("ours, eager fp32", "fp32", False),
        ("ours, eager bf16", "bf16", False),
        ("ours, captured fp32", "fp32", True),
        ("ours, captured bf16", "bf16", True),
    ):
        state = _state(config.override({"train.precision": precision}), data, captured=captured)
        take = Steps(state, data).take
        for _ in range(WARM if captured else 12):
            take()
        ways[name] = take
    return ways


def _profile(take: Take) -> dict[str, float]:
    """Of a step: milliseconds, kernels, copies from the host, and the share of the time in which the GPU works."""
    if not GPU:
        return {}
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        for _ in range(STEPS):
            take()
        torch.cuda.synchronize()
    events = [event for event in seen.events() or [] if event.device_type == DeviceType.CUDA]
    spans = sorted((event.time_range.start, event.time_range.end) for event in events)
    whole = spans[-1][1] - spans[0][0]
    return {
        "milliseconds": whole / STEPS / 1000,
        "kernels": sum("Memcpy" not in event.name and "Memset" not in event.name for event in events) / STEPS,
        "copies from the host": sum("Memcpy HtoD" in event.name for event in events) / STEPS,
        "busy": _union(spans) / whole,
    }


def _union(spans: Iterable[tuple[float, float]]) -> float:
    """The length of what sorted spans cover together."""
    covered, reached = 0.0, float("-inf")
    for start, end in spans:
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def _no_room() -> str:
    """What is said where there is no room for the networks."""
    try:
        with failure_as_error():
            torch.empty(2**50, dtype=torch.uint8, device=resolve_device())
    except MedganError as error:
        return str(error)
    raise AssertionError("a petabyte was given")


def _lines(
    equal: dict[str, dict[str, float]],
    speeds: dict[str, dict[str, list[float]]],
    profiles: dict[str, dict[str, float]],
    failure: str,
) -> list[str]:
    device = torch.cuda.get_device_name() if GPU else "no GPU: a rehearsal"
    lines = [
        f"# Steps on a GPU ({device}, torch {torch.__version__})",
        "",
        "`python -m benchmarks.gpu_speed`: medians over rounds in one process; phantoms at 64x64.",
        "",
    ]
    for title, ways in speeds.items():
        lines += [
            f"## {title}",
            "",
            "| loop | images/s | against the first | GPU busy | kernels a step | copies from the host a step |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        first = next(iter(ways))
        for name, figures in ways.items():
            ratio = median(a / b for a, b in zip(figures, ways[first], strict=True))
            seen = profiles.get(f"{title}: {name}") or {}
            parts = (
                [f"{seen['busy']:.0%}", f"{seen['kernels']:.0f}", f"{seen['copies from the host']:.1f}"]
                if seen
                else [""] * 3
            )
            lines.append(f"| {name} | {median(figures):,.0f} | {ratio:.2f} | {' | '.join(parts)} |")
        lines.append("")
    lines += [
        f"## Captured and eager steps, {COMPARED} of them, fp32",
        "",
        "Largest difference of a loss, and of a weight relative to the largest one of its tensor.",
        "",
        "| recipe | losses: eager again | captured | and resumed | weights: eager again | captured | and resumed |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    kinds = [f"{name}: {of}" for of in ("losses", "weights") for name in ("eager", "captured", "resumed")]
    lines += [f"| {name} | {' | '.join(f'{found[kind]:.1e}' for kind in kinds)} |" for name, found in equal.items()]
    return [*lines, "", f"No room: “{failure}”"]


if __name__ == "__main__":
    main()
