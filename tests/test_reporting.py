"""The report, the model card and the comparison: what they say of known figures, and that they need nothing else."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from medgan.config.schema import Config
from medgan.data.spec import Direction
from medgan.data.store import Prepared
from medgan.evaluation.copying.figures import (
    FOUND,
    NONE_FOUND,
    SUSPECTED,
    ClassShare,
    CopyAudit,
    Membership,
    Power,
    Share,
)
from medgan.evaluation.report import Agreement, SynthesisReport, TranslationReport
from medgan.evaluation.two_sample import (
    Answers,
    Measured,
    NearestNeighbours,
    Neighbours,
    ToldApart,
    TwoSample,
    TwoSamples,
)
from medgan.reporting import tables
from medgan.reporting.answers import answers, licence, percent
from medgan.reporting.comparing import Compared, better, differing, write_comparison
from medgan.reporting.facts import Facts, WayFacts, counts
from medgan.reporting.measures import HEADLINES, headlines, in_mlflow, measures
from medgan.reporting.plots import write_figures, write_plots
from medgan.reporting.scorecard import MEASURED, NOT_MEASURED, PARTLY, scorecard, still_open
from medgan.reporting.writing import model_card, name_card, version_card, write_model_card, write_report
from medgan.scores.figures import Fidelity, GroupFidelity, Likeness, PublishedScores, StandardScores
from medgan.training.result import Description

NAMES = ("healthy", "infarct", "tumour")


def fidelity(fid: float, recall: float) -> Fidelity:
    groups = {name: GroupFidelity(100, fid + place, 0.01, 0.5, recall, 0.5, 0.6) for place, name in enumerate(NAMES)}
    margins = {"recall": 0.04}
    return Fidelity(
        fid, fid - 0.5, fid + 0.5, 0.01, 0.5, recall, 0.5, 0.6, groups, margins, {}, "fid_domain", "d", 300, "test"
    )


def told_apart(accuracy: float, passing: float) -> TwoSample:
    alike = Neighbours(*(Measured(0.7, 0.6, 0.8) for _ in range(3)))
    overall = Answers(300, Measured(accuracy, accuracy - 0.01, accuracy), Measured(passing, passing, passing + 0.01))
    return TwoSample(NearestNeighbours(alike, alike), ToldApart(overall, dict.fromkeys(NAMES, overall), 100))


def audit(verdict: str, share: float, power: float = 1.0) -> CopyAudit:
    found = Share(share, share / 2, 1.5 * share)
    seen = {"exact": Power(1.0, 1.0), "noise 8": Power(power, power)}
    return CopyAudit(
        verdict, found, 0.5, 0.01, 0.0, seen, Membership(0.5, 0.48, 0.52), {"tumour": ClassShare(9, found)}, (), ()
    )


def report(fid: float = 6.2378, accuracy: float = 0.9965, verdict: str = NONE_FOUND) -> SynthesisReport:
    return SynthesisReport(
        quality=fidelity(fid, 0.7),
        floor=fidelity(1.1, 0.9),
        copying=audit(verdict, 0.0 if verdict == NONE_FOUND else 0.25),
        agreement=Agreement(0.889, 0.998),
        two_sample=TwoSamples(told_apart(accuracy, 0.01), told_apart(0.5, 0.94)),
    )


@pytest.fixture
def facts(config: Config, prepared: Prepared, tiny_onnx: Path, tmp_path: Path) -> Facts:
    for step in (1, 200):
        Image.fromarray(np.full((40, 40), step, np.uint8)).save(tmp_path / f"step-{step:06d}.png")
    Image.fromarray(np.zeros((40, 400), np.uint8)).save(tmp_path / "closest.png")
    registered = {
        "name": "medgan-phantom-synthesis",
        "version": 3,
        "crowned": False,
        "reasons": ["1.0 % pass for real"],
    }
    way = WayFacts(
        "", ("z", "label"), report(), prepared, tiny_onnx, 1e-6, registered, {"closest": tmp_path / "closest.png"}
    )
    sections: dict[str, Any] = {"gan": {"batch": 32}, "train": {"steps": 3000, "score": "fid"}, "seed": 0}
    description = Description(
        "f0",
        **sections,
        spec={},
        intensity={},
        label_names=NAMES,
        direction=None,
        data_md5=prepared.md5,
        commit="c0-dirty",
        recipe="default, edited",
        weights="ema",
        step=2500,
        score=6.0,
    )
    rows = [
        {"step": step, "time": 1.0, "loss/generator": 1 / step, "validation/raw": 9.0, "validation/ema": 8.0}
        for step in (1, 2)
    ]
    trials = [
        {"number": "0", "state": "COMPLETE", "score": "9.5", "fresh": "", "retry_of": "", "gan.lr": "0.0006"},
        {"number": "1", "state": "COMPLETE", "score": "8.5", "fresh": "9.1", "retry_of": "", "gan.lr": "0.001"},
        {"number": "2", "state": "PRUNED", "score": "", "fresh": "", "retry_of": "", "gan.lr": "0.002"},
    ]
    verdict = {
        "verdict": "harmed",
        "sentence": "harmed with 1,976 real images a class",
        "balanced_accuracy": {"drawn": 0.982, "augmented": 0.991, "copies": 0.9906},
        "gain": {"value": -0.009, "low": -0.018, "high": -0.001},
    }
    samples = {step: tmp_path / f"step-{step:06d}.png" for step in (1, 200)}
    present = {"number": "", "first": "8.75", "mean": "9.4"}
    return Facts(config, prepared, description, rows, samples, trials, present, (way,), verdict, None, "")


def with_report(facts: Facts, changed: SynthesisReport) -> Facts:
    return replace(facts, ways=(replace(facts.main, report=changed),))


def said(facts: Facts) -> dict[str, str]:
    return {answer.question: answer.text for answer in answers(facts)}


def test_a_reader_who_knows_no_code_finds_every_answer(facts: Facts) -> None:
    words = said(facts)
    for question, parts in {
        "What was trained?": (
            "A program that draws MR T2w (simulated) images",
            "healthy, infarct and tumour. It learnt for 3,000",
        ),
        "On whom?": (
            "240 images of 60 patients and was judged on 120 images of 30 patients",
            "Licence of the data: CC0-1.0",
        ),
        "How good are the images?": (
            "A fresh network tells 99.7 % of images right as drawn or real (nearly all; by guessing, 50 %). ",
            "1 % of drawn images pass for real; of real ones, 95 %. ",
            "Their distance from real images (FID) is 6.24; other real images have 1.10.",
        ),
        "What does it draw worst?": (
            "tumour: its distance from real images is 8.24, where other real ones have 3.10; ",
            "70 % of real images of this class are like a drawn one, where 90 % could be.",
        ),
        "Does it copy patients?": ("No copies were found. ", "planted to try this search, it finds 100 %."),
        "Is it of use for training a classifier?": (
            "No. With drawn images added, it gets worse: 98.2 % of test images told right with them, ",
            "99.1 % without (-1.8 to -0.1 points), 99.1 % with copies.",
        ),
        "Did it pass the gates?": ("No, version 3 of medgan-phantom-synthesis", "not champion: 1.0 % pass for real."),
        "May I diagnose with it?": ("No. Every image is made up; no patient has these findings.",),
    }.items():
        text = words.pop(question)
        assert all(part in text for part in parts), text
    assert not words


def test_good_and_bad_are_not_mixed_up(facts: Facts) -> None:
    good = {answer.question: answer.good for answer in answers(with_report(facts, report(accuracy=0.55)))}
    assert good["How good are the images?"] and good["Does it copy patients?"] and not good["May I diagnose with it?"]
    copied = with_report(facts, report(verdict=FOUND))
    assert (
        "Copies were found: 25 % of its images (12.5 % to 37.5 %) are nearly a training image."
        in said(copied)["Does it copy patients?"]
    )
    assert {a.question: a.good for a in answers(copied)}["Does it copy patients?"] is False
    assert said(with_report(facts, report(verdict=SUSPECTED)))["Does it copy patients?"].startswith(
        "Copies are suspected"
    )
    weak = replace(report(), copying=audit(NONE_FOUND, 0.0, power=0.5))
    assert (
        "it finds 75 %, but misses more than one in ten of: noise 8. "
        "Where only a tenth of all images are copies of: noise 8, it may overlook them."
        in said(with_report(facts, weak))["Does it copy patients?"]
    )
    few = audit(NONE_FOUND, 0.0)
    few = replace(few, power={way: replace(power, mixtures=0.5) for way, power in few.power.items()})
    assert said(with_report(facts, replace(report(), copying=few)))["Does it copy patients?"].endswith(
        "it finds 100 %. Where only a tenth of all images are copies, it may overlook them."
    )


@pytest.mark.parametrize(
    ("word", "start"),
    [("helped", "Yes. "), ("no difference seen", "Not that one could see. "), ("not asked", "Not known; ")],
)
def test_use_is_said_in_words(facts: Facts, word: str, start: str) -> None:
    asked = replace(facts, verdict={**facts.verdict, "verdict": word})
    assert said(asked)["Is it of use for training a classifier?"].startswith(start)


def test_shares_are_not_rounded_to_none_or_all() -> None:
    assert [percent(share) for share in (0, 0.0004, 0.5, 0.9965, 0.99996, 1)] == [
        "0 %",
        "0.04 %",
        "50 %",
        "99.7 %",
        "100.00 %",
        "100 %",
    ]


def test_the_scorecard_has_seven_criteria_and_says_what_is_open(facts: Facts) -> None:
    criteria = scorecard(facts)
    assert [c.name for c in criteria] == [
        "Congruence",
        "Coverage",
        "Constraint",
        "Completeness",
        "Compliance",
        "Comprehension",
        "Consistency",
    ]
    assert [c.status for c in criteria] == [MEASURED, MEASURED, PARTLY, PARTLY, MEASURED, NOT_MEASURED, PARTLY]
    assert "recall is 77.8 % of what real images reach" in criteria[1].finding
    assert all(any(limit == c.open for limit in still_open(criteria)) for c in criteria if c.open)
    # What a person saw stands among the limits.
    seen = scorecard(replace(facts, seen="The skull has gaps."))[5]
    assert seen.status == PARTLY and "The skull has gaps." in seen.open


class Parts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.outside: list[str] = []
        self.anchors, self.ids = set[str](), set[str]()
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.scripts += tag == "script"
        if tag == "img":
            self.images.append(values)
        self.ids |= {values["id"]} if values.get("id") else set()
        for name in ("src", "href"):
            link = values.get(name) or ""
            if link.startswith("#"):
                self.anchors.add(link[1:])
            elif link and not link.startswith("data:"):
                self.outside.append(link)


def parsed(path: Path) -> Parts:
    parts = Parts()
    parts.feed(path.read_text(encoding="utf-8"))
    return parts


def test_the_page_needs_nothing_but_itself(facts: Facts, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", facts)
    page = parsed(tmp_path / "report.html")
    assert page.outside == [] and page.scripts == 0 and page.anchors <= page.ids
    # Of each class drawn and real, the closest pairs, three curves and the film; each is described in words.
    assert len(page.images) == 2 * 3 + 1 + 3 + 1 and all(image["alt"] and image["src"] for image in page.images)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(re.findall("<th scope=", text)) > 40 and '<html lang="en">' in text


def test_the_same_facts_give_the_same_bytes(facts: Facts, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(tmp_path / f"{name}.html", facts)
        write_model_card(tmp_path / f"{name}.md", facts)
    for suffix in ("html", "md"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_names_of_classes_are_text_and_no_markup(facts: Facts, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    data = replace(facts.data, label_names=(hostile, *NAMES[1:]))
    write_report(
        tmp_path / "report.html", replace(facts, data=data, ways=(replace(facts.main, data=data),), seen=hostile)
    )
    assert parsed(tmp_path / "report.html").scripts == 0
    assert "&lt;script&gt;" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_many_classes_are_cut_and_counted(facts: Facts, tmp_path: Path) -> None:
    data = replace(facts.data, label_names=(*facts.data.label_names, *(f"class {k}" for k in range(20))))
    write_report(tmp_path / "report.html", replace(facts, ways=(replace(facts.main, data=data),)))
    assert "11 more classes are not shown here" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_images_and_patients_are_counted_by_class_and_split(facts: Facts) -> None:
    every = counts(facts.data)
    assert list(every) == [*facts.data.label_names, "all images"]
    assert every["all images"]["train"].images == sum(every[name]["train"].images for name in facts.data.label_names)
    assert (every["all images"]["test"].images, every["all images"]["test"].patients) == (120, 30)


def test_the_card_is_read_by_machines_and_by_people(facts: Facts) -> None:
    card = model_card(facts)
    front = yaml.safe_load(card.split("---")[1])
    assert front["model-index"][0]["results"][0]["dataset"]["revision"] == facts.data.md5
    values = {metric["type"]: metric["value"] for metric in front["model-index"][0]["results"][0]["metrics"]}
    assert values["fid"] == pytest.approx(6.2378) and "not-for-diagnosis" in front["tags"]
    assert "**May I diagnose with it?** No." in card and "| Compliance | measured |" in card
    short = version_card(facts, facts.main, "get-artifact?path=samples.png")
    assert len(short) < 4900 and "![What it draws, a row a class](get-artifact?path=samples.png)" in short
    back = version_card(facts, replace(facts.main, name="reverse"), "x")
    assert "The way back of medgan-phantom-synthesis version 3" in back and "May I diagnose" not in back
    assert "`medgan champion`" in name_card(facts)


def test_few_figures_stand_first(facts: Facts, tmp_path: Path) -> None:
    first = headlines({"": facts.main.report})
    assert set(first) <= set(HEADLINES) and len(first) <= 10
    assert in_mlflow(first)["test/fid"] == 6.238 and in_mlflow(first)["test/fid_real"] == 1.1
    write_figures(tmp_path / "test", facts)
    written = {path.name: json.loads(path.read_text()) for path in (tmp_path / "test").iterdir()}
    assert written["fid"] == {"drawn": 6.238, "real": 1.1} and written["use"] == {"drawn": 0.982, "real": 0.991}
    assert written["fid_worst_class"] == {"drawn": 8.238, "real": 3.1} and len(written) <= 11


def test_plots_have_plain_columns(facts: Facts, tmp_path: Path) -> None:
    write_plots(tmp_path / "plots", facts)
    tables = {path.name: path.read_text().splitlines() for path in (tmp_path / "plots").iterdir()}
    assert tables["losses.csv"] == ["step,series,loss", "1,generator,1", "2,generator,0.5"]
    assert tables["validation.csv"][1:] == ["1,raw,9", "2,raw,9", "1,ema,8", "2,ema,8"]
    assert tables["by_class.csv"][1] == "healthy,drawn,6.2378,6.2378,6.2378" and len(tables["by_class.csv"]) == 7
    assert tables["usefulness.csv"] == ["regime,series,balanced_accuracy,low,high"]


def test_bars_stay_inside_their_frame(facts: Facts) -> None:
    for measure in measures(facts.main.report):
        for value in (measure.drawn.low, measure.drawn.value, measure.drawn.high, measure.ideal):
            assert 0 <= measure.place(value) <= 100, measure.name


def test_a_translator_is_described_by_what_it_misses(facts: Facts) -> None:
    standard, published = StandardScores(20.0, 0.9, 0.1, 0.1, 0.8), PublishedScores(0.03, 20.0, 0.9)
    likeness = Likeness(0.03, 0.028, 0.032, standard, published, 100, "test")
    way = replace(facts.main, report=TranslationReport(likeness, {"mean": 0.073, "source": 0.29}), inputs=("source",))
    translated = replace(facts, ways=(way,))
    words = said(translated)
    assert (
        "1.5 % of the range of brightness" in words["How good are the images?"]
        and "What does it draw worst?" not in words
    )
    assert [c.status for c in scorecard(translated)][:2] == [NOT_MEASURED, "not applicable"]
    assert [measure.key for measure in measures(way.report)] == ["mae", "ssim"]


def compared(facts: Facts, name: str, found: SynthesisReport, tmp_path: Path) -> Compared:
    picture = facts.samples[1]
    return Compared(name, f"id-{name}", found, {"gan": {"lr": 0.1, "r1": len(name)}}, picture, picture)


def test_two_runs_are_compared_by_what_decides(facts: Facts, tmp_path: Path) -> None:
    one, other = compared(facts, "old", report(fid=9.0), tmp_path), compared(facts, "newer", report(fid=6.0), tmp_path)
    words = write_comparison(tmp_path / "compare.html", one, other)
    assert words == "newer is better: FID 6 against 9, lower is better; differences above 0.71 are beyond chance."
    page, text = parsed(tmp_path / "compare.html"), (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert page.outside == [] and len(page.images) == 3 and words in text
    assert "<strong>6.000 [5.500, 6.500]</strong>" in text and "<code>gan.r1</code>" in text and "gan.lr" not in text
    close = compared(facts, "close", report(fid=6.1), tmp_path)
    assert better(other, close).startswith("No difference beyond chance: FID 6 against 6.1")
    elsewhere = replace(close, report=replace(close.report, quality=replace(close.report.quality, n=99)))
    assert better(other, elsewhere).startswith(
        "Nobody can say: these scores cannot be compared, they differ in n (300, 99)"
    )


def test_without_pairs_it_is_a_translator_all_the_same(facts: Facts) -> None:
    """Judged as what draws from noise is: by sets of images."""
    way = replace(facts.main, inputs=("source",))
    unpaired = replace(
        facts,
        ways=(way,),
        config=facts.config.override({"data.modality": "unknown"}),
        description=replace(facts.description, direction=Direction("T1", "T2")),
    )
    assert said(unpaired)["What was trained?"].startswith(
        "A program that turns one kind of image into another: T1 to T2, images of 16 x 16 pixels."
    )
    assert "pipeline_tag: image-to-image" in model_card(unpaired) and "translate(sources)" in model_card(unpaired)


def test_parameters_that_one_lacks_differ_too() -> None:
    assert differing({"a": {"b": 1}, "c": 2}, {"a": {"b": 1}, "d": 3}) == {"c": ("2", "not set"), "d": ("not set", "3")}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("unknown", ["Nobody said"]),
        ("CC BY 4.0", ["Licence of the data: CC BY 4.0."]),
        ("CC BY-SA 3.0 (IXI)", ["Licence of the data: CC BY-SA 3.0 (IXI).", "shared under the same licence"]),
    ],
)
def test_a_licence_that_drawn_images_may_inherit_is_said(name: str, parts: list[str]) -> None:
    said = licence(name)
    assert all(part in said for part in parts)
    assert ("same licence" in said) == (len(parts) > 1)


def test_trials_stand_beside_what_they_were_to_beat(facts: Facts) -> None:
    table = tables.trials(facts)
    assert table is not None
    assert table.rows[0] == ("params.yaml as it is", "", "8.75", "9.4", "")
    assert [row[0] for row in table.rows[1:]][:1] == ["trial 1"]
    alone = tables.trials(replace(facts, present=None))
    assert alone is not None and alone.rows == table.rows[1:]
