"""Images a second of one 64x64 DCGAN: the textbook loop, ours in fp32, ours in auto -> results/throughput.*.

    python -m benchmarks.throughput [ROUNDS]         # some 5 minutes

nz 100, ngf = ndf = 64, batch 128, phantoms. The three take turns in one process, a few steps each a round, so that
whatever else the machine does hits all alike; ratios are medians over rounds of the ratio within a round.
"""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.judging import WORK, configuration
from benchmarks.tables import rounds, save
from benchmarks.textbook import BATCH, RECIPE, Textbook, endless, image_folder
from benchmarks.turns import in_turns, seconds, training_step
from medgan.config.schema import Config
from medgan.data.loader import Batches
from medgan.data.spec import ImageSpec
from medgan.data.store import Prepared, open_prepared
from medgan.device import resolve_device, resolve_precision, use_cpu
from medgan.fingerprint import code_digest
from medgan.sources.prepare import prepare
from medgan.workspace.costs import costs

STEPS = 3
WAYS = ("textbook", "ours, fp32", "ours, auto")


def main() -> None:
    turns = rounds(__doc__, default=9)
    use_cpu(1)
    config = configuration(RECIPE, changes={"data.options.count": 4000})
    prepared = _prepared(config)
    ways: dict[str, Callable[[], Any]] = {
        "textbook": Textbook(image_folder(prepared), prepared.spec, seed=0).step,
        "ours, fp32": training_step(config.override({"train.precision": "fp32"}), prepared),
        "ours, auto": training_step(config, prepared),
    }
    found = in_turns(ways, turns, times=STEPS, clock=time.perf_counter)
    speeds = {name: [BATCH / taken for taken in found[name]] for name in ways}
    _write(config, prepared, speeds, _loading(prepared))


def _prepared(config: Config) -> Prepared:
    folder = WORK / f"throughput-{code_digest(['medgan.sources.prepare'])}"
    return open_prepared(folder) if (folder / "spec.json").exists() else prepare(config.data, folder, seed=0)


def _loading(prepared: Prepared) -> dict[str, float]:
    """Images a second of the batches alone."""
    images = prepared.only(ImageSpec(prepared.spec.size, prepared.spec.channels))
    theirs, ours = endless(image_folder(prepared)), Batches(images, "train", batch=BATCH, seed=0)
    numbers: Iterator[int] = iter(range(10**9))
    loads: dict[str, Callable[[], Any]] = {"ImageFolder": lambda: next(theirs), "store": lambda: ours.at(next(numbers))}
    found = {}
    for name, load in loads.items():
        seconds(load, 10, time.perf_counter)
        found[name] = median(BATCH / seconds(load, 10, time.perf_counter) for _ in range(5))
    return found


def _peak(dtype: torch.dtype) -> float:
    """Multiply-adds a second at best: square matrices or a wide convolution, whose library may be the faster one."""
    device = resolve_device()
    a, b = torch.randn(2, 2048, 2048, device=device).to(dtype).unbind(0)
    image = torch.randn(16, 256, 32, 32, device=device).to(dtype, memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3, device=device).to(dtype, memory_format=torch.channels_last)
    ways: tuple[tuple[int, Callable[[], Tensor]], ...] = (
        (2048**3, lambda: torch.mm(a, b)),
        (16 * 32 * 32 * 256 * 256 * 9, lambda: F.conv2d(image, weight, padding=1)),
    )
    return max(work / min(seconds(way, 1, time.perf_counter) for _ in range(7)) for work, way in ways)


def _write(config: Config, prepared: Prepared, speeds: dict[str, list[float]], loading: dict[str, float]) -> None:
    ratios = {name: median(a / b for a, b in zip(speeds[name], speeds["textbook"], strict=True)) for name in WAYS}
    middle = {name: median(speeds[name]) for name in WAYS}
    spec = ImageSpec(prepared.spec.size, prepared.spec.channels)
    work = costs(config.gan, spec).step
    precision, amx = resolve_precision("auto"), "with" if torch.cpu._is_amx_tile_supported() else "without"
    peaks = {"fp32": _peak(torch.float32), "bf16": _peak(torch.bfloat16)}
    used = {"ours, fp32": "fp32", "ours, auto": precision}
    shares = {name: middle[name] * work / peaks[kind] for name, kind in used.items()}
    whole = {
        "images_per_second": speeds,
        "ratios": ratios,
        "loading": loading,
        "precision": precision,
        "multiply_adds_per_image": work,
        "peak_multiply_adds_per_second": peaks,
        "share_of_peak": shares,
    }
    lines = [
        "# Throughput of one 64x64 DCGAN (nz 100, ngf = ndf = 64, batch 128)",
        "",
        f"`python -m benchmarks.throughput`: one thread of a CPU, medians of {len(speeds['textbook'])} rounds in one "
        f"process; auto is {precision} here, {amx} AMX. A step of ours costs {work / 1e6:,.0f} M multiply-adds an "
        f"image; square matrices or wide convolutions, whichever is faster, reach {peaks['fp32'] / 1e9:.0f} G a second "
        f"in fp32 and {peaks['bf16'] / 1e9:.0f} G in bf16.",
        "",
        "| loop | images/s | against the textbook | share of the peak |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {middle[name]:.0f} | {ratios[name]:.2f} | {f'{shares[name]:.0%}' if name in shares else ''} |"
            for name in WAYS
        ),
        "",
        f"Batches alone: {loading['store']:,.0f} images/s from the store, {loading['ImageFolder']:,.0f} from "
        f"ImageFolder ({loading['store'] / loading['ImageFolder']:.0f} times).",
    ]
    save("throughput", whole, lines)


if __name__ == "__main__":
    main()
