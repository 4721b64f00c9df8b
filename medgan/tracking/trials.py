"""Trials of a search, and its trainings on fresh seeds, as child runs of its run: a mirror, never the record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from medgan.tracking.opening import store_at
from medgan.tracking.runs import Store
from medgan.tracking.sending import Sender


class Trial(Protocol):
    """What a search tells of one trial. began, ended: milliseconds since 1970.

    fresh: of a training on a fresh seed what it is called, and the study in which it has its number.
    """

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
    def figures(self) -> Mapping[str, float]: ...
    @property
    def retry_of(self) -> int | None: ...
    @property
    def began(self) -> int | None: ...
    @property
    def ended(self) -> int | None: ...
    @property
    def fresh(self) -> tuple[str, str] | None: ...


@dataclass(frozen=True)
class Searched:
    """What all trials of a study share. study: its name. score: of what it is called. data, md5: of the data set."""

    study: str
    score: str
    data: str
    md5: str


_LATER = "`dvc repro -s -f search` sends its trials later"
_STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}  # what was interrupted must not look finished
_Key = tuple[tuple[str, str] | None, int]  # of a trial among all of a search


def mirror_trial(store: Store, parent: str, of: Searched, trial: Trial) -> None:
    """A trial that has ended as a child run; one that waits or runs is left for later."""
    if trial.state not in _STATUS:
        return
    name, study = trial.fresh or (f"trial {trial.number}", of.study)
    tags = {"medgan.kind": "fresh" if trial.fresh else "trial", "medgan.state": trial.state}
    if trial.retry_of is not None:
        tags["medgan.retry_of"] = str(trial.retry_of)
    identity = f"trial-{study}-{trial.number}"
    name += f": {of.score} {trial.score:.4g}" if trial.score is not None else f": {trial.state.lower()}"
    run_id = store.run(identity, name, params=trial.values, tags=tags, parent=parent, began=trial.began)
    store.log_data(run_id, name=of.data, md5=of.md5)
    # Times are made from steps: a trial that is mirrored twice gives the same points.
    rows = [{"step": step, "time": step, f"validation/{of.score}": score} for step, score in trial.scores.items()]
    if trial.score is not None and not any(row[f"validation/{of.score}"] == trial.score for row in rows):
        rows.append({"step": 1 + max(trial.scores, default=0), "time": 0, f"validation/{of.score}": trial.score})
    last = max(trial.scores, default=0)
    rows += [{"step": last, "time": last, f"trial/{figure}": value} for figure, value in trial.figures.items()]
    store.log_rows(run_id, rows)
    store.end(run_id, _STATUS[trial.state], ended=trial.ended)


class SearchMirror:
    """Tells MLflow of trials and of the status of their search, of which the study is the record."""

    def __init__(self, root: Path, of: Searched, params: Mapping[str, Any]) -> None:
        """root: of the store. params: of the search."""
        self._root, self._of, self._params = root, of, params
        self._sender = Sender(self._opened)
        self._known, self._sent = dict[_Key, Trial](), dict[_Key, Trial]()

    def __call__(self, trials: Sequence[Trial], status: str) -> None:
        self._known.update({(trial.fresh, trial.number): trial for trial in trials})
        unsent = {key: trial for key, trial in self._known.items() if self._sent.get(key) != trial}

        def send(store: Store, run_id: str) -> None:
            for key, trial in unsent.items():
                mirror_trial(store, run_id, self._of, trial)
                self._sent[key] = trial
            if status != "RUNNING":
                store.end(run_id, status)

        if status == "RUNNING":
            self._sender.send(send)
        else:
            self._sender.send_now(send, _LATER, now_or_never=status == "FAILED")

    def show(self, files: Iterable[Path]) -> None:
        """Give the run of the search its tables and pictures."""

        def send(store: Store, run_id: str) -> None:
            for path in files:
                store.log_file(run_id, path)

        self._sender.send_now(send, _LATER)

    def _opened(self) -> tuple[Store, str]:
        store = store_at(self._root, self._of.data)
        tags = {"medgan.kind": "search", "medgan.data_md5": self._of.md5}
        name = f"search on {self._of.data} {self._of.study[:6]}"
        run_id = store.run(f"search-{self._of.study}", name, params=self._params, tags=tags)
        store.reopen(run_id)
        store.log_data(run_id, name=self._of.data, md5=self._of.md5)
        return store, run_id
