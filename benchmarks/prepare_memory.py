"""How much private memory `prepare` takes at its peak, of which the pages of the files that it writes are no part.

    python -m benchmarks.prepare_memory          # 20,000 made images of 256x256, 1.3 GB

Linux alone: RssAnon of /proc/self/status, looked at every 10 ms.
"""

import argparse
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from benchmarks.judging import ROOT, WORK
from medgan.config.schema import load_config
from medgan.data.spec import ImageSpec, Rejected, Sample
from medgan.imaging.intensity import EIGHT_BITS, Intensity
from medgan.sources import SOURCES
from medgan.sources.prepare import prepare


@dataclass(frozen=True)
class Made:
    """Random pixels in two classes, four images a patient."""

    count: int
    intensity: ClassVar[Intensity] = EIGHT_BITS

    def samples(self, _raw: Path, spec: ImageSpec) -> Iterator[Sample | Rejected]:
        for index in range(self.count):
            image = np.random.default_rng(index).integers(0, 256, (spec.size, spec.size, 1), np.uint8)
            digest = hashlib.sha256(image.tobytes()).hexdigest()
            yield Sample(
                image=image, patient=f"p{index // 4}", origin=f"{index}", digest=digest, label="ab"[index // 4 % 2]
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=20_000, help="20000 unless told")
    count = parser.parse_args().count
    SOURCES["made"] = Made
    values = {"data.source": "made", "data.options": {"count": count}, "data.size": 256, "data.channels": 1}
    config = load_config(ROOT / "recipes" / "default.yaml").override(values)
    before, peaks, ended = _private_megabytes(), [0.0], Event()

    def watch() -> None:
        while not ended.wait(0.01):
            peaks[0] = max(peaks[0], _private_megabytes())

    watcher = Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    WORK.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=WORK) as folder:
        prepared = prepare(config.data, Path(folder) / "prepared", seed=0)
        seconds, written = time.monotonic() - began, prepared.images.nbytes / 1e6
    ended.set()
    watcher.join()
    print(
        f"{count:,} images, {written:,.0f} MB: peak {peaks[0]:.0f} MB of private memory, {before:.0f} MB before,",
        end="",
    )
    print(f" {seconds:.0f} s")


def _private_megabytes() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


if __name__ == "__main__":
    main()
