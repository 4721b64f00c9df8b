"""The validation score `fid`: the Fréchet distance of generated images to validation images."""

from functools import cache

from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.imaging.arrays import Images, quantised
from medgan.scores.extractor import Extractor
from medgan.scores.frechet import Statistics, distance, statistics
from medgan.scores.validation_images import chosen_images, judge_of
from medgan.training.judge import Judge


def fid_judge(prepared: Prepared, extractor: Extractor, n: int, seed: int) -> Judge:
    """Judge by the Fréchet distance to n validation images."""
    chosen = chosen_images(prepared, n, seed)

    @cache
    def real() -> Statistics:
        """Made at the first evaluation: a training that has ended needs none."""
        return statistics(extractor.observe(StoredImages(prepared, chosen)).features)

    def score(images: Images) -> float:
        return distance(statistics(extractor.observe(quantised(images, prepared.levels)).features), real())

    return judge_of(prepared, chosen, score)
