"""Does a search pay, and is its choice still the best on test images? -> results/search_gain-DATA.*

    python -m benchmarks.search_gain phantom [REPETITIONS]    # three of them; a repetition can be stopped and goes on

A repetition is three searches with as many trials: TPE pruned by the median, TPE that prunes nothing, and random draws.
What each chooses on fresh seeds is trained on another seed and judged on test images, beside params.yaml as it is: for
as many steps, and for as long as search and training together took. Each row is kept: a stopped benchmark goes on.
"""

import argparse
import json
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

from benchmarks.judging import WORK, Subject, configuration, open_subject, train
from benchmarks.tables import save
from medgan.config.schema import Config
from medgan.console import progress
from medgan.evaluation.evaluate import evaluate
from medgan.evaluation.generators import TorchGenerator
from medgan.evaluation.report import SynthesisReport
from medgan.files import write_atomically
from medgan.fingerprint import fingerprint
from medgan.scores.validation import validation_judge
from medgan.search.confirmation import winner
from medgan.search.objective import Attempt, TrialTraining, trial_training
from medgan.search.session import Search, run_search

KINDS: dict[str, dict[str, Any]] = {
    "TPE, pruned": {"sampler": "tpe", "pruner": "median"},
    "TPE": {"sampler": "tpe", "pruner": "none"},
    "random": {"sampler": "random", "pruner": "none"},
}
SPACE = {
    "gan.lr": {"low": 0.0001, "high": 0.006, "log": True},
    "gan.r1": {"low": 0.1, "high": 30.0, "log": True},
    "gan.discriminator_lr_ratio": {"low": 0.3, "high": 3.0, "log": True},
    "gan.ema": {"choices": [0.99, 0.995, 0.998]},
}
# By recipe: the budget of a trial and of the final training.
BUDGETS: dict[str, dict[str, Any]] = {
    "phantom": {"search.steps": 120, "search.evaluations": 4, "search.n": 500, "train.steps": 480, "train.n": 1000},
    "chest-xray": {"search.steps": 240, "search.evaluations": 6, "search.n": 400, "train.steps": 1000},
}
RECIPES = {"phantom": "default", "chest-xray": "chest-xray"}
COMMON: dict[str, Any] = {"search.trials": 10, "search.finalists": 2, "search.seeds": 3, "train.evaluations": 3}
T = TypeVar("T")
PRESENT, LONGER = "params.yaml as it is", "params.yaml, as long as search and training"


@dataclass(frozen=True)
class Searched:
    """trials, fresh: CPU seconds of either part. mean, low, high: FID of the choice on fresh seeds. values: of it."""

    trials: float
    fresh: float
    pruned: int
    values: dict[str, Any]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Judged:
    """A final training: CPU seconds, and FID on test images."""

    steps: int
    seconds: float
    fid: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=list(BUDGETS))
    parser.add_argument("repetitions", type=int, nargs="?", default=3, help="3 unless told")
    told = parser.parse_args()
    base = configuration(RECIPES[told.data]).override({**COMMON, **BUDGETS[told.data], "search.space": SPACE})
    subject = open_subject(base)
    searches: dict[str, list[Searched]] = {kind: [] for kind in KINDS}
    trained: dict[str, list[Judged]] = {name: [] for name in (*KINDS, PRESENT, LONGER)}
    for repetition in range(told.repetitions):
        config = base.override({"seed": repetition})
        for kind, changes in KINDS.items():
            asked = config.override({f"search.{key}": value for key, value in changes.items()})
            found = _kept(("search", asked), Searched, partial(_searched, asked, subject))
            searches[kind].append(found)
            trained[kind].append(_final(asked.override(found.values), subject))
        present = _final(config, subject)
        whole = statistics.mean(found[-1].trials + found[-1].fresh for found in searches.values())
        longer = config.override({"train.steps": round(present.steps * (1 + whole / present.seconds))})
        trained[PRESENT].append(present)
        trained[LONGER].append(_final(longer, subject))
    figures = {
        "searches": {kind: [asdict(found) for found in rows] for kind, rows in searches.items()},
        "trained": {name: [asdict(row) for row in rows] for name, rows in trained.items()},
        "floor": subject.floor.fid,
    }
    save(f"search_gain-{told.data}", figures, _lines(told.data, base, searches, trained, subject))


def _searched(config: Config, subject: Subject) -> Searched:
    """A search from nothing, with its choice."""
    folder = WORK / "searches" / fingerprint(config.model_dump(mode="json"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    training = trial_training(config)
    judge = validation_judge(config.gan, training, subject.prepared, subject.extractor, seed=config.seed)
    objective = TrialTraining(config, subject.prepared, subject.extractor.digest, judge, folder, {}, progress)
    spent = {"trial": 0.0, "fresh": 0.0}

    def timed(candidate: Config, seed: int, attempt: Attempt) -> float:
        before = time.process_time()
        try:
            return objective(candidate, seed, attempt)
        finally:
            spent["trial" if attempt.title.startswith("trial") else "fresh"] += time.process_time() - before

    search = Search(timed, config, subject.prepared.spec, objective.study, folder)
    outcome = run_search(search, f"sqlite:///{folder / 'optuna.db'}", lambda trials, status: None)
    present = next(item for item in outcome.confirmed if item.candidate.number is None)
    chosen = winner(outcome.confirmed) or present
    low, high = chosen.interval or (float("nan"), float("nan"))
    pruned = sum(trial.state == "PRUNED" for trial in outcome.trials)
    shutil.rmtree(folder)
    return Searched(spent["trial"], spent["fresh"], pruned, dict(outcome.best), chosen.mean, low, high)


def _final(config: Config, subject: Subject) -> Judged:
    """Trained on a seed that no search has seen."""
    final = config.override({"seed": 1000 + config.seed, "train.checkpoint_every": config.train.steps})
    parts = {"gan": final.gan.model_dump(mode="json"), "train": final.train.model_dump(mode="json"), "seed": final.seed}

    def made() -> Judged:
        folder = WORK / "searches" / f"final-{fingerprint(parts)}"
        shutil.rmtree(folder, ignore_errors=True)
        trained, seconds = train("final", final, subject, folder)
        report = evaluate(TorchGenerator(trained.gan, trained.generators), subject.prepared, subject.protocol(final))
        assert isinstance(report, SynthesisReport)
        shutil.rmtree(folder)
        return Judged(final.train.steps, seconds, report.quality.fid)

    return _kept(("final", parts, subject.prepared.md5), Judged, made)


def _kept(key: Sequence[Any], of: type[T], make: Callable[[], T]) -> T:
    """Make it, or find it from the last time."""
    plain = [part.model_dump(mode="json") if isinstance(part, Config) else part for part in key]
    path = WORK / "searches" / f"{fingerprint({'key': plain})}.json"
    if not path.exists():
        found = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(asdict(found)).encode())  # type: ignore[call-overload]
    return of(**json.loads(path.read_text()))


def _lines(
    data: str,
    config: Config,
    searches: Mapping[str, Sequence[Searched]],
    trained: Mapping[str, Sequence[Judged]],
    subject: Subject,
) -> list[str]:
    search, count = config.search, len(trained[PRESENT])
    lines = [
        f"# Does a search pay? {data}",
        "",
        f"`python -m benchmarks.search_gain {data} {count}`: {count} repetitions; {search.trials} trials of "
        f"{search.steps} steps, {search.finalists} finalists on {search.seeds} fresh seeds; final trainings of "
        f"{config.train.steps:,} "
        f"steps, judged on {subject.floor.n:,} test images ({subject.floor.extractor}; real training images "
        f"{subject.floor.fid:.3f}). One thread of a CPU.",
        "",
        "| what is trained | FID on test images, mean ± sd | each | steps | CPU seconds of the search |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, rows in trained.items():
        fids = [row.fid for row in rows]
        spent = [found.trials + found.fresh for found in searches.get(name, ())]
        deviation = statistics.stdev(fids) if len(fids) > 1 else float("nan")
        lines.append(
            f"| {name} | {statistics.mean(fids):.3f} ± {deviation:.3f} | {', '.join(f'{fid:.3f}' for fid in fids)} "
            f"| {rows[0].steps:,} | {f'{statistics.mean(spent):.0f}' if spent else ''} |"
        )
    lines += ["", "| repetition | search | trials, CPU seconds | pruned | chosen | its FID on fresh seeds |"]
    lines.append("| --- " * 6 + "|")
    for turn in range(count):
        for kind, found in ((kind, rows[turn]) for kind, rows in searches.items()):
            values = ", ".join(f"{path} {value:.4g}" for path, value in found.values.items()) or PRESENT
            lines.append(
                f"| {turn} | {kind} | {found.trials:.0f} | {found.pruned} | {values} "
                f"| {found.mean:.3f} [{found.low:.3f}, {found.high:.3f}] |"
            )
    pairs = list(zip(searches["TPE, pruned"], searches["TPE"], strict=True))
    saved = statistics.median(1 - pruned.trials / whole.trials for pruned, whole in pairs)
    inside = sum(whole.low <= pruned.mean <= whole.high for pruned, whole in pairs)
    lines += [
        "",
        f"Pruning saves {saved:.0%} of the trials' CPU time (median of {count}); the FID of its choice on fresh seeds "
        f"lies inside the interval of the unpruned search's in {inside} of {count}.",
    ]
    return lines


if __name__ == "__main__":
    main()
