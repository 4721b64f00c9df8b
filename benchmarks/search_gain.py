"""Does a search pay, and is its choice still the best on test images? -> results/search_gain-DATA.*

    python -m benchmarks.search_gain phantom [REPETITIONS]    # three of them: 1 CPU-hour; chest-xray: 2

A repetition is three searches with as many trials: TPE pruned by the median, TPE that prunes nothing, and random draws.
Each compares its best with params.yaml as it is on fresh seeds, for as many steps as a final training has. What it then
chooses is trained on another seed and judged on test images, beside params.yaml as it is: for as many steps, and for as
long as search and training together took. As many rows at a time as there are cores, each kept when it is done: a
benchmark that was stopped goes on.
"""

import argparse
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from benchmarks.gain_tables import LONGER, PRESENT, PRUNED, WHOLE, Judged, Searched, lines
from benchmarks.judging import WORK, Subject, open_subject, row_identity
from benchmarks.keeping import kept
from benchmarks.real_data import CHILDREN, configured
from benchmarks.tables import save
from medgan.config.schema import Config
from medgan.console import Bar, progress
from medgan.device import resolve_threads
from medgan.evaluation.evaluate import evaluate
from medgan.evaluation.generators import TorchGenerator
from medgan.evaluation.report import SynthesisReport
from medgan.fingerprint import code_digest, fingerprint
from medgan.scores.validation import validation_judge
from medgan.search.deciding import winner
from medgan.search.objective import Attempt, TrialTraining, trial_training
from medgan.search.session import Search, run_search
from medgan.training.loop import fit
from medgan.usefulness.running import on_cores

KINDS: dict[str, dict[str, Any]] = {
    PRUNED: {"sampler": "tpe", "pruner": "median"},
    WHOLE: {"sampler": "tpe", "pruner": "none"},
    "random": {"sampler": "random", "pruner": "none"},
}
SPACE = {
    "gan.lr": {"low": 0.0001, "high": 0.006, "log": True},
    "gan.r1": {"low": 0.1, "high": 30.0, "log": True},
    "gan.discriminator_lr_ratio": {"low": 0.3, "high": 3.0, "log": True},
    "gan.ema": {"choices": [0.99, 0.995, 0.998]},
}
# By data: the recipe, and what is changed of it.
DATA: dict[str, tuple[str, dict[str, Any]]] = {
    "phantom": (
        "default",
        {"search.steps": 120, "search.n": 300, "train.steps": 480, "train.n": 1000},
    ),
    "chest-xray": (
        "chest-xray",
        {
            "data.source": "folder",
            "data.raw": "chest-xray",
            "data.options": {"patient": CHILDREN},
            "data.test": 0.3,
            "gan.model.width": 16,
            "gan.model.max_width": 128,
            "search.steps": 150,
            "search.n": 300,
            "train.steps": 450,
        },
    ),
}
COMMON: dict[str, Any] = {
    "search.trials": 12,
    "search.evaluations": 8,
    "search.finalists": 1,
    "search.seeds": 3,
    "search.space": SPACE,
    "train.evaluations": 3,
}
T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=list(DATA))
    parser.add_argument("repetitions", type=int, nargs="?", default=3, help="3 unless told")
    told = parser.parse_args()
    recipe, changes = DATA[told.data]
    base = configured(recipe, changes | COMMON | {"search.finalist_steps": changes["train.steps"]})
    if base is None:
        return
    subject = open_subject(base)
    plain = [base.override({"seed": repetition}) for repetition in range(told.repetitions)]
    asked = {
        kind: [config.override({f"search.{key}": value for key, value in changes.items()}) for config in plain]
        for kind, changes in KINDS.items()
    }
    searches = _each(_searched, asked, subject, "searches")
    chosen = {
        kind: [config.override(found.values) for config, found in zip(asked[kind], rows, strict=True)]
        for kind, rows in searches.items()
    }
    trained = _each(_final, chosen | {PRESENT: plain}, subject, "final trainings")
    longer = []
    for config, present, *found in zip(plain, trained[PRESENT], *searches.values(), strict=True):
        whole = statistics.mean(each.seconds for each in found)
        longer.append(config.override({"train.steps": round(present.steps * (1 + whole / present.seconds))}))
    trained |= _each(_final, {LONGER: longer}, subject, LONGER)
    figures = {
        "searches": {kind: [asdict(found) for found in rows] for kind, rows in searches.items()},
        "trained": {name: [asdict(row) for row in rows] for name, rows in trained.items()},
        "floor": subject.floor.fid,
    }
    save(f"search_gain-{told.data}", figures, lines(told.data, base, searches, trained, subject.floor))


def _each(
    make: Callable[[Config, Subject], T], configs: Mapping[str, Sequence[Config]], subject: Subject, title: str
) -> dict[str, list[T]]:
    """As many at a time as there are cores, each on one thread."""
    places = [(name, turn) for name, rows in configs.items() for turn in range(len(rows))]
    tasks = {(name, turn): partial(make, configs[name][turn], subject) for name, turn in places}
    with progress(title, len(tasks)) as done:
        found = on_cores(tasks, processes=resolve_threads("auto"), progress=done)
    return {name: [found[name, turn] for turn in range(len(rows))] for name, rows in configs.items()}


def _searched(config: Config, subject: Subject) -> Searched:
    """A search from nothing, with its choice."""
    parts = {"row": row_identity(config, subject), "search": config.search.model_dump(mode="json")}
    parts["code"] = code_digest(["medgan.search.session", "medgan.search.objective"])
    return Searched(**kept("searches", parts, lambda: asdict(_search(config, subject))))


def _search(config: Config, subject: Subject) -> Searched:
    folder = WORK / "searches" / fingerprint(config.model_dump(mode="json"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    training = trial_training(config)
    judge = validation_judge(config.gan, training, subject.prepared, subject.extractor, seed=config.seed)
    objective = TrialTraining(config, subject.prepared, subject.extractor.digest, judge, folder, {}, _unseen)
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
    chosen = winner(outcome.confirmed, config.search) or present
    low, high = chosen.interval or (float("nan"), float("nan"))
    pruned = sum(trial.state == "PRUNED" for trial in outcome.trials)
    shutil.rmtree(folder)
    return Searched(spent["trial"], spent["fresh"], pruned, dict(outcome.best), chosen.mean, low, high)


@contextmanager
def _unseen(title: str, steps: int) -> Iterator[Bar]:
    """In the place of a bar: several would write over one another."""
    yield Bar(title, steps, lambda done, note: None)


def _final(config: Config, subject: Subject) -> Judged:
    """Trained on a seed that no search has seen."""
    final = config.override({"seed": 1000 + config.seed, "train.checkpoint_every": config.train.steps})

    def made() -> Judged:
        with TemporaryDirectory() as folder:
            scorer, before = subject.scorer(final), time.process_time()
            trained = fit(
                final.gan, final.train, subject.prepared, seed=final.seed, judge=scorer, directory=Path(folder)
            )
            spent = time.process_time() - before
        report = evaluate(TorchGenerator(trained.gan, trained.generators), subject.prepared, subject.protocol(final))
        assert isinstance(report, SynthesisReport)
        return Judged(final.train.steps, spent, report.quality.fid)

    return Judged(**kept("finals", {"row": row_identity(final, subject)}, lambda: asdict(made())))


if __name__ == "__main__":
    main()
