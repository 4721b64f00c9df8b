"""What a reader who knows no code asks first, answered in words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medgan.data.spec import SPARE
from medgan.evaluation.copying.figures import FOUND, NONE_FOUND, CopyAudit
from medgan.evaluation.report import SynthesisReport, TranslationReport
from medgan.evaluation.two_sample import ToldApart
from medgan.reporting.facts import ALL_IMAGES, Count, Facts, WayFacts, counts
from medgan.usefulness.report import HARMED, HELPED, UNSEEN

# Shares of images that a network tells right, of which half by chance.
_SURE, _HARDLY = 0.95, 0.6


@dataclass(frozen=True)
class Answer:
    """good: True for what speaks for the generator, False for what speaks against it, None for neither."""

    question: str
    text: str
    good: bool | None = None


def answers(facts: Facts) -> list[Answer]:
    return [
        Answer("What was trained?", what(facts)),
        Answer("On whom?", whom(facts)),
        *_quality(facts),
        *_worst(facts.main),
        *_copies(facts.main),
        use(facts),
        _accepted(facts.main),
        Answer("May I diagnose with it?", "No. Every image is made up; no patient has these findings.", good=False),
    ]


def what(facts: Facts) -> str:
    """The system, in a sentence or two."""
    spec, train, inputs = facts.data.spec, facts.description.train, facts.main.inputs
    modality = facts.config.data.modality
    kind = f"{'' if modality == 'unknown' else f'{modality} '}images of {spec.size} x {spec.size} pixels" + (
        "" if spec.channels == 1 else f" and {spec.channels} channels"
    )
    if facts.main.translates:
        text = f"A program that turns one kind of image into another: {facts.description.direction}, {kind}."
    else:
        given = [f"of {_listed(facts.data.label_names)}"] if "label" in inputs else []
        given += ["under a mask that says where the lesion goes"] if "mask" in inputs else []
        text = f"A program that draws {kind}{', ' if given else ''}{', '.join(given)}."
    batch = facts.description.gan["batch"]
    return f"{text} It learnt for {train['steps']:,} steps of {batch} images."


def whom(facts: Facts) -> str:
    """Patients and images, and under which licence."""
    every = counts(facts.data)[ALL_IMAGES]
    learnt, judged = every.get("train", Count(0, 0)), every.get("test", Count(0, 0))
    text = f"It learnt from {_images(learnt)} and was judged on {_images(judged)} that it never saw."
    if SPARE in every:
        text += f" {_images(every[SPARE])} more were kept from it, for its judges."
    return f"{text} {licence(facts.config.data.licence)}"


def licence(name: str) -> str:
    """What it is, and whether it may hold for what is drawn. name: of `data.licence`."""
    if name == "unknown":
        return "Nobody said under which licence the data are."
    said = f"Licence of the data: {name}."
    if re.search(r"\bSA\b|share.?alike", name, re.IGNORECASE):
        said += " What is made of them is to be shared under the same licence, and drawn images may count as such."
    return said


def _quality(facts: Facts) -> Iterator[Answer]:
    report = facts.main.report
    question = "How good are the images?"
    if isinstance(report, TranslationReport):
        error, mean = report.quality.mae, report.baselines.get("mean")
        against = "" if mean is None else f"; the mean image, which looks at nothing, is off by {percent(mean / 2)}"
        text = f"On test patients they differ from the true image by {percent(error / 2)} of the range of brightness"
        text += f"{against}."
        yield Answer(question, text, None if mean is None else error < mean)
        return
    told = report.two_sample and report.two_sample.generated.told_apart
    near = f"Their distance from real images (FID) is {report.quality.fid:.2f}; "
    near += f"other real images have {report.floor.fid:.2f}."
    if not told or told.overall.accuracy is None:
        yield Answer(
            question, f"{near} There are too few images to ask a network whether it can tell them from real ones."
        )
        return
    yield Answer(question, f"{told_in_words(told)} {near}", told.overall.accuracy.value < _HARDLY)


def told_in_words(told: ToldApart) -> str:
    """What share of images a network tells right, and what share of drawn ones passes for real."""
    assert told.overall.accuracy is not None
    right = told.overall.accuracy.value
    how = "nearly all" if right >= _SURE else "hardly better than by guessing" if right < _HARDLY else "many"
    text = f"A fresh network tells {percent(right)} of images right as drawn or real ({how}; by guessing, 50 %)."
    if (passing := told.overall.passing) is not None:
        text += f" {percent(passing.value)} of drawn images pass for real; of real ones, 95 %."
    return text


def _worst(way: WayFacts) -> Iterator[Answer]:
    report = way.report
    if not isinstance(report, SynthesisReport) or len(report.quality.groups) < 2:
        return
    name = report.quality.worst
    worst, floor = report.quality.groups[name], report.floor.groups[name]
    text = f"{name}: its distance from real images is {worst.fid:.2f}, where other real ones have {floor.fid:.2f}"
    text += f"; {percent(worst.recall)} of real images of this class are like a drawn one, "
    text += f"where {percent(floor.recall)} could be."
    yield Answer("What does it draw worst?", text)


def _copies(way: WayFacts) -> Iterator[Answer]:
    if isinstance(way.report, SynthesisReport) and way.report.copying is not None:
        audit = way.report.copying
        yield Answer(
            "Does it copy patients?", copies_in_words(audit), {NONE_FOUND: True, FOUND: False}.get(audit.verdict)
        )
    elif isinstance(way.report, TranslationReport):
        yield Answer("Does it copy patients?", "Not measured: what it draws is meant to be this patient's.")


def copies_in_words(audit: CopyAudit) -> str:
    """What was found, and what would have been."""
    found = audit.found
    trust = f"Of copies that were planted to try this search, it finds {percent(audit.planted)}"
    trust += f", but misses more than one in ten of: {_listed(audit.unseen)}." if audit.unseen else "."
    if audit.overlooked:
        ways = "" if len(audit.overlooked) == len(audit.power) else f" of: {_listed(audit.overlooked)}"
        trust += f" Where only a tenth of all images are copies{ways}, it may overlook them."
    if audit.verdict == NONE_FOUND:
        most = f"; at most {percent(found.high)} of its images may be such" if found.high >= 0.0005 else ""
        return f"No copies were found{most}. {trust}"
    words = "Copies were found" if audit.verdict == FOUND else "Copies are suspected"
    share = f"{percent(found.share)} of its images ({percent(found.low)} to {percent(found.high)})"
    return f"{words}: {share} are nearly a training image. {trust}"


def use(facts: Facts) -> Answer:
    """Whether drawn images help a classifier."""
    question, verdict = "Is it of use for training a classifier?", facts.verdict
    word = verdict["verdict"]
    if word not in (HELPED, UNSEEN, HARMED):
        return Answer(question, f"Not known; {verdict['sentence']}.")
    reached, gain = verdict["balanced_accuracy"], verdict["gain"]
    lead = {
        HELPED: "Yes. With drawn images added, it gets better than without, and than with as many copies of real ones",
        UNSEEN: "Not that one could see. With drawn images added, it does not get better for sure",
        HARMED: "No. With drawn images added, it gets worse",
    }[word]
    low, high = (f"{100 * gain[end]:+.1f}" for end in ("low", "high"))
    ours, alone, copies = (percent(reached[name]) for name in ("drawn", "augmented", "copies"))
    figures = (
        f"{ours} of test images told right with them, {alone} without ({low} to {high} points), {copies} with copies"
    )
    return Answer(question, f"{lead}: {figures}.", {HELPED: True, HARMED: False}.get(word))


def _accepted(way: WayFacts) -> Answer:
    crowned, reasons = way.registered["crowned"], way.registered["reasons"]
    name = f"version {way.registered['version']} of {way.registered['name']}"
    lead = f"Yes, {name} is champion" if crowned else f"No, {name} is registered, and not champion"
    return Answer("Did it pass the gates?", f"{lead}: {'; '.join(reasons)}.", crowned)


def _images(count: Count) -> str:
    return f"{count.images:,} images" + (f" of {count.patients:,} patients" if count.patients < count.images else "")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def percent(share: float) -> str:
    """For people: 99.6 % is not 100 %."""
    text = f"{100 * share:.1f}"
    return f"{text.removesuffix('.0')} %" if share in (0, 1) or text not in ("0.0", "100.0") else f"{100 * share:.2f} %"
