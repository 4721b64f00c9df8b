"""What is measured of a trial that has ended: its time, size, speed, copies and other scores."""

from pathlib import Path

from medgan.config.schema import Config
from medgan.console import progress
from medgan.data.store import Prepared
from medgan.scores.extractor import Extractor
from medgan.scores.validation import validation_judge
from medgan.search.objective import Attempt, TrialTraining, trial_training
from medgan.workspace.trial_figures import trial_figures


def test_a_trial_is_measured_as_it_was_asked(config: Config, prepared: Prepared, tmp_path: Path) -> None:
    asked = config.override(
        {
            "search.metrics": ["fid", "train_seconds", "parameters"],
            "search.constraints": {"latency_ms": 1000, "copies": 0.5, "fid": 1000, "passing": 1.0},
            "search.pruner": "none",
            "search.steps": 4,
            "search.evaluations": 2,
            "search.n": 60,
        }
    )
    extractor = Extractor(1, 16, 0).eval()
    judge = validation_judge(asked.gan, trial_training(asked), prepared, extractor, seed=0)
    figures = trial_figures(asked, prepared, extractor)
    training = TrialTraining(asked, prepared, extractor.digest, judge, tmp_path, figures, progress)
    found: dict[str, float] = {}
    score = training(asked, 0, Attempt("trial", measured=found.__setitem__))
    assert list(found) == ["train_seconds", "parameters", "latency_ms", "copies", "fid", "passing"]
    assert found["fid"] == score > 0 and found["passing"] == 1
    assert 0 < found["train_seconds"] < 60 and 0 < found["latency_ms"] < 1000 and 0 <= found["copies"] < 0.5
    assert found["parameters"] == int(found["parameters"]) > 1000
    again: dict[str, float] = {}
    training(asked, 0, Attempt("trial", measured=again.__setitem__))  # found finished, in its folder
    assert {name: again[name] for name in again if name != "latency_ms"} == {
        name: found[name] for name in found if name != "latency_ms"
    }
