"""Where MLflow's pages are; no mlflow, which takes seconds to import."""

from urllib.parse import urlencode

# Under this name `pages` keeps a view of the list of runs.
VIEW = "medgan"


def runs_link(base: str, experiment_id: str | None) -> str:
    """The page of a data set's generators, best first; of all data sets where its id is not known.

    base: of the server. The bare page of an experiment would open on no runs.
    """
    if experiment_id is None:
        return f"{base}/#/experiments"
    query = urlencode({"viewStateShareKey": VIEW, "workflowType": "machine_learning"})
    return f"{base}/#/experiments/{experiment_id}/runs?{query}"
