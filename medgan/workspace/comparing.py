"""Two runs of this clone's store on one page."""

import tempfile
from pathlib import Path

from medgan.config.schema import load_config
from medgan.config.trees import read_yaml
from medgan.errors import MedganError
from medgan.evaluation.report import read_reports
from medgan.evaluation.results import METRICS_NAME, REAL_NAME, SAMPLES_NAME
from medgan.reporting.comparing import Compared, write_comparison
from medgan.tracking.opening import opened_store
from medgan.tracking.recording import PARAMETERS
from medgan.tracking.runs import Store
from medgan.workspace.places import PARAMS, store_root


def compare(clone: Path, runs: tuple[str, str], out: Path) -> str:
    """Write the page of two runs, each named as `Store.named` takes it, and say which is better.

    Raises MedganError for a run that there is not, and one that has not been evaluated.
    """
    data = load_config(clone / PARAMS).data.name
    with opened_store(store_root(clone), data) as store, tempfile.TemporaryDirectory() as folder:
        one, other = (_compared(store, name, Path(folder) / str(place)) for place, name in enumerate(runs))
        return write_comparison(out, one, other)


def _compared(store: Store, name: str, folder: Path) -> Compared:
    run = store.named(name)
    folder.mkdir()
    files = (METRICS_NAME, PARAMETERS, SAMPLES_NAME, REAL_NAME)
    there = {item.path for item in store.client.list_artifacts(run.info.run_id)}
    if missing := [file for file in files if file not in there]:
        raise MedganError(
            f"run {run.info.run_name} has no {missing[0]}: it has not been evaluated, or by an older medgan"
        )
    for file in files:
        store.client.download_artifacts(run.info.run_id, file, str(folder))
    metrics, parameters, samples, real = (folder / file for file in files)
    report = read_reports(metrics)[""]
    return Compared(run.info.run_name, run.info.run_id, report, read_yaml(parameters), samples, real)
