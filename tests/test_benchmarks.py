"""What benchmarks stand on: equal budgets, one protocol, rows that are kept. What they measure is not tested."""

import json
import tarfile
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import (
    blind,
    fits,
    halves,
    intervals,
    judging,
    real_data,
    recipes,
    tables,
    textbook,
    texture,
    use_tables,
)
from benchmarks.drawers import Quality
from benchmarks.judging import Subject, configuration, judge, open_subject, row_identity, train
from benchmarks.tables import cpu_seconds, write_table
from benchmarks.translation import PUBLISHED, RECOMMENDED
from medgan.config.schema import Config, parse_config
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.runtime.generator import OnnxGenerator
from medgan.training.checkpoint import read_checkpoint
from medgan.usefulness.study import Outcome

RECIPES = sorted(path.stem for path in (judging.ROOT / "recipes").glob("*.yaml"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(autouse=True)
def _elsewhere(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "WORK", work)


@pytest.fixture(scope="module")
def subject(config: Config, work: Path) -> Subject:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "WORK", work)
        return open_subject(config)


def test_a_step_and_an_evaluation_are_measured(config: Config, subject: Subject) -> None:
    step, evaluation = judging._costs(config, subject, 2, 40)
    assert step > 0 and evaluation >= 0


def test_the_budget_decides_the_steps_and_a_row_is_made_once(
    config: Config, subject: Subject, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_costs", lambda *_: (0.03, 0.05))
    short = judge("short", config, subject, cpu_seconds=1)
    long = judge("long", config, subject, cpu_seconds=3)
    assert (short.steps, long.steps) == (29, 93)
    assert short.quality.n == subject.floor.n == 100
    assert short.quality.fid > subject.floor.fid
    assert short.picture.stat().st_size > 0
    assert judge("renamed", config, subject, cpu_seconds=1) == replace(short, name="renamed")
    assert not list(work.glob("train-*"))


def test_a_kill_before_judging_costs_no_figure(config: Config, subject: Subject, tmp_path: Path) -> None:
    trained, spent = train("killed", config, subject, tmp_path)
    again, kept = train("killed", config, subject, tmp_path)
    assert trained.resumed_from == 0 and again.resumed_from == config.train.steps
    assert kept == spent > 0


def test_another_protocol_is_another_row(config: Config, subject: Subject) -> None:
    keys = {
        row_identity(config.override(changes), subject)
        for changes in ({}, {"evaluate.bootstrap": 6}, {"evaluate.n": 101}, {"gan.lr": 0.1}, {"seed": 1})
    }
    assert len(keys) == 5


def test_the_generator_behind_intervals_learns_anew_where_its_training_differs(
    config: Config, subject: Subject
) -> None:
    other = config.override({"gan.lr": 2 * config.gan.lr})
    trained = [train("intervals", each, subject, intervals.checkpoints(each, subject))[0] for each in (config, other)]
    assert [training.resumed_from for training in trained] == [0, 0]
    again, _ = train("intervals", config, subject, intervals.checkpoints(config, subject))
    assert again.resumed_from == config.train.steps


def test_the_textbook_learns_from_the_training_images_alone(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, work: Path
) -> None:
    monkeypatch.setattr(textbook, "WORK", work)
    monkeypatch.setattr(textbook, "BATCH", 16)
    folder = textbook.image_folder(subject.prepared)
    assert len(list(folder.glob("*/*.png"))) == len(subject.prepared.indices("train"))
    assert {path.name for path in folder.iterdir()} == set(subject.prepared.label_names)
    training = textbook.Textbook(folder, subject.prepared.spec, seed=0)
    before = [weight.clone() for weight in training.generator.parameters()]
    losses = [training.step() for _ in range(2)]
    assert all(0 < value < 20 for pair in losses for value in pair)
    assert any(not torch.equal(a, b) for a, b in zip(before, training.generator.parameters(), strict=True))
    z = np.zeros((5, training.latent_dim), np.float32)
    assert training.draw({"z": z}).shape == (5, 1, 16, 16)


def test_halves_share_no_patient_and_rounds_are_kept(
    config: Config, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = subject.prepared
    one, other = halves.halves(data, seed=1, side=100)
    assert len(set(one)) == len(set(other)) == 100
    assert not set(data.patients[one]) & set(data.patients[other])
    assert set(one) != set(halves.halves(data, seed=2, side=100)[0])
    monkeypatch.setattr(halves, "SIDE", 100)
    brief = config.override({"evaluate.told_apart_steps": 10})
    rows = halves.told("phantoms", data, brief, 2)
    assert [(row.round, row.images) for row in rows] == [(0, "real"), (1, "real"), *((0, d) for d in halves.DAMAGES)]
    assert len({row.log_loss for row in rows}) == len(rows)
    assert halves.told("phantoms", data, brief, 2) == rows
    assert all(0 <= row.low <= row.accuracy <= row.high <= 1 and row.n <= 100 for row in rows)
    assert "Two halves in 2 rounds" in "".join(halves.table("phantoms", rows))


def test_translation_compares_recipes_of_the_same_subjects() -> None:
    assert {*PUBLISHED, *RECOMMENDED} <= set(RECIPES)
    trees = [
        configuration(name).model_dump(include={"data", "features", "evaluate"}) for name in (*PUBLISHED, *RECOMMENDED)
    ]
    assert all(tree == trees[0] for tree in trees)


def test_another_configuration_is_another_row(config: Config, subject: Subject) -> None:
    known = judge("known", config, subject, cpu_seconds=1)
    other = judge("other", config.override({"gan.lr": 0.002}), subject, cpu_seconds=1)
    assert other.quality != known.quality


def test_networks_can_be_kept_for_transfer(config: Config, subject: Subject, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "networks.checkpoint"
    judged = judge("kept", config, subject, cpu_seconds=1, checkpoint=path)
    checkpoint = read_checkpoint(path)
    assert checkpoint is not None and checkpoint.step == judged.steps


def test_data_are_prepared_once_and_a_small_set_has_the_same_judges(config: Config, subject: Subject) -> None:
    again = open_subject(config)
    assert again.prepared.md5 == subject.prepared.md5
    assert again.floor == subject.floor
    small = open_subject(config.override({"data.train_per_class": 20}))
    assert len(small.prepared.indices("train")) == 60 < len(subject.prepared.indices("train"))
    assert small.extractor.digest == subject.extractor.digest
    assert small.floor.n == subject.floor.n


def test_a_table_refuses_rows_of_another_protocol(
    config: Config, subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "RESULTS", tmp_path / "results")
    row = judge("row", config, subject, cpu_seconds=1)
    write_table("table", "Title", [row], subject)
    assert json.loads((tmp_path / "results" / "table.json").read_text())["rows"][0]["name"] == "row"
    assert "| row | " in (tmp_path / "results" / "table.md").read_text()
    foreign = replace(row, quality=replace(row.quality, digest="another"))
    with pytest.raises(MedganError, match="digest"):
        write_table("table", "Title", [row, foreign], subject)


def test_a_recipe_can_be_put_on_the_data_of_another() -> None:
    plain, moved = configuration("dcgan-published"), configuration("dcgan-published", data="medical-mnist")
    assert moved.gan == plain.gan
    assert moved.data.name == "medical-mnist" and moved.data.raw.is_absolute()
    assert configuration("dcgan-published", changes={"gan.batch": 16}).gan.batch == 16


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_put_on_phantoms(name: str) -> None:
    config, own = parse_config(recipes.on_phantoms(name)), configuration(name)
    assert config.gan == own.gan
    assert (config.data.size, config.data.channels) == (own.data.size, own.data.channels)
    assert config.data.source == "phantom" and config.data.name != own.data.name


@pytest.mark.parametrize("text", ["0", "-1", "soon"])
def test_a_budget_that_is_none_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmark", text])
    with pytest.raises(SystemExit):
        cpu_seconds("What it does.", default=1)
    assert text in capsys.readouterr().err


def test_raw_files_are_found_unpacked_or_in_an_archive(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(judging, "ROOT", tmp_path)
    monkeypatch.setenv("MEDGAN_REAL_DATA", str(tmp_path))
    assert real_data.raw("chest-xray") is None and "chest-xray-kermany.tar.xz" in capsys.readouterr().out
    image = tmp_path / "chest_xray" / "train" / "person1_virus_6.jpeg"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"an image")
    with tarfile.open(tmp_path / "chest-xray-kermany.tar.xz", "w:xz") as archive:
        archive.add(image, "chest_xray/train/person1_virus_6.jpeg")
        archive.add(image, "../outside.jpeg")
    for _ in range(2):
        folder = real_data.raw("chest-xray")
        assert folder == work / "raw" / "chest-xray" / "chest_xray" / "train"
        assert [path.name for path in folder.iterdir()] == [image.name]
    assert not list(work.rglob("outside.jpeg"))
    (tmp_path / "data" / "raw" / "chest-xray" / "chest_xray" / "train").mkdir(parents=True)
    assert real_data.raw("chest-xray") == tmp_path / "data" / "raw" / "chest-xray" / "chest_xray" / "train"


def test_raw_files_that_change_are_prepared_anew(config: Config, subject: Subject, tmp_path: Path) -> None:
    table = tmp_path / "phantom.yaml"
    table.write_text(config.data.raw.read_text())
    same = open_subject(config.override({"data.raw": str(table)}))
    assert same.prepared.md5 == subject.prepared.md5 and same.extractor.digest == subject.extractor.digest
    folder = tmp_path / "images"
    for number in range(60):
        path = folder / "abc"[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8)).save(path)
    changed = config.override({"data.source": "folder", "data.raw": str(folder), "data.options": {}})
    before = judging.prepared(changed).md5
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(folder / "a" / "0.png")
    assert judging.prepared(changed).md5 != before


def test_a_blind_test_counts_right_answers_by_class(prepared: Prepared, tiny_onnx: Path, tmp_path: Path) -> None:
    generator = OnnxGenerator(tiny_onnx)
    data = replace(prepared, label_names=generator.label_names)
    blind.write_sheets(generator, data, 4, 0, tmp_path)
    for name in data.label_names:
        with Image.open(tmp_path / f"{name}.png") as sheet:
            assert sheet.height > 0
    text = (tmp_path / "key.csv").read_text()
    assert text.count(",r") == text.count(",d") == 4 * len(data.label_names)
    said = blind.counted(tmp_path / "key.csv", tmp_path / "key.csv")
    assert said[0] == f"{data.label_names[0]}: 8 of 8 right"
    assert said[-1].startswith("in all: 24 of 24 right; by guessing as many or more are right in 6e-08")
    assert blind.counted(tmp_path / "answers.csv", tmp_path / "key.csv")[-1].startswith("in all: 0 of 0 right")
    key = (tmp_path / "key.csv").read_text()
    blind.write_sheets(generator, data, 4, 1, tmp_path)
    assert (tmp_path / "key.csv").read_text() != key


def test_texture_is_of_even_parts_and_of_the_finest_waves() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(20, 1, 32, 32)).astype(np.float32)
    images[:, :, :16] = 0.5
    real = texture.texture(images)
    assert real.even == pytest.approx(15 / 30, abs=0.04)
    assert texture.texture(2 * images).decibels(real) == pytest.approx(6.02, abs=0.01)
    smooth = np.broadcast_to(np.sin(np.arange(32) * 2 * np.pi / 16, dtype=np.float32), (2, 1, 32, 32))
    assert texture.texture(smooth).finest < 1e-6 * real.finest


def fitted(images: np.ndarray, folder: Path) -> Outcome:
    (folder / str(len(list(folder.iterdir())))).touch()
    return Outcome(len(images), float(images.mean()), (), images[:1])


def test_a_fit_is_found_again_by_any_number_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.ones((1 << 19, 2), np.float32)  # more than joblib sends to a process as it is
    tasks = {("a", 0): partial(fitted, images, tmp_path), ("a", 1): partial(fitted, 0 * images, tmp_path)}
    found = []
    for processes in (2, 1):
        monkeypatch.setattr(fits, "resolve_threads", lambda _, processes=processes: processes)
        found.append(fits.kept_fits(tasks, title="fits"))
        assert len(list(tmp_path.iterdir())) <= 2
    assert [each.validation for each in found[0].values()] == [each.validation for each in found[1].values()] == [1, 0]


def test_a_generator_is_ranked_among_those_of_its_own_study() -> None:
    def study(offset: float) -> list[dict[str, float]]:
        names = [field.name for field in fields(Quality)]
        return [dict.fromkeys(names, 0.0) | {"fid": offset + n, "alone": offset - n, "gain": n % 2} for n in range(9)]

    lines = {line.split(" | ")[0]: line for line in use_tables.predictors([study(0), study(100)], "two")}
    assert lines["| fid"].startswith("| fid | -1.00 [-1.00, -1.00] | ")
    assert lines["| recall"] == "| recall | all alike | all alike |"
