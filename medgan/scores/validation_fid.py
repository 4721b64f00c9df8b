"""The validation score `fid`: the Fréchet distance of generated images to validation images, class by class."""

from functools import cache

from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.imaging.arrays import Images, quantised
from medgan.scores.extractor import DIMENSIONS, Extractor
from medgan.scores.frechet import Statistics, group_statistics, mean_distance
from medgan.scores.groups import groups
from medgan.scores.validation_images import chosen_images, judge_of
from medgan.training.judge import Judge


def fid_judge(prepared: Prepared, extractor: Extractor, n: int, seed: int) -> Judge:
    """Judge by the Fréchet distance to n validation images: the mean over their classes, as the report has it.

    prepared: without labels where the generator is not told them.
    """
    chosen = chosen_images(prepared, n, seed)
    labels = None if prepared.labels is None else prepared.labels[chosen]
    rows = list(groups(labels, prepared.label_names, n=n, dimensions=DIMENSIONS).values())

    @cache
    def real() -> list[Statistics]:
        """Made at the first evaluation: a training that has ended needs none."""
        return group_statistics(extractor.observe(StoredImages(prepared, chosen)).features, rows)

    def score(images: Images) -> float:
        features = extractor.observe(quantised(images, prepared.levels)).features
        return mean_distance(group_statistics(features, rows), real())

    return judge_of(prepared, chosen, score)
