"""The validation score `passing`: how few drawn images a fresh network takes for real."""

import numpy as np

from medgan.data.store import Prepared
from medgan.imaging.arrays import Images, quantised
from medgan.scores.examining import examine
from medgan.scores.extractor import Extractor
from medgan.scores.images import ImageSet
from medgan.scores.passing import passing_of
from medgan.scores.validation_images import chosen_images, judge_of
from medgan.training.judge import Judge

_STEPS = 200  # at most


def passing_judge(prepared: Prepared, _extractor: Extractor, n: int, seed: int) -> Judge:
    """Judge by 1 - passing on n validation images: half of them teach the network, and it answers for the others.

    Where every drawn image is told from real ones it is 1 for all generators, and says nothing of which is better.
    """
    chosen = chosen_images(prepared, n, seed)
    real = ImageSet.stored(prepared, chosen)

    def score(images: Images) -> float:
        drawn = ImageSet(quantised(images, prepared.levels), labels=real.labels)
        answers = examine(drawn, real, steps=_STEPS, seed=seed)
        every = (np.ones((1, len(side))) for side in (answers.drawn, answers.real))
        return 1 - float(passing_of(answers.drawn, answers.real)(*every)[0])

    return judge_of(prepared, chosen, score)
