"""One change at a time to the published DCGAN, on Medical MNIST -> results/ladder.md.

    python -m benchmarks.ladder             # some 80 minutes; `medgan data fetch medical-mnist` first

Width 32 instead of 64, so that each row gets through several hundred steps; everything else as published.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.judging import configuration, judge, open_subject
from benchmarks.tables import cpu_seconds, write_table

BASE: dict[str, Any] = {"gan.model.width": 32, "gan.model.max_width": 256, "train.evaluations": 3, "train.n": 2000}
# (name, what differs from the base, times the CPU time)
LADDER: tuple[tuple[str, Mapping[str, Any], float], ...] = (
    ("as published: batch 128, latent 100", {}, 1),
    ("batch 64", {"gan.batch": 64}, 1),
    ("batch 16", {"gan.batch": 16}, 1),
    ("latent 128", {"gan.model.latent_dim": 128}, 1),
    ("latent 256", {"gan.model.latent_dim": 256}, 1),
    ("label smoothing 0.9", {"gan.label_smoothing": 0.9}, 1),
    ("spectral norm", {"gan.model.discriminator_norm": "spectral"}, 1),
    ("discriminator lr x10", {"gan.discriminator_lr_ratio": 10.0}, 1),
    ("discriminator lr x100", {"gan.discriminator_lr_ratio": 100.0}, 1),
    ("200 images a class", {"data.train_per_class": 200}, 1),
    ("2,000 images a class", {"data.train_per_class": 2000}, 1),
    ("twice the epochs", {}, 2),
    ("four times the epochs", {}, 4),
)


def main() -> None:
    seconds = cpu_seconds(__doc__, default=180)
    rows = []
    for name, changes, times in LADDER:
        config = configuration("dcgan-published", data="medical-mnist", changes={**BASE, **changes})
        # A smaller training set is spare images to the judges: extractor, test images and floor are the same.
        subject = open_subject(config)
        rows.append(judge(name, config, subject, cpu_seconds=times * seconds))
    title = f"Published DCGAN (width 32), one change at a time: Medical MNIST 64x64, {seconds:.0f} CPU seconds a row"
    write_table("ladder", title, rows, subject)


if __name__ == "__main__":
    main()
