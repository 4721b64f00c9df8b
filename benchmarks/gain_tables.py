"""What benchmarks.search_gain measures, and its table."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medgan.config.schema import Config
from medgan.scores.figures import Fidelity

PRESENT, LONGER = "params.yaml as it is", "params.yaml, as long as search and training"
PRUNED, WHOLE = "TPE, pruned", "TPE"


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

    @property
    def seconds(self) -> float:
        return self.trials + self.fresh


@dataclass(frozen=True)
class Judged:
    """A final training: CPU seconds, and FID on test images."""

    steps: int
    seconds: float
    fid: float


def lines(
    data: str,
    config: Config,
    searches: Mapping[str, Sequence[Searched]],
    trained: Mapping[str, Sequence[Judged]],
    floor: Fidelity,
) -> list[str]:
    search, count = config.search, len(trained[PRESENT])
    pairs = list(zip(searches[PRUNED], searches[WHOLE], strict=True))
    saved = statistics.median(1 - pruned.trials / whole.trials for pruned, whole in pairs)
    inside = sum(whole.low <= pruned.mean <= whole.high for pruned, whole in pairs)
    return [
        f"# Does a search pay? {data}",
        "",
        f"`python -m benchmarks.search_gain {data} {count}`: {count} repetitions; {search.trials} trials of "
        f"{search.steps} steps, the best {search.finalists} of them again on {search.seeds} fresh seeds beside "
        f"params.yaml as it is, for {search.finalist_steps} steps; final trainings of {config.train.steps:,} steps, "
        f"judged on {floor.n:,} test images ({floor.extractor}; real training images {floor.fid:.3f}). One thread of a "
        "CPU.",
        "",
        "| what is trained | FID on test images, mean ± sd | each | steps | CPU seconds of the search |",
        "| --- | --- | --- | --- | --- |",
        *(_trained(name, rows, searches.get(name, ())) for name, rows in trained.items()),
        "",
        "| repetition | search | trials, CPU seconds | pruned | chosen | its FID on fresh seeds |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_searched(turn, kind, rows[turn]) for turn in range(count) for kind, rows in searches.items()),
        "",
        f"Pruning saves {saved:.0%} of the trials' CPU time (median of {count}); the FID of its choice on fresh seeds "
        f"lies inside the interval of the unpruned search's in {inside} of {count}.",
    ]


def _trained(name: str, rows: Sequence[Judged], searched: Sequence[Searched]) -> str:
    fids, steps = [row.fid for row in rows], sorted({row.steps for row in rows})
    deviation = statistics.stdev(fids) if len(fids) > 1 else float("nan")
    cells = [
        name,
        f"{statistics.mean(fids):.3f} ± {deviation:.3f}",
        ", ".join(f"{fid:.3f}" for fid in fids),
        f"{steps[0]:,}" + (f" to {steps[-1]:,}" if len(steps) > 1 else ""),
        f"{statistics.mean(search.seconds for search in searched):.0f}" if searched else "",
    ]
    return f"| {' | '.join(cells)} |"


def _searched(turn: int, kind: str, found: Searched) -> str:
    values = ", ".join(f"{path} {value:.4g}" for path, value in found.values.items()) or PRESENT
    interval = f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
    return f"| {turn} | {kind} | {found.trials:.0f} | {found.pruned} | {values} | {interval} |"
