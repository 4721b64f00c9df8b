"""Who is champion: every branch."""

import math
from dataclasses import asdict, replace

import pytest

from medgan.errors import MedganError
from medgan.evaluation.champion import decide, failed_gates
from medgan.evaluation.copying.figures import FOUND, NONE_FOUND, CopyAudit, Membership, Power, Share
from medgan.evaluation.report import SynthesisReport, TranslationReport
from medgan.evaluation.two_sample import (
    Answers,
    Measured,
    NearestNeighbours,
    Neighbours,
    ToldApart,
    TwoSample,
    TwoSamples,
)
from medgan.scores.figures import ClassFidelity, Fidelity, GroupFidelity, Likeness, PublishedScores, StandardScores

GATES = {"parity": 1e-4, "recall": 0.25, "coverage": 0.25, "passing": 0.05, "copies": 0.1}


def fidelity(fid: float = 10, margin: float = 1, recall: float = 0.4) -> Fidelity:
    group = GroupFidelity(n=100, fid=fid, kid=0.1, precision=0.5, recall=recall, density=0.9, coverage=0.6)
    return Fidelity(
        **{key: value for key, value in asdict(group).items() if key != "n"},
        fid_low=fid - margin,
        fid_high=fid + margin,
        groups={"all images": group},
        margins={},
        classes={},
        extractor="fid_domain",
        digest="d1",
        n=100,
        split="test",
    )


def copies(share: float, verdict: str = NONE_FOUND) -> CopyAudit:
    return CopyAudit(
        verdict=verdict,
        found=Share(share, 0.0, 1.0),
        p=1e-4,
        false_alarms=0.01,
        alarms=0.0,
        power={"exact": Power(1.0, 1.0)},
        membership=Membership(0.5, 0.4, 0.6),
        by_class={},
        closest=(),
        held_out=(),
    )


def metrics(
    recall: float = 0.4, floor: float = 0.8, copied: float = 0.05, verdict: str = NONE_FOUND, passing: float = 0.1
) -> SynthesisReport:
    return SynthesisReport(
        fidelity(recall=recall),
        fidelity(recall=floor),
        copies(copied, verdict),
        two_sample=TwoSamples(told_apart(passing), told_apart(0.95)),
    )


def told_apart(passing: float | None, n: int = 100) -> TwoSample:
    known = None if passing is None else Measured(passing, passing - 0.01, passing + 0.01)
    nearest = Neighbours(*[Measured(0.5, 0.4, 0.6)] * 3)
    return TwoSample(NearestNeighbours(nearest, nearest), ToldApart(Answers(n, passing=known), {}, 1000))


def grouped(**recalls: float) -> SynthesisReport:
    """A report of classes, each with this recall of the 0.8 that real ones have, all judged together for FID."""
    whole = metrics()
    parts = {name: ClassFidelity(200, kid=0.1, recall=recall, coverage=0.6) for name, recall in recalls.items()}
    floors = dict.fromkeys(recalls, ClassFidelity(200, kid=0.0, recall=0.8, coverage=0.6))
    return replace(whole, quality=replace(whole.quality, classes=parts), floor=replace(whole.floor, classes=floors))


def rare(n: int) -> SynthesisReport:
    """A report in which one class has n images."""
    whole = grouped(a=0.7, b=0.7)
    few = ClassFidelity(n, kid=0.1, recall=0.7, coverage=0.6) if n else ClassFidelity(0)
    return replace(whole, quality=replace(whole.quality, classes={**whole.quality.classes, "b": few}))


def passing_by_class(**shares: float | None) -> SynthesisReport:
    """A report of classes, of each of which so many images pass for real; of all of them many do."""
    tests = told_apart(0.7)
    assert tests.told_apart is not None
    parts = {name: told_apart(share).told_apart for name, share in shares.items()}
    classes = {name: part.overall for name, part in parts.items() if part is not None}
    drawn = replace(tests, told_apart=replace(tests.told_apart, classes=classes))
    return replace(metrics(), two_sample=TwoSamples(drawn, told_apart(0.95)))


def figures(fid: float, margin: float) -> SynthesisReport:
    return replace(metrics(), quality=fidelity(fid, margin))


def few(n: int) -> SynthesisReport:
    whole = metrics()
    groups = {name: replace(group, n=n) for name, group in whole.quality.groups.items()}
    return replace(whole, quality=replace(whole.quality, groups=groups))


def test_all_gates_passed() -> None:
    assert failed_gates(metrics(), 1e-6, GATES) == []


def test_the_limits_themselves_pass() -> None:
    assert failed_gates(metrics(recall=0.2, copied=0.1), 1e-4, GATES) == []


@pytest.mark.parametrize(
    ("found", "parity", "words"),
    [
        (metrics(), 2e-4, ["ONNX differs from torch by 0.0002", "register.parity"]),
        (metrics(recall=0.19), 0.0, ["recall is 0.24", "register.recall"]),
        (metrics(copied=0.11), 0.0, ["11.0 % of the images copy training images", "register.copies"]),
        (metrics(verdict=FOUND), 0.0, ["copies of training images are found, in 5.0 % of the images"]),
        (replace(metrics(), copying=None), 0.0, ["nobody looked for copies"]),
        (grouped(a=0.7, b=0.19, c=0.7), 0.0, ["recall of b is 0.24", "register.recall"]),
        (metrics(passing=0.049), 0.0, ["4.9 % of its images pass for real", "register.passing"]),
        (replace(metrics(), two_sample=None), 0.0, ["nobody asked whether", "evaluate again"]),
        (
            replace(metrics(), two_sample=TwoSamples(told_apart(None, n=20), told_apart(None, n=20))),
            0.0,
            ["20 images are too few", "raise evaluate.n"],
        ),
        (rare(99), 0.0, ["too few images to mean anything: 99 (b), of 100"]),
        (rare(0), 0.0, ["too few images to mean anything: 0 (b), of 100"]),
        (passing_by_class(a=0.9, b=0.049), 0.0, ["4.9 % of its images of b pass for real", "register.passing"]),
        (few(99), 0.0, ["too few images to mean anything: 99 (all images), of 100", "raise evaluate.n"]),
    ],
)
def test_each_gate_refuses_on_its_own(found: SynthesisReport, parity: float, words: list[str]) -> None:
    (sentence,) = failed_gates(found, parity, GATES)
    assert all(word in sentence for word in words)


@pytest.mark.parametrize("shares", [{"a": 0.9, "b": 0.05}, {"a": 0.9, "b": None}, {"a": 0.04}])
def test_a_class_without_a_figure_and_one_that_is_all_there_is_fail_nothing(shares: dict[str, float | None]) -> None:
    assert failed_gates(passing_by_class(**shares), 0.0, GATES) == []


def test_every_failed_gate_is_named() -> None:
    assert len(failed_gates(metrics(recall=0, copied=1, passing=0), 1.0, GATES)) == 4


@pytest.mark.parametrize(
    ("found", "parity"),
    [
        (metrics(), math.nan),
        (metrics(recall=math.nan), 0.0),
        (grouped(a=0.7, b=math.nan), 0.0),
        (metrics(copied=math.nan), 0.0),
        (metrics(passing=math.nan), 0.0),
    ],
)
def test_what_is_not_a_number_passes_no_gate(found: SynthesisReport, parity: float) -> None:
    assert len(failed_gates(found, parity, GATES)) == 1


def test_a_floor_without_recall_does_not_divide_by_zero() -> None:
    assert failed_gates(metrics(recall=0.1, floor=0), 0.0, GATES) == []
    assert len(failed_gates(metrics(recall=0, floor=0), 0.0, GATES)) == 1


def test_a_failed_gate_outweighs_any_score() -> None:
    verdict = decide(["copied", "recall"], figures(1, 0.1), figures(9, 0.1))
    assert not verdict.crowned and verdict.reasons == ("copied", "recall")


def test_the_first_one_is_crowned() -> None:
    verdict = decide([], figures(50, 1), None)
    assert verdict.crowned and "first" in verdict.reasons[0]


def test_a_champion_that_cannot_be_scored_stays() -> None:
    verdict = decide([], figures(1, 0.1), "the champion draws other classes")
    assert not verdict.crowned and verdict.reasons == ("the champion draws other classes",)


@pytest.mark.parametrize(
    ("challenger", "champion", "crowned"),
    [
        (figures(10, 3), figures(15.1, 4), True),  # the margin is hypot(3, 4) = 5
        (figures(10, 3), figures(15, 4), False),
        (figures(10, 3), figures(14.9, 4), False),
        (figures(10, 0), figures(10, 0), False),
        (figures(15, 0), figures(10, 0), False),
        (figures(math.nan, 0), figures(10, 0), False),
    ],
)
def test_only_better_beyond_the_interval_wins(
    challenger: SynthesisReport, champion: SynthesisReport, crowned: bool
) -> None:
    verdict = decide([], challenger, champion)
    assert verdict.crowned is crowned
    assert verdict.reasons[0].endswith(f"{'' if crowned else 'not '}better beyond the interval")
    ours, theirs = challenger.quality.fid, champion.quality.fid
    assert f"FID {ours:.4g} against the champion's {theirs:.4g}" in verdict.reasons[0]


def translated(mae: float, margin: float = 0.003) -> TranslationReport:
    likeness = Likeness(
        mae=mae,
        mae_low=mae - margin,
        mae_high=mae + margin,
        standard=StandardScores(20, 0.9, 0.1, 0.2, 0.8),
        published=PublishedScores(mae, 20, 0.9),
        n=100,
        split="test",
    )
    return TranslationReport(likeness, {"mean": 0.07, "source": 0.3})


def test_translation_is_judged_by_what_looks_at_nothing() -> None:
    assert failed_gates(translated(0.069), 0.0, GATES) == []
    (sentence,) = failed_gates(translated(0.07), 0.0, GATES)
    assert sentence == "MAE is 0.0700, that of the mean image 0.0700"
    assert len(failed_gates(translated(0.31), 1.0, GATES)) == 3
    assert len(failed_gates(translated(math.nan), 0.0, GATES)) == 2


def test_a_margin_of_the_difference_replaces_that_of_two_intervals() -> None:
    assert not decide([], figures(10, 3), figures(14, 4)).crowned
    assert decide([], figures(10, 3), figures(14, 4), margin=3.9).crowned
    assert not decide([], figures(10, 3), figures(14, 4), margin=4.0).crowned
    # The same weights again, as torch and as onnxruntime see them.
    assert not decide([], figures(10, 0), figures(10 + 1e-6, 0), margin=0.0).crowned


def test_nobody_is_crowned_where_too_few_patients_say_how_much_is_chance() -> None:
    verdict = decide([], figures(1, 1), figures(90, 90), margin=math.inf)
    assert not verdict.crowned and "FID 1 against the champion's 90: too few patients to say" in verdict.reasons[0]
    # Nor by the intervals of the reports, which are then as wide as the figures.
    assert not decide([], figures(1, 1), figures(90, 90)).crowned


@pytest.mark.parametrize(("mae", "crowned"), [(0.0349, True), (0.0351, False)])
def test_translation_wins_by_its_mae(mae: float, crowned: bool) -> None:
    verdict = decide([], translated(mae, 0.003), translated(0.04, 0.004))
    assert verdict.crowned is crowned and verdict.reasons[0].startswith(f"MAE {mae} against the champion's 0.04")


@pytest.mark.parametrize(
    "change", [{"extractor": "fid_inception"}, {"digest": "d2"}, {"n": 7}, {"split": "validation"}]
)
def test_reports_of_other_protocols_are_never_compared(change: dict[str, str | int]) -> None:
    champion = replace(metrics(), quality=replace(fidelity(), **change))
    with pytest.raises(MedganError, match=f"cannot be compared, they differ in {next(iter(change))} "):
        decide([], metrics(), champion)


def test_a_set_of_images_is_not_compared_with_pairs() -> None:
    with pytest.raises(MedganError, match=r"differ in kind \(Fidelity, Likeness\)"):
        decide([], metrics(), translated(0.01))
