"""What comes of a search: the trials that were asked for, and which of them wins."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from medgan.config.search import SearchConfig
from medgan.files import replacing
from medgan.search.confirmation import broken_limits
from medgan.search.deciding import Confirmed
from medgan.search.history import ENDED
from medgan.search.space import as_parameter
from medgan.search.study import TrialRecord

PICTURES_NAME, FRONT = "pictures", "front.csv"
_ENDED = [state.name for state in ENDED]


@dataclass(frozen=True)
class Outcome:
    """best: values of the winner by dotted path; empty where none beat params.yaml as it is.

    trials: those that were asked for, with all attempts at them. confirmed: what fresh seeds say of params.yaml and the
    finalists, best first; empty where nothing competes, or `search.finalists` is 0. pictures: PNG by name. front: the
    numbers of trials that no other beats in all of `search.metrics`.
    """

    best: Mapping[str, Any]
    trials: Sequence[TrialRecord]
    confirmed: Sequence[Confirmed] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    front: Sequence[int] = ()


def described(outcome: Outcome, search: SearchConfig) -> Iterator[str]:
    """Say what each candidate scored on fresh seeds, best first, and what was chosen."""
    for item in outcome.confirmed:
        each = ", ".join(f"{score:.4g}" for score in item.scores)
        text = f"{item.candidate.name}: {item.mean:.4g} on fresh seeds ({each})"
        if item.candidate.number is not None:
            text += f", by chance as good as params.yaml: p = {item.chance:.2g}"
        first = item.candidate.first
        text += "" if first is None else f"; the {first:.4g} of its trial is left out"
        yield text + (f"; it breaks {broken_limits(item.breaks, search)}" if item.breaks else "")
    if outcome.front:
        yield f"trials that no other beats in {', '.join(search.metrics)}: {', '.join(map(str, outcome.front))}"
    yield _choice(outcome, search)


def _choice(outcome: Outcome, search: SearchConfig) -> str:
    ended = sum(trial.state in _ENDED for trial in outcome.trials)
    tried = f"best of {ended} trials"
    if outcome.best:
        return f"{tried}: {outcome.best}" + ("" if outcome.confirmed else "; on no fresh seeds, so it may be luck")
    doubt = f"; no finalist beats it beyond doubt on {search.seeds} fresh seeds" if outcome.confirmed else ""
    return f"{tried}: params.yaml as it is{doubt}"


def write_outcome(directory: Path, outcome: Outcome, search: SearchConfig) -> None:
    """best.yaml: dotted paths to values. trials.csv, fresh.csv: a row a trial, a candidate. pictures/: PNG.

    front.csv, where there are several metrics: trials that no other one beats.
    """
    with replacing(directory) as aside:
        aside.mkdir()
        (aside / "best.yaml").write_text(f"# {_choice(outcome, search)}\n{yaml.safe_dump(dict(outcome.best))}")
        _write_trials(aside / "trials.csv", outcome.trials, outcome, search)
        if search.metrics:
            _write_trials(aside / FRONT, [t for t in outcome.trials if t.number in outcome.front], outcome, search)
        _write_fresh(aside / "fresh.csv", outcome)
        (aside / PICTURES_NAME).mkdir()
        for name, content in outcome.pictures.items():
            (aside / PICTURES_NAME / f"{name}.png").write_bytes(content)


def _write_trials(path: Path, trials: Sequence[TrialRecord], outcome: Outcome, search: SearchConfig) -> None:
    """The column `fresh` is the mean score of a finalist on fresh seeds."""
    fresh = {item.candidate.number: item.mean for item in outcome.confirmed}
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["number", "state", "score", *search.figures, "fresh", "retry_of", "reason", *search.space])
        for trial in trials:
            figures = [_written(trial.figures.get(name)) for name in search.figures]
            retried = "" if trial.retry_of is None else trial.retry_of
            values = [as_parameter(trial.values.get(key, "")) for key in search.space]
            scores = [_written(trial.score), *figures, _written(fresh.get(trial.number))]
            writer.writerow([trial.number, trial.state, *scores, retried, trial.reason or "", *values])


def _write_fresh(path: Path, outcome: Outcome) -> None:
    """Candidates on fresh seeds; `number` is empty for params.yaml as it is."""
    seeds = max((len(item.scores) for item in outcome.confirmed), default=0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        each = [f"seed_{turn + 1}" for turn in range(seeds)]
        writer.writerow(["number", "first", "mean", "low", "high", "p", "better", "breaks", *each])
        for item in outcome.confirmed:
            number = "" if item.candidate.number is None else item.candidate.number
            figures = [item.candidate.first, item.mean, *(item.interval or (None, None)), item.chance]
            row = [*map(_written, figures), int(item.better), " ".join(item.breaks), *map(_written, item.scores)]
            writer.writerow([number, *row])


def _written(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.6g}"
