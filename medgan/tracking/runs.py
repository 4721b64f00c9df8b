"""One MLflow run a trained generator, found again by its fingerprint."""

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from PIL import Image

from medgan.errors import MedganError

Row = Mapping[str, float]
FINGERPRINT, FAILURE = "medgan.fingerprint", "medgan.failure"
_BATCH = 1000  # MLflow's limit of metrics a request
_NO_KEY = re.compile(r"[^/\w.\- :]")  # what MLflow takes in no name of a metric, and a class may have in its own


@dataclass(frozen=True)
class Store:
    """An MLflow server or database, and the experiment of one data set in it."""

    client: MlflowClient
    experiment_id: str

    def find_run(self, fingerprint: str) -> Run | None:
        return next(iter(self._runs(fingerprint)), None)

    def named(self, name: str) -> Run:
        """The training of this experiment with this id, name or beginning of a fingerprint.

        Raises MedganError where there is none or more than one, with those that there are.
        """
        query = "tags.`medgan.kind` = 'training'"
        runs = self.client.search_runs([self.experiment_id], query, order_by=["attributes.start_time DESC"])
        for asked in (
            [run for run in runs if name in (run.info.run_id, run.info.run_name)],
            [run for run in runs if run.data.tags.get(FINGERPRINT, "").startswith(name)],
        ):
            if len(asked) == 1:
                return asked[0]
        known = ", ".join(f"'{run.info.run_name}'" for run in runs[:10]) or "none"
        raise MedganError(f"no single run is called '{name}'; generators of this data set: {known}")

    def _runs(self, fingerprint: str) -> Sequence[Run]:
        """List all runs with this fingerprint, the earliest first."""
        query = f"tags.`{FINGERPRINT}` = '{fingerprint}'"
        found: Sequence[Run] = self.client.search_runs(
            [self.experiment_id], query, order_by=["attributes.start_time ASC"]
        )
        return found

    def run(
        self,
        fingerprint: str,
        name: str,
        *,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        parent: str | None = None,
        began: int | None = None,
    ) -> str:
        """The id of the one run with this fingerprint, made where it is missing; tags are set again.

        began: in milliseconds since 1970; now, without it.

        A param that the run has stays as it is, since MLflow takes no second value: those outside the fingerprint
        (train.restart, search.trials) may have changed since.
        """
        all_tags = {FINGERPRINT: fingerprint, **tags} | ({"mlflow.parentRunId": parent} if parent else {})
        runs = self._runs(fingerprint)
        if not runs:
            made = self.client.create_run(self.experiment_id, start_time=began, tags=all_tags, run_name=name)
            runs = self._runs(fingerprint) or [made]
        # MLflow asks again where an answer was lost, and each request makes a run.
        run, *twins = runs
        for twin in twins:
            self.client.delete_run(twin.info.run_id)
        self.client.log_batch(
            run.info.run_id,
            params=[Param(key, str(value)[:6000]) for key, value in params.items() if key not in run.data.params],
            tags=[RunTag(key, value) for key, value in all_tags.items()],
        )
        return str(run.info.run_id)

    def log_rows(self, run_id: str, rows: Sequence[Row]) -> None:
        """Rows of figures with `step` and `time` (s). A point that is there already is not doubled.

        Compared by (key, step): a training that goes on from an older checkpoint repeats points at another time.
        """
        keys = {key for row in rows for key in row} - {"step", "time"}
        present = {(key, point.step) for key in keys for point in self.client.get_metric_history(run_id, key)}
        metrics = [
            Metric(key, row[key], int(1000 * row["time"]), int(row["step"]))
            for row in rows
            for key in row
            if key in keys and (key, row["step"]) not in present
        ]
        for start in range(0, len(metrics), _BATCH):
            self.client.log_batch(run_id, metrics=metrics[start : start + _BATCH])

    def begin_with(self, run_id: str, figure: str) -> None:
        """Give a run a figure that is not known yet before all others: MLflow's comparison of runs begins with it."""
        if not self.client.get_run(run_id).data.metrics:
            self.client.log_metric(run_id, figure, math.nan, step=0)

    def log_figures(self, run_id: str, figures: Mapping[str, float]) -> None:
        """Final figures by their name; a stage that runs again renews its own."""
        named = {_NO_KEY.sub("_", name): float(value) for name, value in figures.items()}
        now = int(1000 * time.time())
        current = self.client.get_run(run_id).data.metrics
        changed = [Metric(key, value, now, 0) for key, value in named.items() if current.get(key) != value]
        self.client.log_batch(run_id, metrics=changed)

    def log_picture(self, run_id: str, path: Path, *, key: str, step: int) -> None:
        """Shown in the run's image grid; one picture a (key, step)."""
        # The separator depends on the version of MLflow.
        name = re.compile(rf"images/{re.escape(key)}[%+]step[%+]{step}[%+]")
        if not any(name.match(item.path) for item in self.client.list_artifacts(run_id, "images")):
            with Image.open(path) as image:
                self.client.log_image(run_id, image.copy(), key=key, step=step)

    def log_content(self, run_id: str, name: str, tree: dict[str, Any]) -> None:
        """A nested mapping as an artifact, whose suffix says whether as JSON or as YAML."""
        self.client.log_dict(run_id, tree, name)

    def log_file(self, run_id: str, path: Path) -> None:
        """Under its own name in the run's artifacts, in the place of the one from before."""
        self.client.log_artifact(run_id, str(path))

    def log_data(self, run_id: str, *, name: str, md5: str) -> None:
        """The data set as an input of the run; once, however often it is called."""
        digest = md5[:12]
        dataset = mlflow.entities.Dataset(name=name, digest=digest, source_type="dvc", source="data/prepared")
        context = mlflow.entities.InputTag("mlflow.data.context", "training")
        inputs = self.client.get_run(run_id).inputs
        if inputs is None or not any(known.dataset.digest == digest for known in inputs.dataset_inputs):
            self.client.log_inputs(run_id, [mlflow.entities.DatasetInput(dataset, [context])])

    def tag(self, run_id: str, key: str, value: str) -> None:
        self.client.set_tag(run_id, key, value)

    def end(self, run_id: str, status: str = "FINISHED", *, ended: int | None = None) -> None:
        """FINISHED, FAILED or KILLED; call it after everything else is logged. ended: as `began` of `run`."""
        if self.client.get_run(run_id).info.status != status:
            self.client.set_terminated(run_id, status, end_time=ended)

    def reopen(self, run_id: str) -> None:
        """Mark a run that had failed, and is tried again, as running."""
        run = self.client.get_run(run_id)
        if run.info.status == "FAILED":
            self.client.update_run(run_id, status="RUNNING")
        if FAILURE in run.data.tags:
            self.client.delete_tag(run_id, FAILURE)
