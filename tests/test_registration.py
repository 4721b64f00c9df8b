"""A candidate becomes a version, and stands against the champion: what its tags and reasons say."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from test_registry import GATES, metrics

from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.registration import Candidate, Registered, register
from medgan.evaluation.report import SynthesisReport
from medgan.tracking.opening import store_at
from medgan.tracking.runs import Store

# MLflow's own use of SQLAlchemy, in every query for runs.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The ..noload.. loader strategy:DeprecationWarning", "ignore::FutureWarning:mlflow", "ignore::UserWarning"
)
Registers = Callable[..., Registered]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        yield store_at(tmp_path_factory.mktemp("store"), "phantom")


@pytest.fixture(scope="module")
def file(prepared: Prepared, tiny_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator that says it has learnt from these data."""
    model, path = onnx.load(tiny_onnx), tmp_path_factory.mktemp("export") / "generator.onnx"
    model.metadata_props.add(key="data_md5", value=prepared.md5)
    onnx.save(model, path)
    return path


@pytest.fixture
def registers(store: Store, prepared: Prepared, file: Path, request: pytest.FixtureRequest) -> Registers:
    """Registers a report as that of a training, under a name of the test's own; no judge can score a champion."""
    run_id = store.run(request.node.name, "a run", params={}, tags={})
    protocol = EvaluationProtocol(None, None, n=100, bootstrap=5, segmenter_steps=0, seed=0)

    def registered(
        report: SynthesisReport,
        *,
        training: str = "one",
        name: str = request.node.name,
        data: Prepared = prepared,
        **changes: float,
    ) -> Registered:
        candidate = Candidate(name, "", file, 0.0, report, f"{name}-{training}")
        return register(store, run_id, candidate, data, protocol, gates={**GATES, **changes}, said={})

    return registered


def tags(store: Store, registered: Registered) -> Mapping[str, str]:
    found: Mapping[str, str] = store.client.get_model_version(registered.name, str(registered.version)).tags
    return found


def test_a_champion_that_fails_the_gates_of_today_stays_and_says_so(store: Store, registers: Registers) -> None:
    first = registers(metrics(passing=0.06))
    assert first.crowned and first.reasons == ("first generator to pass the gates",)
    again = registers(metrics(passing=0.06), passing=0.5)
    assert again.crowned and again.version == first.version == again.champion
    assert "but fails today" in again.reasons[0] and "6.0 % of its images pass for real" in again.reasons[1]
    assert tags(store, first)["verdict"] == first.reasons[0]
    assert tags(store, first)["verdict_now"] == "; ".join(again.reasons)
    assert registers(metrics(passing=0.06)).reasons == ("is the champion already",)
    assert tags(store, first)["verdict_now"] == "is the champion already"


def test_a_class_of_few_patients_crowns_nobody(registers: Registers, prepared: Prepared) -> None:
    assert prepared.labels is not None
    for few, crowned in ((4, False), (5, True)):
        patients = np.where(prepared.labels == 1, prepared.patients % few, prepared.patients)
        found = registers(metrics(), name=f"few-{few}", data=replace(prepared, patients=patients))
        assert found.crowned is crowned
        assert (f"too few patients to mean anything: 4 ({prepared.label_names[1]})" in found.reasons[0]) is not crowned


def test_looks_at_the_test_images_are_counted_over_all_names(store: Store, registers: Registers) -> None:
    first = registers(metrics(), name="looks-adversarial")
    seen = int(tags(store, first)["test_split_seen"])
    second = registers(metrics(), name="looks-multiscale")
    assert second.version == 1 and int(tags(store, second)["test_split_seen"]) == seen + 1
    # Registered again, it is no new look.
    assert tags(store, registers(metrics(), name="looks-adversarial"))["test_split_seen"] == str(seen)


def test_nothing_is_scored_again_where_a_gate_has_failed(registers: Registers) -> None:
    assert registers(metrics()).crowned
    refused = registers(metrics(passing=0.01), training="two")
    assert not refused.crowned and "pass for real" in refused.reasons[0]
    with pytest.raises(MedganError, match="this protocol has no embedder"):
        registers(metrics(), training="three")
