"""The systems side by side on Medical MNIST, the same CPU time each -> results/systems.md, docs/systems-*.png.

python -m benchmarks.systems            # some 110 minutes; `medgan data fetch medical-mnist` first
"""

from benchmarks.judging import configuration, judge, open_subject
from benchmarks.tables import cpu_seconds, write_table

RECIPES = ("dcgan-published", "sngan-published", "cgan-published", "transformer", "residual")
EVALUATIONS = {"train.evaluations": 4, "train.n": 2000}


def main() -> None:
    seconds = cpu_seconds(__doc__, default=1200)
    subject = open_subject(configuration("medical-mnist"))
    rows = []
    for name in RECIPES:
        config = configuration(name, data="medical-mnist", changes=EVALUATIONS)
        rows.append(judge(name, config, subject, cpu_seconds=seconds))
    title = f"Systems on Medical MNIST 64x64, {seconds:.0f} CPU seconds each"
    write_table("systems", title, rows, subject, pictures=True)


if __name__ == "__main__":
    main()
