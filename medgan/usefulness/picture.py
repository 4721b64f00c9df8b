"""Balanced accuracy of each regime with its interval: by the number of real images, or of one number side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medgan.usefulness.report import SizeFigures, Usefulness
from medgan.usefulness.verdict import size_of

_DRAWN, _COPIES, _REAL = "#c44e52", "#8c8c8c", "#4c72b0"


def save_picture(path: Path, found: Usefulness) -> None:
    """As PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (takes a second)
    from matplotlib.figure import Figure  # noqa: PLC0415 (as above)

    alone = len(found.sizes) == 1
    figure = Figure(figsize=(7, 1.4 + 0.3 * len(found.sizes[0].regimes) if alone else 4.5), dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if alone:
        _side_by_side(axes, found.sizes[0])
    else:
        _curves(axes, found.sizes)
    title = f"{found.verdict}: {found.classifier}, {found.seeds} seeds, {found.n:,} test images"
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, format="png", metadata={"Software": None})


def _side_by_side(axes: Any, size: SizeFigures) -> None:
    names = list(size.regimes)[::-1]
    for place, name in enumerate(names):
        estimate = size.regimes[name].figures["balanced_accuracy"]
        axes.plot([estimate.low, estimate.high], [place, place], color=_colour(name), linewidth=2)
        axes.plot(estimate.value, place, "o", color=_colour(name))
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("balanced accuracy on test images, 95 % interval over seeds and patients")


def _curves(axes: Any, sizes: Sequence[SizeFigures]) -> None:
    """The regimes that decide, and the two that need no control."""
    places = range(len(sizes))
    for label, regime, colour, style in (
        ("real", lambda size: "real", _REAL, ":"),
        ("augmented", lambda size: "augmented", _REAL, "-"),
        ("with copies", lambda size: size.control, _COPIES, "-"),
        ("with drawn", lambda size: size.chosen, _DRAWN, "-"),
        ("drawn alone", lambda size: "drawn alone", _DRAWN, ":"),
    ):
        found = [size.regimes[regime(size)].figures["balanced_accuracy"] for size in sizes]
        axes.plot(places, [each.value for each in found], style, marker="o", color=colour, label=label)
        axes.fill_between(places, [each.low for each in found], [each.high for each in found], color=colour, alpha=0.12)
    axes.set_xticks(places, [f"{size_of(size)}\n{size.verdict}" for size in sizes])
    axes.set_xlabel("real images a class")
    axes.set_ylabel("balanced accuracy on test images")
    axes.legend(fontsize=8)


def _colour(name: str) -> str:
    return _DRAWN if "drawn" in name else _COPIES if "copies" in name else _REAL
