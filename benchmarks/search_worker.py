"""One process of a search whose trials wait, or train; benchmarks and tests start and kill many of them.

    python -m benchmarks.search_worker make|join FOLDER

FOLDER/config.json is the configuration, FOLDER/place.json where the study is; `make` mirrors trials to MLflow.
"""

import json
import math
import sys
import time
from pathlib import Path

from benchmarks.judging import judges
from medgan.config.schema import Config, parse_config
from medgan.console import progress, run
from medgan.data.spec import ImageSpec
from medgan.device import use_cpu
from medgan.scores.validation import validation_judge
from medgan.search.objective import Attempt, Objective, TrialTraining, trial_training
from medgan.search.session import Search, join_search, run_search
from medgan.search.study import NAME
from medgan.tracking.trials import Searched, SearchMirror

SPACE = {
    "gan.lr": {"low": 0.0001, "high": 0.01, "log": True},
    "gan.batch": {"low": 4, "high": 64},
    "gan.loss": {"choices": ["bce", "relativistic"]},
}
ABOUT = {NAME: "phantom", "data": "0" * 32}
STUDY = "shared"


def tell(folder: Path, config: Config, url: str, *, seconds: float | None) -> None:
    """Write what processes read. seconds: for how long a trial waits; None where it trains."""
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
    checkpoints = folder / "checkpoints"
    objective = _waits(place["seconds"]) if place["seconds"] is not None else _trains(config, checkpoints)
    search = Search(objective, config, ImageSpec(16, 1, classes=3), STUDY, checkpoints, ABOUT)
    if role == "make":
        mirror = SearchMirror(folder, Searched(STUDY, "fid", ABOUT[NAME], ABOUT["data"]), {"trials": "some"})
        outcome = run_search(search, place["url"], mirror)
        (folder / "outcome.json").write_text(json.dumps({"best": outcome.best, "trials": len(outcome.trials)}))
    else:
        print(join_search(search, place["url"], patience=120), "trials ended here")


def _waits(seconds: float) -> Objective:
    def objective(candidate: Config, seed: int, attempt: Attempt) -> float:
        for step in (1, 2, 3):
            time.sleep(seconds / 3)
            attempt(step, quality(candidate) + 3 - step)
        return quality(candidate)

    return objective


def _trains(config: Config, checkpoints: Path) -> Objective:
    """On one thread, on data and with an extractor that benchmarks keep."""
    use_cpu(1)
    data, extractor = judges(config)
    judge = validation_judge(config.gan, trial_training(config), data, extractor, seed=config.seed)
    return TrialTraining(config, data, extractor.digest, judge, checkpoints, {}, progress)


if __name__ == "__main__":
    run(main)
