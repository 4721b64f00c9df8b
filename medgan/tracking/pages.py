"""What MLflow's pages say and show first: of a data set's runs, of a registered model and of its versions."""

import json
from collections.abc import Sequence
from urllib.parse import urlencode

from medgan.tracking.links import VIEW
from medgan.tracking.runs import Store

_NOTE = "mlflow.note.content"
# How MLflow 3.17 keeps a view of the list of runs that a link can open: columns, their order and the sorting.
_VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
_LONGEST = 4900  # letters of a description; databases take 5,000


def describe_experiment(store: Store, data: str, figures: Sequence[str]) -> None:
    """Say what the runs of a data set are, and which of their figures stand first; the first one sorts.

    figures: names of metrics, lower is better for the first.
    """
    text = (
        f"Generators of synthetic images, trained on the data set **{data}**. Not for diagnosis.\n\n"
        "A run is a trained generator; a run with others inside is a search, they are its trials. `test/` is what the "
        "report shows, of images that nothing was chosen on; `validation/` is what training and search choose by; "
        "`training/` says whether training is stable. `report.html` in a run's artifacts explains each figure."
    )
    columns = [*(f"metrics.`{name}`" for name in figures), "params.`recipe`"]
    view = {
        "searchFilter": "tags.`medgan.kind` = 'training'",
        "orderByKey": columns[0],
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {},
    }
    for key, value in ((_NOTE, text), (_VIEW_TAG, json.dumps(view))):
        store.client.set_experiment_tag(store.experiment_id, key, value)


def describe_model(store: Store, name: str, text: str) -> None:
    store.client.update_registered_model(name, text[:_LONGEST])


def describe_version(store: Store, name: str, version: int | str, text: str) -> None:
    """Markdown; what is too long for a database ends at a line."""
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rpartition("\n")[0]
    store.client.update_model_version(name, str(version), text)


def picture_of(run_id: str, name: str) -> str:
    """An artifact of a run as MLflow's server gives it, relative to its pages."""
    return f"get-artifact?{urlencode({'path': name, 'run_uuid': run_id})}"
