"""The systems side by side on Medical MNIST, the same CPU time each -> results/systems.md, docs/systems-*.png.

    python -m benchmarks.systems            # some 140 minutes; `medgan data fetch medical-mnist` first

One of them is judged after a sixth of that time too: scores that mean anything tell the two apart.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from benchmarks.judging import Judged, configuration, judge, open_subject
from benchmarks.tables import cpu_seconds, write_table
from medgan.evaluation.two_sample import TwoSample
from medgan.scores.figures import Fidelity

RECIPES = ("residual", "dcgan-published", "transformer", "sngan-published", "cgan-published")
EVALUATIONS = {"train.evaluations": 4, "train.n": 2000}
_BRIEF = 1 / 6

# What each score says of likeness and of two samples; all as if lower were better.
HEADLINES: Mapping[str, Callable[[Fidelity, TwoSample], float]] = {
    "FID": lambda quality, _: quality.fid,
    "KID": lambda quality, _: quality.kid,
    "precision": lambda quality, _: -quality.precision,
    "recall": lambda quality, _: -quality.recall,
    "density": lambda quality, _: -quality.density,
    "coverage": lambda quality, _: -quality.coverage,
    "nearest neighbour": lambda _, samples: samples.nearest.features.accuracy.value,
    "nearest neighbour on pixels": lambda _, samples: samples.nearest.pixels.accuracy.value,
    "told apart": lambda _, samples: _answers(samples)[0],
    "log-loss of told apart": lambda _, samples: -_answers(samples)[1],
    "passing": lambda _, samples: -_answers(samples)[2],
}


def main() -> None:
    seconds = cpu_seconds(__doc__, default=1440)
    subject = open_subject(configuration("medical-mnist"), told_apart=True)

    def row(name: str, recipe: str, share: float = 1) -> Judged:
        config = configuration(recipe, data="medical-mnist", changes=EVALUATIONS)
        return judge(name, config, subject, cpu_seconds=share * seconds)

    brief = row(f"residual after {_BRIEF * seconds:.0f} s", "residual", _BRIEF)
    rows = {recipe: row(recipe, recipe) for recipe in RECIPES}
    title = f"Systems on Medical MNIST 64x64, {seconds:.0f} CPU seconds each"
    notes = _order(subject.floor, [rows["residual"], brief, rows["dcgan-published"]])
    write_table("systems", title, [brief, *rows.values()], subject, pictures=True, notes=notes)


def _order(floor: Fidelity, rows: Sequence[Judged]) -> list[str]:
    """Say which headlines put real images first and these rows after them, from good to bad."""
    images = [(floor, rows[0].two_sample.real), *((row.quality, row.two_sample.generated) for row in rows)]
    values = {name: [headline(*pair) for pair in images] for name, headline in HEADLINES.items()}
    ordered = {name: all(a < b for a, b in pairwise(found)) for name, found in values.items()}
    lines = [
        f"In the order real < {' < '.join(row.name for row in rows)}: {', '.join(n for n in ordered if ordered[n])}."
    ]
    for name in (name for name, fits in ordered.items() if not fits):
        lines.append(f"Not so {name}: {', '.join(f'{abs(value):.4f}' for value in values[name])}.")
    return lines


def _answers(samples: TwoSample) -> tuple[float, float, float]:
    """Accuracy, log-loss and passing."""
    answers = samples.told_apart and samples.told_apart.overall
    assert answers and answers.accuracy and answers.log_loss and answers.passing, "there are thousands of images"
    return answers.accuracy.value, answers.log_loss.value, answers.passing.value


if __name__ == "__main__":
    main()
