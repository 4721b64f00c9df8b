"""Two hundred images: with and without augmentation, from scratch and from other images -> results/small-set.md.

    python -m benchmarks.small_set          # some 35 minutes; `medgan data fetch medical-mnist` first

100 CTs of the abdomen and 100 of the head; the networks that transfer starts from learnt chest X-rays. The judges know
the rest of the training images, and the best step is chosen on more validation images than so small a set would have:
both help every row alike.
"""

from typing import Any

from benchmarks.judging import WORK, configuration, judge, open_subject
from benchmarks.tables import cpu_seconds, write_table

SMALL: dict[str, Any] = {
    "data.name": "small-set",
    "data.options.classes": ["AbdomenCT", "HeadCT"],
    "data.train_per_class": 100,
    "train.evaluations": 6,
    "train.n": 1000,
    "evaluate.n": 3000,
}
CHEST: dict[str, Any] = {
    "data.name": "chest-x-rays",
    "data.options.classes": ["CXR"],
    "gan.augment": [],
    "train.n": 1000,
    "evaluate.n": 1000,
}


def main() -> None:
    seconds = cpu_seconds(__doc__, default=300)
    chest = configuration("small-set", data="medical-mnist", changes=CHEST)
    pretrained = WORK / f"chest-x-rays-{seconds:g}.checkpoint"
    judge("chest X-rays", chest, open_subject(chest), cpu_seconds=seconds, checkpoint=pretrained)
    trials: dict[str, dict[str, Any]] = {
        "dcgan-published": {"recipe": "dcgan-published"},
        "small-set without augmentation": {"gan.augment": []},
        "small-set with all of DiffAugment": {"gan.augment": ["brightness", "contrast", "translation", "cutout"]},
        "small-set": {},
        "small-set from chest X-rays": {"train.init_from": str(pretrained)},
    }
    rows = []
    for name, changes in trials.items():
        recipe = changes.pop("recipe", "small-set")
        config = configuration(recipe, data="medical-mnist", changes={**SMALL, **changes})
        subject = open_subject(config)
        rows.append(judge(name, config, subject, cpu_seconds=seconds))
    title = f"Two hundred CTs (100 abdomens, 100 heads) at 64x64, {seconds:.0f} CPU seconds a row"
    write_table("small-set", title, rows, subject, pictures=True)


if __name__ == "__main__":
    main()
