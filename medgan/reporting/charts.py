"""Curves of a training and of a search, as SVG: the same data give the same bytes."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from medgan.training.state import Row

_COLOURS = ("#1f5f8b", "#b3432b", "#4d7c3a", "#7a5195", "#8a6d00", "#444444")
_STYLES = ("-", "--", ":", "-.")
_VALIDATION = "validation/"


def losses(rows: Sequence[Row]) -> bytes | None:
    """Every loss by step; None where there are no two points."""
    names = sorted({key for row in rows for key in row if key.startswith("loss/")})
    curves = {name.removeprefix("loss/"): _points(rows, name) for name in names}
    return _curves(curves, "step", "loss")


def validation(rows: Sequence[Row], score: str) -> bytes | None:
    """The score on validation images of the weights as they are and of their moving average, by step."""
    curves = {
        title: _points(rows, f"{_VALIDATION}{name}")
        for name, title in (("raw", "weights as they are"), ("ema", "their moving average"))
    }
    return _curves(curves, "step", f"{score} on validation images", marker="o")


def trials(rows: Sequence[Mapping[str, str]], score: str) -> bytes | None:
    """The score of each trial that ended, and the best so far; None for fewer than two."""
    ended = [(int(row["number"]), float(row["score"])) for row in rows if row["score"]]
    ended = [(number, value) for number, value in ended if math.isfinite(value)]
    if len(ended) < 2:
        return None
    figure, axes = _axes("trial", score)
    numbers, values = zip(*ended, strict=True)
    axes.plot(numbers, values, "o", color=_COLOURS[0], label="trial")
    best = [min(values[: place + 1]) for place in range(len(values))]
    axes.step(numbers, best, where="post", color=_COLOURS[1], label="best so far")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    return _svg(figure)


def _points(rows: Sequence[Row], name: str) -> list[tuple[float, float]]:
    return [(row["step"], row[name]) for row in rows if name in row and math.isfinite(row[name])]


def _curves(
    curves: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str, marker: str = ""
) -> bytes | None:
    shown = {name: points for name, points in curves.items() if len(points) > 1}
    if not shown:
        return None
    figure, axes = _axes(across, up)
    for place, (name, points) in enumerate(shown.items()):
        colour, style = _COLOURS[place % len(_COLOURS)], _STYLES[place // len(_COLOURS) % len(_STYLES)]
        axes.plot(*zip(*points, strict=True), style, color=colour, label=name, linewidth=1.2, marker=marker)
    many = len(shown) > len(_COLOURS)  # networks of several scales
    axes.legend(frameon=False, **({"loc": "upper left", "bbox_to_anchor": (1, 1), "fontsize": 8} if many else {}))
    return _svg(figure)


def _axes(across: str, up: str) -> tuple[Any, Any]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 (takes a second)
    from matplotlib.figure import Figure  # noqa: PLC0415 (as above)

    figure = Figure(figsize=(6.4, 3.6))
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Any) -> bytes:
    import matplotlib as mpl  # noqa: PLC0415 (takes a second)

    file = io.BytesIO()
    figure.tight_layout()
    with mpl.rc_context({"svg.hashsalt": "medgan"}):  # else the names inside differ each time
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
