"""The validation score `utility`: how often classifiers err that have learnt from drawn images alone.

The classification accuracy score (Ravuri and Vinyals 2019). Beside real images, chance would outweigh what generators
differ in.
"""

from functools import partial

import numpy as np

from medgan.data.store import Prepared
from medgan.data.stored import StoredImages
from medgan.errors import MedganError
from medgan.imaging.arrays import Images, quantised
from medgan.scores.classifying import LEARNING_RATE, Labelled, Lessons, PlainCnn, learn_classes
from medgan.scores.extractor import Extractor
from medgan.scores.validation_images import chosen_images, judge_of
from medgan.seeds import derive_seed
from medgan.training.judge import Judge

_LESSONS = Lessons(steps=150, batch=32, learning_rate=LEARNING_RATE, augment=("translation",))
_CLASSIFIERS = 2


def utility_judge(prepared: Prepared, _extractor: Extractor, n: int, seed: int) -> Judge:
    """Judge by 1 - balanced accuracy on n validation images, of classifiers that learn from as many drawn ones.

    Raises MedganError where classes are not asked for.
    """
    check_classes(prepared.spec.classes > 1 and prepared.labels is not None)
    assert prepared.labels is not None
    chosen = chosen_images(prepared, n, seed)
    labels, build = prepared.labels[chosen], partial(PlainCnn, prepared.spec.channels, prepared.spec.classes)
    real = Labelled(StoredImages(prepared, chosen), labels)

    def score(images: Images) -> float:
        drawn = Labelled(quantised(images, prepared.levels), labels)
        seeds = (derive_seed(seed, "utility", number) for number in range(_CLASSIFIERS))
        learnt = (learn_classes(build, drawn, np.arange(n), real, _LESSONS, seed=each) for each in seeds)
        return 1 - float(np.mean([each.course[-1][1] for each in learnt]))

    return judge_of(prepared, chosen, score)


def check_classes(asked: bool) -> None:
    """Raise MedganError unless classes, of two or more, are asked for."""
    if not asked:
        raise MedganError(
            "utility is what classifiers learn from drawn images, and this generator is not told which of several "
            "classes to draw; set train.score (and search.metric) to fid"
        )
