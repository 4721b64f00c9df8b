"""All stages in order in one folder: the files of dvc.yaml, one run, one version; and again without a trace."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from mlflow import MlflowClient
from PIL import Image
from stages import ASKED, STAGES, UNGATED, after_stages, stage

from benchmarks.outage import free_port
from medgan.config.schema import Config, load_config
from medgan.data.store import Prepared, open_prepared
from medgan.device import use_cpu
from medgan.errors import MedganError
from medgan.evaluation.evaluate import mae_margin
from medgan.evaluation.generators import ExportedGenerator
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.evaluation.report import TranslationReport, read_reports
from medgan.evaluation.rescoring import rival
from medgan.gans.drawing import GRID_COLUMNS
from medgan.imaging.arrays import to_uint8
from medgan.imaging.grids import grid
from medgan.imaging.intensity import EIGHT_BITS
from medgan.runtime.generator import OnnxGenerator, golden_difference
from medgan.scores.extractor import Extractor
from medgan.scores.validation_images import example_conditions
from medgan.tracking.models import downloaded
from medgan.tracking.names import named
from medgan.tracking.opening import store_at
from medgan.tracking.recording import find_run
from medgan.training.result import load_generators
from medgan.usefulness.report import HARMED, HELPED, UNSEEN, from_tree
from medgan.workspace.champion import fetch_champion
from medgan.workspace.comparing import compare

pytestmark = [
    pytest.mark.slow,
    # MLflow's own use of SQLAlchemy, in every query for runs, and what it says while it logs a model.
    pytest.mark.filterwarnings(
        "ignore:The ..noload.. loader strategy:DeprecationWarning",
        "ignore::FutureWarning:mlflow",
        "ignore::UserWarning:mlflow",
    ),
]

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Iterator[Path]:
    """A folder after a first run of all stages."""
    # So small a generator would pass no gate.
    with after_stages(tmp_path_factory.mktemp("pipeline"), config.override(UNGATED | ASKED)) as folder:
        yield folder


def client(place: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{place / 'mlflow.db'}")


def runs(place: Path) -> dict[str, str]:
    """Id and status of every run."""
    store = client(place)
    (experiment,) = [e for e in store.search_experiments() if e.name != "Default"]
    return {run.info.run_id: run.info.status for run in store.search_runs([experiment.experiment_id])}


def pictures(store: MlflowClient, run_id: str) -> int:
    return sum(item.path.endswith(".png") for item in store.list_artifacts(run_id, "images"))


def test_every_stage_writes_what_dvc_yaml_says(place: Path) -> None:
    for name, described in STAGES.items():
        for out in [*described.get("outs", []), *described.get("metrics", [])]:
            path = place / (out if isinstance(out, str) else next(iter(out)))
            assert path.exists(), (name, path)
            assert path.is_file() or any(path.iterdir()), (name, path)
    for name in ("generator.safetensors", "fingerprint.json", "history.jsonl", "samples/step-000006.png"):
        assert (place / "artifacts/train" / name).stat().st_size > 0
    assert not list(place.glob(".checkpoints/trial-*"))


def test_the_results_belong_together(place: Path) -> None:
    description = json.loads((place / "artifacts/train/fingerprint.json").read_text())
    registered = json.loads((place / "artifacts/registry.json").read_text())
    metrics = json.loads((place / "reports/metrics.json").read_text())
    generator = OnnxGenerator(place / "artifacts/export/generator.onnx")
    assert registered["fingerprint"] == generator.metadata["fingerprint"] == description["fingerprint"]
    assert registered["crowned"] and registered["champion"] == registered["version"]
    assert generator.label_names == tuple(description["label_names"])
    scores = json.loads(generator.metadata["scores"])
    assert (scores["fid"], scores["floor"]) == (metrics["quality"]["fid"], metrics["floor"]["fid"])
    assert scores["passing"] == metrics["two_sample"]["generated"]["told_apart"]["overall"]["passing"]
    assert scores["copies"] == metrics["copying"]["verdict"]
    assert generator.intensity == EIGHT_BITS
    contract = {"value_range", "scores", "data_md5", "commit", "recipe", "modality", "licence", "notice"}
    assert contract <= generator.metadata.keys()
    assert golden_difference(generator, place / "artifacts/export/golden.npz") < 1e-4
    assert str(place).encode() not in (place / "artifacts/export/generator.onnx").read_bytes()
    best = yaml.safe_load((place / "artifacts/search/best.yaml").read_text())
    asked = yaml.safe_load((place / "params.yaml").read_text())["gan"]["lr"]
    assert description["gan"]["lr"] == best.get("gan.lr", asked)


def test_whether_drawn_images_help_stands_in_the_report_the_run_and_the_version(place: Path) -> None:
    verdict = json.loads((place / "reports/utility.json").read_text())
    assert verdict["verdict"] in (HELPED, UNSEEN, HARMED)
    figures = from_tree(json.loads((place / "reports/utility/figures.json").read_text()))
    assert (figures.sentence, figures.seeds) == (verdict["sentence"], 2) and abs(figures.n - 100) < 3
    assert set(figures.sizes[0].regimes) == {"real", "augmented", "drawn alone", "drawn x1", "copies x1"}
    registered, store = json.loads((place / "artifacts/registry.json").read_text()), client(place)
    version = store.get_model_version(registered["name"], registered["version"])
    assert version.tags["utility"] == verdict["sentence"]
    run = store.get_run(version.run_id).data
    assert run.tags["utility"] == verdict["sentence"]
    assert run.metrics["test/use"] == pytest.approx(verdict["gain"]["value"], rel=1e-3)


def test_the_store_holds_one_run_of_everything(place: Path) -> None:
    store, states = client(place), runs(place)
    assert "RUNNING" not in states.values()
    kinds = [store.get_run(run_id).data.tags["medgan.kind"] for run_id in states]
    # params.yaml as it is and one finalist, on two fresh seeds each.
    assert sorted(kinds) == [*["fresh"] * 4, "search", "training", "trial", "trial"]
    (run,) = [store.get_run(run_id) for run_id, kind in zip(states, kinds, strict=True) if kind == "training"]
    metrics = json.loads((place / "reports/metrics.json").read_text())
    shown = run.data.metrics
    assert shown["test/fid"] == pytest.approx(metrics["quality"]["fid"], rel=1e-3)
    assert shown["test/fid_real"] == pytest.approx(metrics["floor"]["fid"], rel=1e-3)
    assert len([name for name in shown if name.startswith("test/")]) <= 12 and min(shown).startswith("test/")
    assert {name.partition("/")[0] for name in shown} == {"test", "training", "validation"}
    assert run.data.params["recipe"] == "default, edited" and run.data.params["train.steps"] == "6"
    assert not any(name.startswith(("gan.loss", "train.restart")) for name in run.data.params)  # as in the recipe
    files = {item.path for item in store.list_artifacts(run.info.run_id)}
    assert {"metrics.json", "samples.png", "real.png", "closest.png", "utility.json", "classifiers.png"} <= files
    assert {"report.html", "model_card.md", "parameters.yaml", "export.json"} <= files
    # Before the first step, and two evaluations.
    assert pictures(store, run.info.run_id) == 3


def test_the_champion_is_fetched_and_the_page_of_two_runs_is_written(place: Path, tmp_path: Path) -> None:
    said = fetch_champion(place, None, tmp_path / "champion")
    assert "medgan-phantom-synthesis version 1, checked by its golden vectors" in said
    exported = (place / "artifacts/export/generator.onnx").read_bytes()
    assert (tmp_path / "champion/generator.onnx").read_bytes() == exported
    with pytest.raises(MedganError, match="nobody has no champion: no version has passed the gates"):
        fetch_champion(place, "nobody", tmp_path / "champion")
    fingerprint = json.loads((place / "artifacts/train/fingerprint.json").read_text())["fingerprint"]
    said = compare(place, (fingerprint[:8], fingerprint), tmp_path / "compare.html")
    assert said.startswith("No difference beyond chance") and (tmp_path / "compare.html").stat().st_size > 10_000
    with pytest.raises(MedganError, match="no single run is called 'x'; generators of this data set: 'default on"):
        compare(place, ("x", "y"), tmp_path / "compare.html")


def test_pages_of_the_store_say_what_they_show(place: Path) -> None:
    store, registered = client(place), json.loads((place / "artifacts/registry.json").read_text())
    experiment = store.get_experiment(registered["experiment"])
    assert "data set **phantom**" in experiment.tags["mlflow.note.content"]
    view = json.loads(experiment.tags["mlflow.sharedViewState.medgan"])
    assert view["selectedColumns"][:3] == ["metrics.`test/fid`", "metrics.`test/recall`", "metrics.`test/passing`"]
    version = store.get_model_version(registered["name"], registered["version"])
    assert version.description.startswith("**Synthetic; not for diagnosis.**")
    assert f"get-artifact?path=samples.png&run_uuid={version.run_id}" in version.description
    assert "`medgan champion` fetches it" in store.get_registered_model(registered["name"]).description
    files = {Path(item.path).name for item in store.list_logged_model_artifacts(version.source.rpartition("/")[2])}
    assert {"golden.npz", "MLmodel", "input_example.json"} <= files
    # What is not known before the first step stands first, so that comparisons begin with it.
    first, *_ = store.get_metric_history(version.run_id, "test/fid")
    assert np.isnan(first.value)


def test_stages_that_run_again_add_nothing(place: Path) -> None:
    before = runs(place)
    registered = (place / "artifacts/registry.json").read_text()
    weights = (place / "artifacts/train/generator.safetensors").read_bytes()
    onnx = (place / "artifacts/export/generator.onnx").read_bytes()
    trials = (place / "artifacts/search/trials.csv").read_bytes()
    for name in ("search", "train", "evaluate", "export", "register"):
        stage(name)
    assert runs(place) == before
    assert json.loads((place / "artifacts/registry.json").read_text())["version"] == json.loads(registered)["version"]
    assert (place / "artifacts/train/generator.safetensors").read_bytes() == weights
    assert (place / "artifacts/export/generator.onnx").read_bytes() == onnx
    assert (place / "artifacts/search/trials.csv").read_bytes() == trials
    store = client(place)
    assert len(store.search_model_versions()) == 1
    (run,) = [r for r in map(store.get_run, before) if r.data.tags["medgan.kind"] == "training"]
    assert run.data.tags["medgan.recipe"] == "default, edited" and run.info.run_name.startswith("default on phantom ")
    assert len(store.get_metric_history(run.info.run_id, "validation/fid_raw")) == 2
    assert pictures(store, run.info.run_id) == 3


def test_restarting_a_training_keeps_its_one_run(place: Path) -> None:
    """train.restart is outside the fingerprint; MLflow takes no second value of a param."""
    before, original = runs(place), (place / "params.yaml").read_text()
    tree = yaml.safe_load(original)
    tree["train"]["restart"] = True
    tree["search"]["trials"] = 3
    (place / "params.yaml").write_text(yaml.safe_dump(tree))
    stage("search")
    best = (place / "artifacts/search/best.yaml").read_text()
    stage("train")
    (place / "params.yaml").write_text(original)
    added = set(runs(place)) - set(before)
    kinds = sorted(client(place).get_run(run_id).data.tags["medgan.kind"] for run_id in added)
    # The third trial, and where it is a finalist fresh seeds, and where it won a training of its values.
    assert [kind for kind in kinds if kind != "fresh"] in (["trial"], ["training", "trial"]), best
    assert kinds.count("fresh") in (0, 4)
    assert "RUNNING" not in runs(place).values()


def test_a_lost_store_is_made_again(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty store, as after mlflow.db was deleted: the run of artifacts/train is there again, with everything."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    empty = store_at(tmp_path, "phantom")
    run_id, found = find_run(empty, "train again", place / "artifacts" / "train")
    assert found.fingerprint == json.loads((place / "artifacts/train/fingerprint.json").read_text())["fingerprint"]
    run = empty.client.get_run(run_id)
    rows = [json.loads(line) for line in (place / "artifacts/train/history.jsonl").read_text().splitlines()]
    rows = named(rows, "fid")
    for key in {key for row in rows for key in row} - {"step", "time"}:
        sent = [(p.step, p.value, p.timestamp) for p in empty.client.get_metric_history(run_id, key)]
        assert sorted(sent) == sorted((row["step"], row[key], int(1000 * row["time"])) for row in rows if key in row)
    assert run.info.status == "FINISHED" and run.data.params["gan.batch"] == str(found.gan["batch"])
    assert pictures(empty.client, run_id) == 3
    assert find_run(empty, "train again", place / "artifacts" / "train")[0] == run_id
    # A run that was killed before everything was sent is completed.
    empty.client.delete_tag(run_id, "medgan.complete")
    empty.client.set_terminated(run_id, "FAILED")
    assert find_run(empty, "train again", place / "artifacts" / "train")[0] == run_id
    assert empty.client.get_run(run_id).info.status == "FINISHED"
    assert pictures(empty.client, run_id) == 3


def test_stages_without_what_they_need_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(place / "params.yaml", tmp_path)
    for name in ("features", "search"):
        with pytest.raises(MedganError, match="does not exist"):
            stage(name)
    assert np.array_equal(sorted(path.name for path in tmp_path.iterdir()), ["params.yaml"])


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory: pytest.TempPathFactory, config: Config, place: Path) -> Iterator[Path]:
    """The same for a CycleGAN between T1w and T2w, searched and chosen by MAE."""
    changes = {
        "data.labels": False,
        "data.options": {"count": 480, "slices": 4, "modalities": ["T2w"], "source_modalities": ["T1w"]},
        "gan.name": "cyclegan",
        "gan.model": {"name": "unet", "width": 4, "max_width": 8, "levels": 1, "discriminator_width": 4},
        "train.score": "mae",
    }
    with after_stages(tmp_path_factory.mktemp("both-ways"), config.override(changes)) as folder:
        yield folder


def test_translation_is_measured_exported_and_registered_both_ways(both_ways: Path) -> None:
    metrics = json.loads((both_ways / "reports/metrics.json").read_text())
    registry = json.loads((both_ways / "artifacts/registry.json").read_text())
    back = (metrics["reverse"], registry["reverse"], "-reverse")
    ways = (
        ("artifacts/export", "T1w to T2w", metrics, registry, ""),
        ("artifacts/export/reverse", "T2w to T1w", *back),
    )
    for folder, direction, measured, registered, suffix in ways:
        path = both_ways / folder / "generator.onnx"
        generator = OnnxGenerator(path)
        assert generator.metadata["direction"] == direction and "z" not in generator.metadata
        assert golden_difference(generator, path.with_name("golden.npz")) < 1e-4
        assert json.loads(generator.metadata["scores"])["mae"] == measured["quality"]["mae"]
        assert measured["quality"]["mae_low"] < measured["quality"]["mae"] < measured["quality"]["mae_high"]
        assert {"mean", "source"} == measured["baselines"].keys()
        assert registered["name"] == f"medgan-phantom-cyclegan{suffix}" and registered["version"] == 1
        # So few steps beat no image that looks at nothing, and that is what it says.
        assert not registered["crowned"] and "that of the mean image" in registered["reasons"][0]
    # What stands first, because nobody knows it yet, is known in the end.
    last = [client(both_ways).get_run(run_id).data.metrics for run_id in runs(both_ways)]
    assert not any(np.isnan(value) for metrics_of_run in last for value in metrics_of_run.values())
    assert metrics["quality"]["kid"] > metrics["floor"]["kid"] and metrics["reverse"]["quality"]["kid"] is None


def test_the_picture_of_the_test_shows_both_ways(both_ways: Path) -> None:
    """Each way is four times a row of sources, one of what its generator makes of them, targets and errors."""
    prepared = open_prepared(both_ways / "data/prepared")
    with Image.open(both_ways / "reports/samples.png") as image:
        pictures = np.split(np.asarray(image)[..., None], 2)
    ways = ((prepared, "artifacts/export"), (prepared.opposite(), "artifacts/export/reverse"))
    for picture, (data, folder) in zip(pictures, ways, strict=True):
        given = example_conditions(data, "test")
        source, target = (given[name].numpy()[:GRID_COLUMNS] for name in ("source", "target"))
        drawn = OnnxGenerator(both_ways / folder / "generator.onnx").translate(source)
        first = grid(to_uint8(np.concatenate([source, drawn, target])), columns=GRID_COLUMNS)
        # Rounding of ONNX Runtime's images may go the other way.
        assert np.abs(picture[: len(first)].astype(int) - first).max() <= 1


Judging = dict[str, tuple[Path, Prepared, EvaluationProtocol]]


@pytest.fixture(scope="module")
def judging(both_ways: Path) -> Judging:
    """By the name of the way of drawing: its file, and data and protocol as it sees them."""
    config, prepared = load_config(both_ways / "params.yaml"), open_prepared(both_ways / "data/prepared")
    extractor = Extractor.load(both_ways / "artifacts/features/extractor.safetensors")
    protocol = EvaluationProtocol.of(config.evaluate, extractor, seed=config.seed)
    gan, _, _ = load_generators(both_ways / "artifacts/train")
    return {
        way.name: (
            both_ways / "artifacts/export" / way.name / "generator.onnx",
            way.view(prepared),
            protocol.seen_from(way, prepared),
        )
        for way in gan.ways()
    }


def test_a_champion_that_translates_is_scored_as_it_was(both_ways: Path, judging: Judging) -> None:
    reports = read_reports(both_ways / "reports/metrics.json")
    assert reports.keys() == judging.keys() == {"", "reverse"}
    for name, (path, data, protocol) in judging.items():
        report = rival(path, path, reports[name], data, protocol).report
        assert isinstance(report, TranslationReport)
        assert report.headline.value == pytest.approx(reports[name].headline.value, rel=1e-4)
        assert report.baselines == reports[name].baselines and report.floor == reports[name].floor
        assert rival(path, path, reports[name], data.opposite(), protocol).report == (
            f"the champion translates {'T2w to T1w' if name else 'T1w to T2w'}; give these data another data.name"
        )


def test_a_champion_of_another_split_is_not_scored(both_ways: Path, judging: Judging, tmp_path: Path) -> None:
    path, data, protocol = judging[""]
    model = onnx.load(path)
    (known,) = [entry for entry in model.metadata_props if entry.key == "data_md5"]
    known.value = "0" * 32
    onnx.save(model, tmp_path / "foreign.onnx")
    report = read_reports(both_ways / "reports/metrics.json")[""]
    assert "may hold today's test images" in str(rival(tmp_path / "foreign.onnx", path, report, data, protocol).report)


def test_a_translator_stands_against_the_champion_by_the_margin_of_their_difference(
    both_ways: Path, judging: Judging
) -> None:
    path, data, protocol = judging[""]
    report = read_reports(both_ways / "reports/metrics.json")[""]
    opponent = rival(path, path, report, data, protocol)
    assert opponent.challenger is report and isinstance(opponent.report, TranslationReport) and opponent.margin == 0
    there, back = (ExportedGenerator(OnnxGenerator(file)) for file, _, _ in judging.values())
    _, seen, of_the_way_back = judging["reverse"]
    assert 0 < mae_margin(there, back, seen, of_the_way_back) < 0.5


def test_another_file_of_the_same_training_is_another_version(both_ways: Path) -> None:
    """A corrected licence, say: what is registered is always what lies in artifacts/export."""
    path, original = both_ways / "params.yaml", (both_ways / "params.yaml").read_text()
    store, figures = client(both_ways), both_ways / "reports/metrics.json"
    measured = figures.read_text()
    tree = yaml.safe_load(original)
    tree["data"]["licence"] = "CC-BY-4.0"
    path.write_text(yaml.safe_dump(tree))
    stage("export")
    # As if both had been better than any image that looks at nothing, and reigned since: each meets its own champion.
    ungated = json.loads(measured)
    ungated["baselines"] = ungated["reverse"]["baselines"] = {}
    figures.write_text(json.dumps(ungated))
    names = ("medgan-phantom-cyclegan", "medgan-phantom-cyclegan-reverse")
    for name in names:
        store.set_registered_model_alias(name, "champion", "1")
    stage("register")
    registry = json.loads((both_ways / "artifacts/registry.json").read_text())
    for way, registered in ((ungated, registry), (ungated["reverse"], registry["reverse"])):
        figure = f"{way['quality']['mae']:.4g}"
        assert registered["reasons"][0].startswith(f"MAE {figure} against the champion's {figure}")
    assert registry["version"] == registry["reverse"]["version"] == 2
    (version,) = [v for v in store.search_model_versions() if (v.name, v.version) == (registry["name"], 2)]
    with downloaded(version) as model:
        assert OnnxGenerator(model).metadata["licence"] == "CC-BY-4.0"
    for name in names:
        store.delete_registered_model_alias(name, "champion")
    path.write_text(original)
    figures.write_text(measured)
    stage("export")
    stage("register")
    assert json.loads((both_ways / "artifacts/registry.json").read_text())["version"] == 1
    assert len(store.search_model_versions()) == 4


def test_registering_both_ways_again_adds_nothing(both_ways: Path) -> None:
    before, written = runs(both_ways), (both_ways / "artifacts/registry.json").read_text()
    versions = len(client(both_ways).search_model_versions())
    stage("register")
    assert runs(both_ways) == before
    assert (both_ways / "artifacts/registry.json").read_text() == written
    assert len(client(both_ways).search_model_versions()) == versions


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Iterator[Path]:
    """A folder before its training, of networks that several processes can share."""
    values = {
        "gan.model": {"name": "transformer", "latent_dim": 8, "width": 32, "blocks": 1},
        "search.trials": 0,
        "train.threads": "auto",
    }
    stages = [name for name in STAGES if name in ("prepare", "features", "search")]
    with after_stages(tmp_path_factory.mktemp("alone"), config.override(values), stages) as folder:
        yield folder
    use_cpu(1)  # its stages run with `auto` in this process


def torchrun(folder: Path, processes: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    return subprocess.run(
        [*command, "--master-port", str(free_port()), "-m", "pipelines.train"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_what_torchrun_trained_is_found_finished_by_one_process(alone: Path) -> None:
    done = torchrun(alone, 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("best on validation") == 1
    before, description = runs(alone), (alone / "artifacts/train/fingerprint.json").read_bytes()
    assert list(before.values()) == ["FINISHED"]
    stage("train")
    assert runs(alone) == before and (alone / "artifacts/train/fingerprint.json").read_bytes() == description
