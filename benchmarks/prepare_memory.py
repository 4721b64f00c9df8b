"""How much memory `prepare` takes at its peak, with all processes that read for it.

python -m benchmarks.prepare_memory          # 46,000 made images of 256x256, 3.0 GB
"""

import argparse
import hashlib
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from benchmarks.family import Watch, memory
from medgan.config.schema import load_config
from medgan.data.spec import ImageSpec, Item, Rejected, Sample
from medgan.imaging.intensity import EIGHT_BITS, Intensity
from medgan.sources import SOURCES
from medgan.sources.prepare import prepare

ROOT = Path(__file__).parents[1]  # benchmarks.judging has it too, and torch, which prepare does without


@dataclass(frozen=True)
class Made:
    """Random pixels in two classes, four images a patient."""

    count: int
    intensity: ClassVar[Intensity] = EIGHT_BITS

    def samples(self, _raw: Path, spec: ImageSpec) -> Iterator[Item]:
        return (partial(_read, index, spec.size) for index in range(self.count))


def _read(index: int, size: int) -> Iterator[Sample | Rejected]:
    image = np.random.default_rng(index).integers(0, 256, (size, size, 1), np.uint8)
    digest, patient = hashlib.sha256(image.tobytes()).hexdigest(), index // 4
    yield Sample(image, patient=f"p{patient}", origin=f"{index}", digest=digest, label="ab"[patient % 2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=46_000, help="46000 unless told")
    count = parser.parse_args().count
    SOURCES["made"] = Made
    values = {"data.source": "made", "data.options": {"count": count}, "data.size": 256, "data.channels": 1}
    config = load_config(ROOT / "recipes" / "default.yaml").override(values)
    (ROOT / ".benchmarks").mkdir(exist_ok=True)
    before = memory(os.getpid())
    with TemporaryDirectory(dir=ROOT / ".benchmarks") as folder, Watch() as watch:
        began = time.monotonic()
        written = prepare(config.data, Path(folder) / "prepared", seed=0).images.nbytes / 1e6
        seconds = time.monotonic() - began
    print(f"{count:,} images, {written:,.0f} MB, {seconds:.0f} s, {watch.processes} processes")
    print(f"peak: {watch.private:,.0f} MB of private and {watch.resident:,.0f} MB of resident memory, all together")
    print(f"before: {before[0]:.0f} and {before[1]:.0f} MB")


if __name__ == "__main__":
    main()
