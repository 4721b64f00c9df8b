"""The verdict of a study in one sentence: helped, no difference seen or harmed, where, by how much, against what."""

from collections.abc import Sequence

from medgan.usefulness.comparison import Difference
from medgan.usefulness.report import HARMED, HELPED, UNSEEN, SizeFigures

# Balanced accuracy that the last tenth of the steps adds, above which more steps might change the verdict.
_RISING = 0.01


def verdict(sizes: Sequence[SizeFigures]) -> tuple[str, str]:
    """The word, and the sentence. sizes: studies of growing numbers of real images."""
    words = [size.verdict for size in sizes]
    word = next((word for word in (HELPED, HARMED) if word in words), UNSEEN)
    told = sizes[words.index(word)]
    first = f"; with {size_of(told)}" if len(sizes) > 1 else ""
    parts = [f"{word}{_where(sizes, word)}{first}: {_figures(told)}", _errors(told)]
    if max(regime.last_gain for regime in told.regimes.values()) > _RISING:
        parts.append("classifiers had not learnt to the end: raise utility.steps")
    return word, "; ".join(parts)


def size_of(size: SizeFigures) -> str:
    """How many real images of each class there are."""
    fewest, most = min(size.counts.values()), max(size.counts.values())
    return f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"


def _where(sizes: Sequence[SizeFigures], word: str) -> str:
    """At which sizes, this verdict first, then the others."""
    parts = []
    for each in (word, *(other for other in (HELPED, UNSEEN, HARMED) if other != word)):
        if found := [size_of(size) for size in sizes if size.verdict == each]:
            parts.append(f"{'' if each == word else f'{each} '}with {', '.join(found)}")
    return f" {', '.join(parts)} real images a class"


def _figures(size: SizeFigures) -> str:
    """What was reached, and against what."""
    ours = size.regimes[size.chosen].figures["balanced_accuracy"].value
    text = f"{_percent(ours)} of test images told right (mean of classes) with {_called(size.chosen)}"
    for name, difference in size.decisive.items():
        theirs = size.regimes[name].figures["balanced_accuracy"].value
        text += f", {_percent(theirs)} with {_called(name)} ({_points(difference)})"
    if size.verdict == UNSEEN:
        text += f"; {smallest_seen(size)}"
    return text


def smallest_seen(size: SizeFigures) -> str:
    """The smallest gain that the study could have seen."""
    least = max(difference.detectable for difference in size.decisive.values())
    return f"{100 * least:.1f} points would have been seen four times out of five"


def _called(name: str) -> str:
    """A regime, for people."""
    kind, _, ratio = name.partition(" x")
    if ratio:
        return f"{ratio} {'drawn' if kind == 'drawn' else 'copied'} to each real image"
    return "augmentation alone" if name == "augmented" else f"classes {name}"


def _errors(size: SizeFigures) -> str:
    """Name the class whose errors of type I change most; the interval holds for the changes of all classes."""
    name = max(size.type_1, key=lambda name: abs(size.type_1[name].value))
    change = size.type_1[name]
    before, after = (size.regimes[regime].type_1[name].value for regime in ("augmented", size.chosen))
    text = f"{_percent(after)} of others called {name}, {_percent(before)} with augmentation alone ({_points(change)})"
    unseen = change.adjusted_low <= 0 <= change.adjusted_high
    return f"type I errors{' (no change seen)' if unseen else ''}: {text}"


def _points(difference: Difference) -> str:
    low, high = (100 * bound for bound in (difference.adjusted_low, difference.adjusted_high))
    return f"{100 * difference.value:+.1f} points [{low:+.1f}, {high:+.1f}]"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
