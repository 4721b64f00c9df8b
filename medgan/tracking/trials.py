"""Trials of a search as child runs of the study's run: a mirror, never the record."""

from collections.abc import Mapping
from typing import Any, Protocol

from medgan.tracking.runs import Store


class Trial(Protocol):
    """What a search tells of one trial."""

    @property
    def number(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def values(self) -> Mapping[str, Any]: ...
    @property
    def score(self) -> float | None: ...
    @property
    def scores(self) -> Mapping[int, float]: ...
    @property
    def retry_of(self) -> int | None: ...


# An interrupted or diverged trial must not look finished.
_STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}


def mirror_trial(store: Store, parent: str, study: str, trial: Trial) -> None:
    """A trial that has ended as a child run; one that waits or runs is left for later."""
    if trial.state not in _STATUS:
        return
    tags = {"medgan.kind": "trial", "medgan.state": trial.state}
    if trial.retry_of is not None:
        tags["medgan.retry_of"] = str(trial.retry_of)
    identity = f"trial-{study}-{trial.number}"
    run_id = store.run(identity, f"trial {trial.number}", params=trial.values, tags=tags, parent=parent)
    # Times are made from steps: a trial that is mirrored twice gives the same points.
    store.log_rows(run_id, [{"step": step, "time": step, "validation/best": s} for step, s in trial.scores.items()])
    if trial.score is not None:
        store.log_rows(run_id, [{"step": 0, "time": 0, "score": trial.score}])
    store.end(run_id, _STATUS[trial.state])
