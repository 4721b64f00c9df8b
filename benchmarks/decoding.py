"""How much faster `prepare` is on two cores than on one, of images that must be decoded.

    python -m benchmarks.decoding                # 3,000 made JPEG of 1024x1024
    python -m benchmarks.decoding data/raw/NAME  # a folder of one's own

Linux alone. Rounds take turns, each in a process of its own, and the fastest of each counts. `busy` is the share of the
cores that it had: where it is far below 100 % on one core, other work was there, and the ratio says nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.family import Watch
from medgan.config.schema import load_config
from medgan.sources.prepare import prepare

ROOT = Path(__file__).parents[1]  # benchmarks.judging has it too, and torch, which prepare does without
_COUNT, _SIDE, _ROUNDS = 3000, 1024, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="of pictures; made ones unless told")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="1 2 unless told")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)  # a round, in its process
    arguments = parser.parse_args()
    if arguments.once:
        _measure(arguments.folder, arguments.cores[0])
        return
    (ROOT / ".benchmarks").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=ROOT / ".benchmarks") as made:
        folder = arguments.folder or _made(Path(made))
        rounds = [_round(folder, cores) for _ in range(_ROUNDS) for cores in arguments.cores]
    fastest = {
        cores: min((found for found in rounds if found["cores"] == cores), key=lambda found: found["seconds"])
        for cores in arguments.cores
    }
    slowest = max(found["seconds"] for found in fastest.values())
    print(f"| cores | images | seconds | images a second | ratio | busy | peak MB |\n|{' --- |' * 7}")
    for cores, found in fastest.items():
        seconds, count = found["seconds"], found["images"]
        busy = 100 * found["cpu_seconds"] / seconds / cores
        speed = f"{seconds:.1f} | {count / seconds:,.0f} | {slowest / seconds:.2f}"
        print(f"| {cores} | {count:,.0f} | {speed} | {busy:.0f} % | {found['private']:,.0f} |")


def _round(folder: Path, cores: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.decoding", str(folder), "--once", "--cores", str(cores)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout)
    return found


def _measure(folder: Path, cores: int) -> None:
    """Print what one round took: `prepare` starts as many processes as it may use cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    values = {"source": "folder", "raw": str(folder), "size": 64, "labels": False, "max_rejected": 1.0, "options": {}}
    config = load_config(ROOT / "recipes" / "default.yaml").override({f"data.{key}": v for key, v in values.items()})
    with TemporaryDirectory(dir=ROOT / ".benchmarks") as place, Watch() as watch:
        began = time.monotonic()
        count = len(prepare(config.data, Path(place) / "prepared", seed=0).images)
        seconds = time.monotonic() - began
    found = {"cores": cores, "images": count, "seconds": seconds}
    print(json.dumps({**found, "cpu_seconds": watch.cpu_seconds, "private": watch.private}))


def _made(folder: Path) -> Path:
    """Clouds with grain, as scans have it."""
    grain = np.random.default_rng(0).normal(0, 6, (_SIDE, _SIDE))
    for index in range(_COUNT):
        rng = np.random.default_rng(index)
        blots = Image.fromarray(rng.normal(128, 40, (12, 12)).astype(np.float32))
        clouds = np.asarray(blots.resize((_SIDE, _SIDE))) + np.roll(grain, int(rng.integers(_SIDE)), axis=0)
        Image.fromarray(clouds.clip(0, 255).astype(np.uint8)).save(folder / f"{index:05d}.jpg", quality=90)
    return folder


if __name__ == "__main__":
    main()
