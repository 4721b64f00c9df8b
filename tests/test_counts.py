"""Whether the images suffice for what the stages ask, and what people are told of them."""

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgan.config.schema import Config
from medgan.data.store import Prepared
from medgan.errors import MedganError
from medgan.evaluation.protocol import EvaluationProtocol
from medgan.sources.account import account
from medgan.workspace.counts import check_counts, doubts

# Of the shared prepared data: 240 training images, 120 for validation and for test, of three classes.


def said(config: Config, prepared: Prepared, **values: Any) -> list[str]:
    with pytest.raises(MedganError) as caught:
        check_counts(config.override({key.replace("__", "."): value for key, value in values.items()}), prepared)
    return str(caught.value).split("; ")


def test_what_fits_is_no_error(config: Config, prepared: Prepared) -> None:
    check_counts(config.override({"search.n": 120, "train.n": 120, "evaluate.n": 120, "gan.batch": 240}), prepared)
    check_counts(config.override({"search.n": 5000, "search.trials": 0}), prepared)


def test_every_obstacle_is_told_at_once_with_the_value_to_set(config: Config, prepared: Prepared) -> None:
    values = {"search__n": 121, "train__n": 300, "evaluate__n": 5000, "gan__batch": 241}
    assert said(config, prepared, **values) == [
        "search.n is 121 and there are 120 validation images: set search.n: 120, or raise data.validation (a published "
        "split stays as it is)",
        "train.n is 300 and there are 120 validation images: set train.n: 120, or raise data.validation (a published "
        "split stays as it is)",
        "evaluate.n is 5,000 and there are 120 test images: set evaluate.n: 120, or raise data.test (a published split "
        "stays as it is)",
        "gan.batch is 241 and there are 240 training images: set gan.batch: 240",
    ]


def test_a_split_below_the_least_is_given_the_share_that_it_needs(config: Config, prepared: Prepared) -> None:
    few = np.full(100, "train", "U10")
    few[:10], few[10:15] = "test", "validation"
    rows = np.arange(100)
    small = replace(prepared, splits=few, images=prepared.images[rows], labels=None)
    validation, test = said(config, small, search__trials=0)
    assert validation == (
        "train.n is 100 and there are 5 validation images, of 15 at least: set data.validation: 0.15 (a published "
        "split stays as it is), or add images"
    )
    assert "evaluate.n is 100 and there are 10 test images, of 15 at least: set data.test: 0.15" in test
    tiny = replace(small, splits=few[:30], images=prepared.images[:30])
    assert said(config, tiny, search__trials=0)[0].endswith("there are 5 validation images, of 15 at least: add images")


@pytest.mark.parametrize("kept", [8, 20, 60])
def test_training_images_must_match_the_classes_that_are_judged(config: Config, prepared: Prepared, kept: int) -> None:
    """Of one class so many are left, of 40 in the test split."""
    assert prepared.labels is not None
    splits = prepared.splits.copy()
    splits[prepared.indices("train")[prepared.labels[prepared.indices("train")] == 0][kept:]] = "unused"
    short = replace(prepared, splits=splits)
    if kept >= 40:
        check_counts(config.override({"evaluate.n": 120}), short)
        return
    (sentence,) = said(config, short, evaluate__n=120)
    fits = int(re.findall(r"training images of their classes for (\d+)", sentence)[0])
    assert f"set evaluate.n: {fits}" in sentence or (fits < 30 and "add images" in sentence)
    protocol = EvaluationProtocol(None, None, n=fits, bootstrap=2, segmenter_steps=1, seed=config.seed)
    assert len(protocol.training(short)) == fits  # what the evaluation does
    with pytest.raises(MedganError, match=r"lower evaluate\.n"):
        replace(protocol, n=fits + 1).training(short)


def test_classes_too_small_for_a_gate_are_a_doubt(config: Config, prepared: Prepared) -> None:
    (doubt,) = doubts(config, prepared)
    assert doubt.startswith("evaluate.n = 100 judges 3") and "of healthy" in doubt and "of infarct" in doubt
    assert "needs 100 images for a champion" in doubt
    (whole,) = doubts(config.override({"gan.conditional": False, "evaluate.n": 99}), prepared)
    assert "evaluate.n = 99 judges 99 of all images" in whole
    assert not list(doubts(config.override({"gan.conditional": False}), prepared))
    ungated = {"register.recall": 0.0, "register.coverage": 0.0, "register.passing": 0.0}
    assert not list(doubts(config.override(ungated), prepared))


def test_translation_has_no_such_gates(config: Config, prepared: Prepared) -> None:
    assert not list(doubts(config.override({"gan.name": "translation"}), prepared))


# What people are told.


def folder(prepared: Prepared) -> Path:
    return Path(prepared.images.filename).parent  # type: ignore[attr-defined]


def test_the_account_counts_images_and_patients_by_class_and_split(prepared: Prepared) -> None:
    header, *rows = (line.split() for line in account(folder(prepared), Path("none"))[:5])
    assert header == ["images", "(patients)", "train", "validation", "test", "all"]
    assert [row[0] for row in rows] == ["healthy", "infarct", "tumour", "all"]
    assert rows[0][1:] == ["80", "(20)", "40", "(10)", "40", "(10)", "160", "(40)"]
    assert rows[-1][1:] == ["240", "(60)", "120", "(30)", "120", "(30)", "480", "(120)"]


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("patient", "patient 'x' is in both"),
        ("digest", "image 'x' is in both"),
        ("near_copy_of", "near-copy 'x' is in"),
    ],
)
def test_what_was_written_is_looked_at_for_leaks(prepared: Prepared, tmp_path: Path, column: str, says: str) -> None:
    for name in ("index.csv", "rejected.csv"):
        (tmp_path / name).write_bytes((folder(prepared) / name).read_bytes())
    account(tmp_path, Path("none"))
    with (tmp_path / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for split in ("train", "test"):
        next(row for row in rows if row["split"] == split)[column] = "x"
    with (tmp_path / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(MedganError, match=says):
        account(tmp_path, Path("none"))


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (("1", "1.0", "2"), "note: '1', '1.0' are classes of their own"),
        (("Ill", "ill ", "well"), "note: 'Ill', 'ill ' are classes of their own"),
        (("a1", "a2", "10"), ""),
    ],
)
def test_classes_that_look_like_one_are_named(
    prepared: Prepared, tmp_path: Path, names: tuple[str, ...], note: str
) -> None:
    (tmp_path / "rejected.csv").write_bytes((folder(prepared) / "rejected.csv").read_bytes())
    text = (folder(prepared) / "index.csv").read_text(encoding="utf-8")
    for lesion, name in zip(("healthy", "infarct", "tumour"), names, strict=True):
        text = text.replace(f",{lesion},", f",{name},")
    (tmp_path / "index.csv").write_text(text, encoding="utf-8")
    notes = [line for line in account(tmp_path, Path("none")) if line.startswith("note: ")]
    assert [line.startswith(note) for line in notes] == [True] * bool(note)
