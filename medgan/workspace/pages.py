"""Which pages a clone has, and the link that shows its data set's generators."""

import sys
from contextlib import suppress
from pathlib import Path

from medgan.config.schema import Config, load_config
from medgan.databases import redacted, sqlite_path
from medgan.errors import MedganError
from medgan.tracking import tracking_uri
from medgan.tracking.links import runs_link
from medgan.workspace.places import PARAMS, store_root, studies
from medgan.workspace.serving import HOST, Page, check_free, dashboard_page, mlflow_page

MLFLOW_PORT = 5000


def pages_of(clone: Path, port: int) -> tuple[list[Page], str]:
    """What is to be served, MLflow on this port and the dashboard on the next, and the link to begin with.

    MLFLOW_TRACKING_URI may be a server of its own: then the link is to that one. A database of studies that does not
    answer is said, and left out.
    Raises PortTakenError where another program has one of these ports, and MedganError for a store that cannot be
    opened.
    """
    config = load_config(clone / PARAMS)
    uri, name = tracking_uri(store_root(clone)), config.data.name
    elsewhere = uri.startswith(("http://", "https://"))
    pages = [] if elsewhere else [mlflow_page(uri, port)]
    if (studied := _studies(config)) and (dashboard := dashboard_page(studied, port + 1)):
        pages.append(dashboard)
    for page in pages:
        check_free(page)
    from medgan.tracking.opening import experiment_id, prepare_store  # noqa: PLC0415 (mlflow takes seconds)

    known = None
    if elsewhere:
        with suppress(MedganError):  # a server that is away now may be there when the link is opened
            known = experiment_id(uri, name)
    else:
        if sqlite_path(uri):
            prepare_store(uri)
        known = experiment_id(uri, name)
    return pages, runs_link(redacted(uri) if elsewhere else f"http://{HOST}:{port}", known)


def _studies(config: Config) -> str | None:
    """The database of studies with its password; None where there is none, or it does not answer."""
    url = studies(config.search.storage)
    if (file := sqlite_path(url)) is not None:
        return url if file.exists() else None
    from medgan.search.storage import whole_url  # noqa: PLC0415 (optuna takes a second)

    try:
        return whole_url(url)
    except MedganError as error:
        print(f"no optuna-dashboard: {error}", file=sys.stderr)
        return None
