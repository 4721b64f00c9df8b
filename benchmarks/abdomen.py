"""AbdomenCT alone, 10,000 images: recommended beside published DCGAN at equal CPU time -> results/abdomen.md, docs.

python -m benchmarks.abdomen            # some 25 minutes; `medgan data fetch medical-mnist` first
"""

from typing import Any

from benchmarks.judging import configuration, judge, open_subject
from benchmarks.tables import cpu_seconds, write_table

ABDOMEN: dict[str, Any] = {
    "data.name": "abdomen-ct",
    "data.options.classes": ["AbdomenCT"],
    "data.labels": False,
    "gan.conditional": False,
    "train.evaluations": 4,
    "train.n": 1500,
    "evaluate.n": 1500,
}


def main() -> None:
    seconds = cpu_seconds(__doc__, default=600)
    rows = []
    for name in ("dcgan-published", "residual"):
        config = configuration(name, data="medical-mnist", changes=ABDOMEN)
        subject = open_subject(config)
        rows.append(judge(name, config, subject, cpu_seconds=seconds))
    title = f"AbdomenCT alone at 64x64, {seconds:.0f} CPU seconds each"
    write_table("abdomen", title, rows, subject, pictures=True)


if __name__ == "__main__":
    main()
