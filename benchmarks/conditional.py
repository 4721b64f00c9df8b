"""GAN, conditional GAN, both as published, and ours at 32x32 on phantoms of ten kinds -> results/conditional.md, docs.

    python -m benchmarks.conditional        # some 18 minutes

In the picture the GAN is on the left; the two others draw a kind a row.
"""

import numpy as np
from PIL import Image

from benchmarks.judging import ROOT, configuration, judge, open_subject
from benchmarks.tables import cpu_seconds, write_table
from medgan.imaging.grids import save_image

BUDGET = {"train.evaluations": 4, "train.n": 1500, "evaluate.n": 1500}


def main() -> None:
    seconds = cpu_seconds(__doc__, default=300)
    rows, pictures = [], []
    for name in ("gan-published", "cgan-published", "default"):
        config = configuration(name, data="cgan-published", changes=BUDGET)
        subject = open_subject(config)
        rows.append(judge(name, config, subject, cpu_seconds=seconds))
        with Image.open(rows[-1].picture) as picture:
            pictures.append(np.asarray(picture))
    gap = np.full_like(pictures[0][:, :24], 255)
    joined = np.concatenate([pictures[0], gap, pictures[1], gap, pictures[2]], axis=1)
    save_image(ROOT / "docs" / "conditional.png", joined)
    title = f"GAN and conditional GAN at 32x32, ten kinds of phantom, {seconds:.0f} CPU seconds each"
    write_table("conditional", title, rows, subject)


if __name__ == "__main__":
    main()
