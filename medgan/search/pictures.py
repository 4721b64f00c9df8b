"""What a study looks like: its history, which parameters matter, and how each of them does."""

import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from medgan.config.schema import Config
from medgan.search.suggestion import directions

_LEAST = 2  # complete trials


def study_pictures(trials: Sequence[FrozenTrial], config: Config) -> dict[str, bytes]:
    """PNG by name; none for fewer than two complete trials. All but the front are of the first metric."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if len(complete) < _LEAST:
        return {}
    search, score = config.search, config.search_score
    study = optuna.create_study(directions=directions(search))
    study.add_trials(trials)
    varied = [path for path in search.space if len({str(t.params[path]) for t in complete if path in t.params}) > 1]
    # Optuna knows the importance of what every trial has, and where scores differ.
    common = [path for path in varied if all(path in trial.params for trial in complete)]
    target = {"target": lambda trial: trial.values[0], "target_name": score}
    pictures: dict[str, Callable[[Any], Any]] = {
        "history": lambda draw: draw.plot_optimization_history(study, **target),
    }
    if varied:
        pictures["slice"] = lambda draw: draw.plot_slice(study, params=varied, **target)
    if common:
        of = {"params": common, **target}
        pictures["parallel-coordinates"] = lambda draw: draw.plot_parallel_coordinate(study, **of)
    if common and len({trial.values[0] for trial in complete}) > 1:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        pictures["importances"] = lambda draw: draw.plot_param_importances(study, evaluator=evaluator, **of)
    if len(search.metrics) in (2, 3):
        names = list(search.metrics)
        pictures["front"] = lambda draw: draw.plot_pareto_front(study, target_names=names)
    return {name: _drawn(picture) for name, picture in pictures.items()}


def _drawn(picture: Callable[[Any], Any]) -> bytes:
    import matplotlib as mpl  # noqa: PLC0415 (takes a second)
    from matplotlib import pyplot as plt  # noqa: PLC0415 (as above)
    from optuna.visualization import matplotlib as draw  # noqa: PLC0415 (as above)

    file = io.BytesIO()
    with mpl.rc_context({"backend": "agg"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls its pictures experimental, and matplotlib warns of their style
        axes = picture(draw)
        first = axes.flat[0] if hasattr(axes, "flat") else axes
        first.figure.savefig(file, format="png", dpi=100, bbox_inches="tight", metadata={"Software": None})
        plt.close(first.figure)
    return file.getvalue()
