"""One process of a search whose trials wait instead of training; benchmarks and tests start and kill many of them.

    python -m benchmarks.search_worker make|join FOLDER

FOLDER/config.json is the configuration, FOLDER/place.json where the study is; `make` mirrors trials to MLflow.
"""

import json
import math
import sys
import time
from pathlib import Path

from medgan.config.schema import Config, parse_config
from medgan.console import run
from medgan.data.spec import ImageSpec
from medgan.search.objective import Attempt
from medgan.search.session import Search, join_search, run_search
from medgan.search.study import NAME
from medgan.tracking.trials import Searched, SearchMirror

SPACE = {
    "gan.lr": {"low": 0.0001, "high": 0.01, "log": True},
    "gan.batch": {"low": 4, "high": 64},
    "gan.loss": {"choices": ["bce", "relativistic"]},
}
ABOUT = {NAME: "phantom", "data": "0" * 32}
STUDY = "waiting"


def tell(folder: Path, config: Config, url: str, *, seconds: float) -> None:
    """Write what processes read. seconds: how long a trial takes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config.model_dump(mode="json", by_alias=True)))
    (folder / "place.json").write_text(json.dumps({"url": url, "seconds": seconds}))


def command(role: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.search_worker", role, str(folder)]


def quality(candidate: Config) -> float:
    """Best near a batch of 20 and a rate of 0.001."""
    return abs(math.log(candidate.gan.batch / 20)) + abs(math.log10(candidate.gan.lr / 0.001))


def main() -> None:
    role, folder = sys.argv[1], Path(sys.argv[2])
    config = parse_config(json.loads((folder / "config.json").read_text()))
    place = json.loads((folder / "place.json").read_text())

    def waits(candidate: Config, seed: int, attempt: Attempt) -> float:
        for step in (1, 2, 3):
            time.sleep(place["seconds"] / 3)
            attempt(step, quality(candidate) + 3 - step)
        return quality(candidate)

    search = Search(waits, config, ImageSpec(16, 1, classes=3), STUDY, folder / "checkpoints", ABOUT)
    if role == "make":
        mirror = SearchMirror(folder, Searched(STUDY, "fid", ABOUT[NAME], ABOUT["data"]), {"trials": "some"})
        outcome = run_search(search, place["url"], mirror)
        (folder / "outcome.json").write_text(json.dumps({"best": outcome.best, "trials": len(outcome.trials)}))
    else:
        print(join_search(search, place["url"], patience=120), "trials ended here")


if __name__ == "__main__":
    run(main)
