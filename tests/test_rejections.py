"""What cannot be used: kinds of reasons, how much is too much, and classes that are lost."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgan.config.schema import Config
from medgan.data.spec import Rejected
from medgan.errors import MedganError
from medgan.sources.names import read_rejected_names, write_names
from medgan.sources.prepare import prepare
from medgan.sources.rejections import (
    RejectedError,
    check_rejected,
    described,
    kinds,
    read_rejected,
    write_rejected,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            ("a/1.png", "truncated (3 bytes not processed)"),
            ("b/2.png", "truncated (44 bytes not processed)"),
        ),
        (("x y.png", "no pair: it is there as «x y.png, y»"), ("z.png", "no pair: it is there as «z.png»")),
        (
            ("a", "cannot identify <_io.BytesIO object at 0x7f3a>"),
            ("b", "cannot identify <_io.BytesIO object at 0x81bc>"),
        ),
        (("a", "the pattern '^(p.)' does not match"), ("b", "the pattern '^(q.)' does not match")),
        (("a", "its mask has 3x4 and its image 5x6 pixels"), ("b", "its mask has 30x40 and its image 50x60 pixels")),
        (("a", "1,234.5 is outside"), ("b", "7 is outside")),
        (("p.png", "p.png: its header says p"), ("q/p2.png", "p2.png: its header says p2")),
    ],
)
def test_reasons_that_differ_in_numbers_and_names_are_of_one_kind(one: tuple[str, str], other: tuple[str, str]) -> None:
    third = Rejected("c/c.png", "an animation of several frames")
    first = Rejected(*one)
    assert kinds([third, first, Rejected(*other)]) == [(first, 2), (third, 1)]


def test_a_short_name_is_not_looked_for_inside_words() -> None:
    assert len(kinds([Rejected("a", "a bad header"), Rejected("e", "e bed header")])) == 2


def test_kinds_are_told_with_an_example_the_most_frequent_first() -> None:
    rejected = [Rejected("n.txt", "no image"), *(Rejected(f"{i}.png", f"torn after {i} bytes") for i in range(1500))]
    assert described(rejected, 8500) == [
        "1,501 of 10,001 files (15 %) cannot be used, for reasons such as:",
        "  1,500  0.png: torn after 0 bytes",
        "      1  n.txt: no image",
    ]
    assert described([], 5) == ["every file is used"]


def rejects(count: int, **fields: Any) -> list[Rejected]:
    return [Rejected(f"{i}.png", f"torn after {i} bytes", **fields) for i in range(count)]


@pytest.mark.parametrize(("number", "used", "most"), [(1, 99, 0.01), (0, 5, 0.0), (10, 0, 1.0)])
def test_a_share_up_to_the_limit_passes(number: int, used: int, most: float) -> None:
    check_rejected(rejects(number), used, (), most=most)


@pytest.mark.parametrize(("number", "used", "most", "enough"), [(1, 98, 0.01, "0.011"), (2, 998, 0.001, "0.002")])
def test_a_share_above_the_limit_is_a_sentence(number: int, used: int, most: float, enough: str) -> None:
    with pytest.raises(
        RejectedError, match=rf"0.png \(torn after 0 bytes\); .* set data.max_rejected: {enough}"
    ) as error:
        check_rejected(rejects(number), used, (), most=most)
    assert error.value.rejected == tuple(rejects(number))
    check_rejected(rejects(number), used, (), most=float(enough))


def test_the_sentence_names_three_kinds_and_counts_the_others() -> None:
    words = ("torn", "empty", "huge", "odd", "moving")
    rejected = [Rejected(f"{word}-{i}", word) for number, word in enumerate(words, start=1) for i in range(number)]
    named = "5 such as moving-0 (moving), 4 such as odd-0 (odd), 3 such as huge-0 (huge), and 3 for other reasons"
    with pytest.raises(RejectedError) as error:
        check_rejected(rejected, 10, (), most=0.01)
    assert named in str(error.value)


def test_a_class_that_is_lost_is_named_whatever_the_limit() -> None:
    rejected = [*rejects(2, label="ill"), *rejects(3, label="well"), *rejects(1)]
    check_rejected(rejected, 5, {"ill", "well"}, most=1.0)
    check_rejected(rejected, 5, (), most=1.0)  # without labels there is no class to lose
    with pytest.raises(
        RejectedError, match=r"^no file of class 'well' can be used: 3 such as 0\.png .*; mend"
    ) as error:
        check_rejected(rejected, 5, {"ill"}, most=1.0)
    assert "max_rejected" not in str(error.value)
    with pytest.raises(RejectedError, match=r"class 'well' can be used.*; 3 of 8 files \(38 %\) cannot be used"):
        check_rejected(rejected, 5, {"ill"}, most=0.3)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rejected = [Rejected("a,b\n'c'\r.png", 'it "says"\r\nso'), Rejected("", "é")]
    write_names(tmp_path / "names.csv", [("doe.png", "Doe")], rejected, pseudonyms=["1f"])
    assert read_rejected_names(tmp_path / "names.csv") == rejected


def test_what_is_stored_with_the_images_names_no_file(tmp_path: Path) -> None:
    reasons = ["doe, jane.png: torn", "its table says «Jane \n» «Doe», and not", "3 pages"]
    write_rejected(tmp_path / "rejected.csv", [Rejected("scans/doe, jane.png", reason) for reason in reasons])
    kept = read_rejected(tmp_path / "rejected.csv")
    assert [item.origin for item in kept] == [f"file {i}" for i in range(3)]
    assert [item.reason for item in kept] == ["…: torn", "its table says …, and not", "3 pages"]


def test_a_class_of_torn_files_is_lost_where_there_are_labels(tmp_path: Path, config: Config) -> None:
    for label, channels in (("grey", 1), ("torn", 1)):
        (tmp_path / "raw" / label).mkdir(parents=True)
        for index in range(12):
            pixels = np.random.default_rng(index).integers(0, 255, (16, 16, channels), np.uint8)
            path = tmp_path / "raw" / label / f"{index}.png"
            Image.fromarray(pixels[..., 0]).save(path)
            if label == "torn":
                path.write_bytes(path.read_bytes()[:60])
    values = {"data.source": "folder", "data.raw": str(tmp_path / "raw"), "data.options": {}, "data.max_rejected": 1.0}
    with pytest.raises(MedganError, match=r"no file of class 'torn' can be used: 12 such as torn/0\.png"):
        prepare(config.override(values).data, tmp_path / "prepared", seed=0)
    unlabelled = config.override(values | {"data.labels": False})
    assert len(prepare(unlabelled.data, tmp_path / "unlabelled", seed=0).images) == 12
